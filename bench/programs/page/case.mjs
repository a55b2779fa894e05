// A page that gets messages by WebSocket, has each summed by one of two workers, and answers it.

const SIZES = [1200, 16384];

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
  marks: [
    { figure: "cpu", most: 0.8 },
    { figure: "cpu", against: "alone", most: 1 },
    { figure: "main", against: "nothing", most: 0.5 },
  ],
};
