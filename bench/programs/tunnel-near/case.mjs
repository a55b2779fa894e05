// The near end of a tunnel: frames of a capture, each with a header in front, cut to what fits a datagram, by UDP to the far end.

const NOTES = `Where the time goes, CPU microseconds by samples of all threads, in one run of each, at 20,000 in a second:

| | the system | Node, V8, libc | collector | JS and Wasm |
| --- | --: | --: | --: | --: |
| ours | 3.1 | 1.8 | 0.1 | 2.2 |
| plain | 3.1 | 1.9 | 0.2 | 1.2 |

The system and Node take as much of either.`;

export default {
  name: "tunnel-near",
  title: "Tunnel, near end: frames from a capture, header pushed, cut to 1400 bytes, sent by UDP; one thread",
  programs: { ours: "ours.mjs", plain: "plain.mjs" },
  traffic: "traffic.mjs",
  unit: "frame",
  loads: [
    { id: "1000", title: "1,000 in a second", rate: 1000 },
    { id: "20000", title: "20,000 in a second", rate: 20_000 },
    { id: "flat", title: "flat out", rate: 0 },
  ],
  marks: [{ figure: "cpu", most: 1 }],
  notes: NOTES,
};
