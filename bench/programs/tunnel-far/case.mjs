// The far end of a tunnel: datagrams are joined to frames, which are written to a capture.

import near from "../tunnel-near/case.mjs";

export default {
  ...near,
  name: "tunnel-far",
  title: "Tunnel, far end: datagrams joined to frames, written to a capture; one thread",
};
