// The relay with a key for each receiver: what goes out is encrypted by two workers.

import relay from "../relay/case.mjs";

export default {
  ...relay,
  name: "secure-relay",
  title:
    "Secure relay: AES-128-GCM for each of 5 receivers by 2 workers (node:crypto), 200 packets of history for each",
  programs: { ours: "ours.mjs", plain: "plain.mjs" },
  traffic: "../relay/traffic.mjs",
  marks: [
    { figure: "cpu", most: 0.7 },
    { figure: "rate", least: 1.5, load: "flat" },
  ],
};
