// The same work with bl, the usual way in Node to treat several Buffers as one. It has no putData: append only
// refers to the bytes.

import { BufferList } from "bl";
import { do_not_optimize } from "mitata";
import { checksum, parts } from "./node.mjs";
import { BURST, payload } from "./ops.mjs";

export function make() {
  return {
    *alloc(state) {
      const size = state.get("size");
      yield { 0: () => size, bench: (n) => do_not_optimize(new BufferList(Buffer.allocUnsafe(n)).length) };
    },

    *burst(state) {
      const size = state.get("size");
      const out = new Array(BURST).fill(null);
      yield {
        0: () => size,
        bench(n) {
          for (let i = 0; i < BURST; i++) out[i] = new BufferList(Buffer.allocUnsafe(n));
          do_not_optimize(out);
        },
      };
    },

    *twin(state) {
      const size = state.get("size");
      yield {
        0: () => size,
        bench: (n) => do_not_optimize(new BufferList(Buffer.allocUnsafe(n)).duplicate().length),
      };
    },

    *clone(state) {
      const packet = new BufferList(payload(state.get("size")));
      yield { 0: () => packet, bench: (list) => do_not_optimize(list.duplicate().length) };
    },

    *copy(state) {
      const packet = new BufferList(payload(state.get("size")));
      yield {
        0: () => packet,
        // slice() would not copy a list of one.
        bench: (list) => do_not_optimize(new BufferList(list.copy(Buffer.allocUnsafe(list.length))).length),
      };
    },

    *copyBits(state) {
      const size = state.get("size");
      const list = new BufferList(payload(size));
      const bytes = Buffer.alloc(size);
      yield {
        0: () => bytes,
        bench(into) {
          list.copy(into);
          do_not_optimize(into);
        },
      };
    },

    *linearize(state) {
      const packet = new BufferList(parts(state.get("size")));
      yield { 0: () => packet, bench: (list) => do_not_optimize(list.slice().length) };
    },

    *checksum(state) {
      const packet = new BufferList(payload(state.get("size")));
      yield { 0: () => packet, bench: (list) => do_not_optimize(checksum(list.slice())) };
    },
  };
}
