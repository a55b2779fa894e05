// The relay with a key for each receiver: what goes out is encrypted by two workers.

import relay from "../relay/case.mjs";

const NOTES = `Where the time goes, CPU microseconds by samples of all threads, in one run of each, flat out:

| | the system | Node, V8, libc | collector | JS and Wasm |
| --- | --: | --: | --: | --: |
| ours | 10.7 | 38.1 | 2.2 | 13.6 |
| plain | 12.4 | 36.0 | 2.1 | 4.6 |

Of the relay without the package 88% are the system and Node, most of it the object that \`node:crypto\` makes for each packet. Messages
between threads, which the package saves, are too small a part for the mark.`;

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
  notes: NOTES,
};
