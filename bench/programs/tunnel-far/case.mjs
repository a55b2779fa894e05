// The far end of a tunnel: datagrams are joined to frames, which are written to a capture.

import near from "../tunnel-near/case.mjs";

const NOTES = `Where the time goes, CPU microseconds by samples of all threads, in one run of each, at 20,000 in a second:

| | the system | Node, V8, libc | collector | JS and Wasm |
| --- | --: | --: | --: | --: |
| ours | 3.4 | 4.4 | 0.1 | 2.2 |
| plain | 2.6 | 3.8 | 0.2 | 0.5 |

\`plain\` copies frames of 555 bytes into one buffer and writes that; ours gives the system a list of their pieces, which costs more than
the copies.`;

export default {
  ...near,
  name: "tunnel-far",
  title: "Tunnel, far end: datagrams joined to frames, written to a capture; one thread",
  notes: NOTES,
};
