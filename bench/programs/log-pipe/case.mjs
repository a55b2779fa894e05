// Lines of a log from some threads to one file, which another thread writes, as pino does with its transports.

/** Of a line, with its end. */
const BYTES = 200;

const NOTES = `Where the time goes: of some 150 ns a line, 75 are the system's, which copies it into the file's pages; 60 are Node's
\`utf8Write\`, which puts the string into the arena; and a wake-up of the writer is 8 µs for 650 lines. Nothing that a program
can do makes the first two less, so that five times the rate of thread-stream is reached only where both threads have a core of
their own.`;

export default {
  name: "log-pipe",
  title: "log pipe: lines of 200 bytes, from 1 to 3 threads to a file",
  programs: { ours: "ours.mjs", plain: "plain.mjs" },
  unit: "line",
  options: { bytes: BYTES, checked: { threads: 3, lines: 5000 } },
  loads: [
    { id: "1", title: "from 1 thread", threads: 1, lines: 500_000 },
    { id: "2", title: "from 2 threads", threads: 2, lines: 250_000 },
    { id: "3", title: "from 3 threads", threads: 3, lines: 167_000 },
  ],
  notes: NOTES,
  marks: [
    { figure: "rate", least: 5 },
    { figure: "cpu", most: 0.3 },
  ],
};
