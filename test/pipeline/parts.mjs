// Parts of pipelines that the tests run on threads of their own: `data.do` says what each does.

import { setTimeout as sleep } from "node:timers/promises";

const STAGES = {
  /** Notes the checksum, and which thread took it. */
  mark: ({ index }) => {
    return (skb) => {
      skb.mark = skb.checksum();
      skb.priority = index;
      return skb;
    };
  },
  /** Keeps three, and lets them go at the end. */
  keep: ({ emit }) => {
    const kept = [];
    return {
      packet: (skb) => (kept.length < 3 ? void kept.push(skb) : skb),
      end: () => kept.forEach(emit),
    };
  },
  /** Twice as many. */
  twice: ({ emit }) => {
    return (skb) => {
      emit(skb.clone());
      return skb;
    };
  },
  /** Only those with an even hash. */
  drop: () => (skb) => (skb.hash % 2 === 0 ? skb : skb.release()),
  throws: ({ data }) => {
    let n = 0;
    return (skb) => {
      if (++n === data.at) throw Object.assign(new RangeError("too much"), { code: "ERR_TEST" });
      return skb;
    };
  },
  promises: () => async (skb) => skb,
  exits: ({ data }) => {
    let n = 0;
    return (skb) => {
      if (++n === data.at) process.exit(3);
      return skb;
    };
  },
  hangs: () => () => {
    for (;;);
  },
  holds: () => {
    const kept = [];
    return (skb) => void kept.push(skb);
  },
  never: () => new Promise(() => {}),
  rejects: async ({ data }) => {
    await sleep(data?.ms ?? 1);
    throw new Error("not to be made");
  },
};

export default (context) => STAGES[context.data.do](context);
