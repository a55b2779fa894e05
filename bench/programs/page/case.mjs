// A page that gets messages by WebSocket, has each summed by one of two workers, and answers it.

const SIZES = [1200, 16384];

/** Profiles of the main thread, 1200 bytes flat out, Node 20. */
const NOTES = `Where the time of the main thread goes, 1200 bytes flat out, by a CPU profile; idle time aside.

| % | ours | plain | alone |
|---|--:|--:|--:|
| writing answers to the socket | 25 | 31 | 40 |
| telling the workers, which is a wake-up most of all (ours: the core, with the copy into the arena) | 23 | 30 | - |
| ws: frames taken apart and made | 12 | 20 | 17 |
| Node's streams, timers, promises | 15 | 10 | 6 |
| native: reading the socket, the event loop | 4 | 4 | 5 |
| collecting garbage | 6 | 4 | 25 |
| the package in JavaScript: receiver, sender, waits | 13 | - | - |
| summing, and the rest of the program | 2 | 1 | 7 |

To sum 1200 bytes takes JavaScript 0.4 µs, of the 8 to 10 that a message and its answer take: so little is there to be given to
workers. At 1,000 messages in a second a worker and the main thread are waked for each. At 16 KiB, where a sum takes 3.5 µs in JavaScript,
workers pay.`;

export default {
  name: "page",
  title: "WebSocket messages, each summed and answered, by 2 workers; in Node, as client",
  programs: { ours: "ours.mjs", plain: "plain.mjs", alone: "alone.mjs" },
  traffic: "traffic.mjs",
  unit: "message and its answer",
  shares: true,
  loads: SIZES.flatMap((bytes) => [
    { id: `${bytes}/1000`, title: `${bytes} bytes, 1,000 in a second`, bytes, rate: 1000 },
    { id: `${bytes}/flat`, title: `${bytes} bytes, flat out`, bytes, rate: 0 },
  ]),
  notes: NOTES,
  marks: [
    { figure: "cpu", most: 0.8 },
    { figure: "cpu", against: "alone", most: 1 },
    { figure: "main", against: "nothing", most: 0.5 },
  ],
};
