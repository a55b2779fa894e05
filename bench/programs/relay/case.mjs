// An RTP relay: what comes in goes to five receivers, each with a header of its own, and the last 200 packets of each are kept, as
// one does to send again what was lost.

/** Nothing is shorter or longer: what a camera sends fills its packets. */
const BYTES = 1200;
const RECEIVERS = 5;
const HISTORY = 200;

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
};
