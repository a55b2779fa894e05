// The operations through the package's public face. Each is a mitata generator: what comes before the yield is not
// measured, what comes after it cleans up. Results are consumed as plain values: to keep the object itself, in an
// old place, costs more than some of the operations, on every subject.

import { do_not_optimize } from "mitata";
import { BURST, FRAG_BYTES, payload, pieces } from "./ops.mjs";

export async function make({ engine: options }) {
  const { Burst, Engine } = await import("skbuff");
  await import("skbuff/js");
  const engine = await Engine.create(options);

  function linear(size) {
    return engine.alloc(size).putData(payload(size));
  }

  function fragged(size) {
    const bytes = payload(size);
    const [head, ...frags] = pieces(size);
    const skb = engine.alloc(head).putData(bytes.subarray(0, head));
    frags.forEach((n, i) => {
      const start = head + i * FRAG_BYTES;
      skb.addPageFrag(n).set(bytes.subarray(start, start + n));
    });
    return skb;
  }

  return {
    *alloc(state) {
      const size = state.get("size");
      yield {
        0: () => size,
        bench(n) {
          const skb = engine.alloc(n);
          do_not_optimize(skb.alive);
          skb.release();
        },
      };
    },

    *burst(state) {
      const size = state.get("size");
      const out = new Array(BURST).fill(null);
      yield {
        0: () => size,
        bench(n) {
          engine.allocBurst(out, n);
          do_not_optimize(out);
          engine.releaseBurst(out);
        },
      };
    },

    *reuse(state) {
      const size = state.get("size");
      const out = new Array(BURST).fill(null);
      const options = { reuse: true };
      yield {
        0: () => size,
        bench(n) {
          engine.allocBurst(out, n, out.length, options);
          do_not_optimize(out);
          engine.releaseBurst(out);
        },
      };
    },

    *handles(state) {
      const size = state.get("size");
      const burst = new Burst(engine, { capacity: BURST });
      yield {
        0: () => size,
        bench(n) {
          do_not_optimize(engine.allocBurst(burst, n));
          engine.releaseBurst(burst);
        },
      };
      burst.release();
    },

    *twin(state) {
      const size = state.get("size");
      yield {
        0: () => size,
        bench(n) {
          const skb = engine.alloc(n);
          const twin = skb.clone();
          do_not_optimize(twin.alive);
          skb.release();
          twin.release();
        },
      };
    },

    *clone(state) {
      const packet = linear(state.get("size"));
      yield {
        0: () => packet,
        bench(skb) {
          const twin = skb.clone();
          do_not_optimize(twin.alive);
          twin.release();
        },
      };
      packet.release();
    },

    *copy(state) {
      const packet = linear(state.get("size"));
      yield {
        0: () => packet,
        bench(skb) {
          const twin = skb.copy();
          do_not_optimize(twin.alive);
          twin.release();
        },
      };
      packet.release();
    },

    *copyHead(state) {
      const packet = fragged(state.get("size"));
      yield {
        0: () => packet,
        bench(skb) {
          const twin = skb.copyHead();
          do_not_optimize(twin.alive);
          twin.release();
        },
      };
      packet.release();
    },

    *put(state) {
      const size = state.get("size");
      const skb = engine.alloc(size);
      const bytes = payload(size);
      yield {
        0: () => bytes,
        bench(from) {
          skb.trim(0);
          do_not_optimize(skb.putData(from));
        },
      };
      skb.release();
    },

    *copyBits(state) {
      const size = state.get("size");
      const skb = linear(size);
      const bytes = Buffer.alloc(size);
      yield {
        0: () => bytes,
        bench(into) {
          skb.copyBits(0, into);
          do_not_optimize(into);
        },
      };
      skb.release();
    },

    *linearize(state) {
      const packet = fragged(state.get("size"));
      yield {
        0: () => packet,
        bench(skb) {
          const twin = skb.copyHead();
          twin.linearize();
          do_not_optimize(twin.alive);
          twin.release();
        },
      };
      packet.release();
    },

    *checksum(state) {
      const packet = linear(state.get("size"));
      yield { 0: () => packet, bench: (skb) => do_not_optimize(skb.checksum()) };
      packet.release();
    },
  };
}
