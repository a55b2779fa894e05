// An RTP relay: what comes in goes to five receivers, each with a header of its own, and the last 200 packets of each are kept, as
// one does to send again what was lost.

/** Nothing is shorter or longer: what a camera sends fills its packets. */
const BYTES = 1200;
const RECEIVERS = 5;
const HISTORY = 200;

const NOTES = `Where the time goes, CPU microseconds by samples of all threads, in one run of each, at 20,000 in a second:

| | the system | Node, V8, libc | collector | JS and Wasm |
| --- | --: | --: | --: | --: |
| ours | 9.2 | 5.4 | 0.2 | 4.7 |
| plain | 8.3 | 5.3 | 0.3 | 2.2 |

What the system and Node take for six datagrams is 85% of the relay without the package. The package cannot make that less: it
goes through the same \`dgram\`. What is left to gain is the last column.`;

export default {
  name: "relay",
  title: "RTP relay: header rewritten, to 5 receivers, 200 packets of history for each; one thread",
  programs: { ours: "ours.mjs", plain: "plain.mjs" },
  traffic: "traffic.mjs",
  unit: "packet that came in, and its five that went out",
  options: { bytes: BYTES, receivers: RECEIVERS, history: HISTORY },
  loads: [
    { id: "1000", title: "1,000 in a second", rate: 1000 },
    { id: "20000", title: "20,000 in a second", rate: 20_000 },
    { id: "flat", title: "flat out", rate: 0 },
  ],
  marks: [
    { figure: "cpu", most: 1 },
    { figure: "p999", most: 1 },
    { figure: "memory", most: 1 },
  ],
  notes: NOTES,
};
