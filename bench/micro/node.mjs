// The same work as one does it with Node's Buffers. Release is the garbage collector's.

import { do_not_optimize } from "mitata";
import { BURST, payload, pieces } from "./ops.mjs";

export function parts(size) {
  let start = 0;
  return pieces(size).map((n) => {
    const part = payload(size).subarray(start, start + n);
    start += n;
    return part;
  });
}

/** RFC 1071 as it is usually written. 64 KiB of 16-bit words fit a double's integers by far. */
export function checksum(bytes) {
  let sum = 0;
  const even = bytes.length & ~1;
  for (let i = 0; i < even; i += 2) sum += (bytes[i] << 8) | bytes[i + 1];
  if (even !== bytes.length) sum += bytes[even] << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

export function make() {
  return {
    *alloc(state) {
      const size = state.get("size");
      yield { 0: () => size, bench: (n) => do_not_optimize(Buffer.allocUnsafe(n).length) };
    },

    *burst(state) {
      const size = state.get("size");
      const out = new Array(BURST).fill(null);
      yield {
        0: () => size,
        bench(n) {
          for (let i = 0; i < BURST; i++) out[i] = Buffer.allocUnsafe(n);
          do_not_optimize(out);
        },
      };
    },

    *twin(state) {
      const size = state.get("size");
      yield { 0: () => size, bench: (n) => do_not_optimize(Buffer.allocUnsafe(n).subarray().length) };
    },

    *clone(state) {
      const packet = payload(state.get("size"));
      yield { 0: () => packet, bench: (buffer) => do_not_optimize(buffer.subarray().length) };
    },

    *copy(state) {
      const packet = payload(state.get("size"));
      yield { 0: () => packet, bench: (buffer) => do_not_optimize(Buffer.from(buffer).length) };
    },

    *put(state) {
      const size = state.get("size");
      const buffer = Buffer.alloc(size);
      const bytes = payload(size);
      yield {
        0: () => bytes,
        bench(from) {
          from.copy(buffer);
          do_not_optimize(buffer);
        },
      };
    },

    *copyBits(state) {
      const size = state.get("size");
      const buffer = payload(size);
      const bytes = Buffer.alloc(size);
      yield {
        0: () => bytes,
        bench(into) {
          buffer.copy(into);
          do_not_optimize(into);
        },
      };
    },

    *linearize(state) {
      const size = state.get("size");
      const packet = parts(size);
      yield { 0: () => packet, bench: (list) => do_not_optimize(Buffer.concat(list, size).length) };
    },

    *checksum(state) {
      const packet = payload(state.get("size"));
      yield { 0: () => packet, bench: (buffer) => do_not_optimize(checksum(buffer)) };
    },
  };
}
