// Lines of a log from some threads to one file, which another thread writes, as pino does with its transports.

/** Of a line, with its end. */
const BYTES = 200;

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
  marks: [
    { figure: "rate", least: 5 },
    { figure: "cpu", most: 0.3 },
  ],
};
