// There and back: a packet to a worker and one back, beside the bare means of waking a thread. Nanoseconds.

import { isMainThread, workerData } from "node:worker_threads";
import { build } from "hdr-histogram-js";
import { Engine, Ring } from "skbuff";
import { say, start } from "./thread.mjs";

const WARM_UP = 1000;
const WORD = 0;
const REPLY = 16; // on another cache line
const ASLEEP = { spin: false };

export const LATENCIES = [
  { id: "spinning", title: "skbuff, spinning", against: "bare-spinning" },
  { id: "bare-spinning", title: "bare Atomics.load, spinning" },
  { id: "parked", title: "skbuff, asleep (Atomics.wait)", against: "bare-parked" },
  { id: "bare-parked", title: "bare Atomics.wait and notify" },
  { id: "async", title: "skbuff, asleep (waitAsync)", against: "bare-async" },
  { id: "bare-async", title: "bare Atomics.waitAsync and notify" },
];

/** What a ping does, once it is made for a way of waiting: it resolves, or returns, when the answer is there. */
const pings = {
  spinning: (ends) => () => {
    pass(ends.to, ends.skb);
    ends.skb = take(ends.from);
  },
  parked: (ends) => () => {
    pass(ends.to, ends.skb);
    while (ends.from.wait(ASLEEP) !== "ready");
    ends.skb = ends.from.dequeue();
  },
  async: (ends) => async () => {
    pass(ends.to, ends.skb);
    await ends.from.waitAsync();
    ends.skb = ends.from.dequeue();
  },
  "bare-spinning": (words) => () => {
    const i = Atomics.add(words, WORD, 1) + 1;
    while (Atomics.load(words, REPLY) !== i);
  },
  "bare-parked": (words) => () => {
    const i = Atomics.add(words, WORD, 1) + 1;
    Atomics.notify(words, WORD);
    Atomics.wait(words, REPLY, i - 1);
  },
  "bare-async": (words) => async () => {
    const i = Atomics.add(words, WORD, 1) + 1;
    Atomics.notify(words, WORD);
    const { async, value } = Atomics.waitAsync(words, REPLY, i - 1);
    if (async) await value;
  },
};

/** Answers `n` pings. */
const pongs = {
  spinning: ({ to, from }, n) => {
    for (let i = 0; i < n; i++) pass(to, take(from));
  },
  parked: ({ to, from }, n) => {
    for (let i = 0; i < n; i++) {
      while (from.wait(ASLEEP) !== "ready");
      pass(to, from.dequeue());
    }
  },
  async: async ({ to, from }, n) => {
    for (let i = 0; i < n; i++) {
      await from.waitAsync();
      pass(to, from.dequeue());
    }
  },
  "bare-spinning": (words, n) => {
    for (let i = 1; i <= n; i++) {
      while (Atomics.load(words, WORD) < i);
      Atomics.store(words, REPLY, i);
    }
  },
  "bare-parked": (words, n) => {
    for (let i = 1; i <= n; i++) {
      Atomics.wait(words, WORD, i - 1);
      Atomics.store(words, REPLY, i);
      Atomics.notify(words, REPLY);
    }
  },
  "bare-async": async (words, n) => {
    for (let i = 1; i <= n; i++) {
      const { async, value } = Atomics.waitAsync(words, WORD, i - 1);
      if (async) await value;
      Atomics.store(words, REPLY, i);
      Atomics.notify(words, REPLY);
    }
  },
};

function pass(ring, skb) {
  if (!ring.enqueue(skb)) throw new Error("the ring is full");
}

function take(ring) {
  for (;;) {
    const skb = ring.dequeue();
    if (skb !== null) return skb;
  }
}

async function shared(id) {
  if (id.startsWith("bare")) {
    const words = new Int32Array(new SharedArrayBuffer(128));
    return { mine: words, data: { words } };
  }
  const engine = await Engine.create({ memory: 8 << 20 });
  const [to, from] = [new Ring(engine, { capacity: 16 }), new Ring(engine, { capacity: 16 })];
  return {
    mine: { to, from, skb: engine.alloc(64) },
    data: { engine: engine.share(), to: from.share(), from: to.share() },
  };
}

// A browser's clock has steps of 5 microseconds and more: there only the mean counts.
const now =
  process.hrtime === undefined
    ? () => Math.round(performance.now() * 1e6)
    : () => Number(process.hrtime.bigint() - ORIGIN);
const ORIGIN = process.hrtime?.bigint() ?? 0n;

/** Round trips: quantiles, and the mean `ns`, in nanoseconds. */
export async function run(id, n) {
  const { mine, data } = await shared(id);
  const other = await start(new URL(import.meta.url), { id, n: n + WARM_UP, ...data });
  // A promise that is waited for only by Atomics.waitAsync keeps no process alive.
  const alive = setInterval(() => {}, 1000);
  const histogram = build({ lowestDiscernibleValue: 1, numberOfSignificantValueDigits: 3 });
  const ping = pings[id](mine);
  const waits = id.endsWith("async");
  let measuredFrom = 0;
  for (let i = 0; i < n + WARM_UP; i++) {
    if (i === WARM_UP) measuredFrom = performance.now();
    const time = now();
    if (waits) await ping();
    else ping();
    if (i >= WARM_UP) histogram.recordValue(now() - time);
  }
  const ns = ((performance.now() - measuredFrom) * 1e6) / n;
  clearInterval(alive);
  await other.end();
  return {
    ns,
    p50: histogram.getValueAtPercentile(50),
    p99: histogram.getValueAtPercentile(99),
    p999: histogram.getValueAtPercentile(99.9),
    max: histogram.maxValue,
  };
}

if (!isMainThread) {
  const { id, n, words, engine: token, to, from } = workerData;
  let ends = words;
  if (words === undefined) {
    const engine = await Engine.attach(token);
    ends = { engine, to: Ring.attach(engine, to), from: Ring.attach(engine, from) };
  }
  const alive = setInterval(() => {}, 1000);
  say("ready");
  await pongs[id](ends, n);
  clearInterval(alive);
}
