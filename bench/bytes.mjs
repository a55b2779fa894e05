// npm run bench:bytes: bytes between JS and packets in shared memory, beside Buffer.copy between two Buffers. All in one
// process and in turns, so that no machine's mood decides; runs on any Node, by itself: node bench/bytes.mjs.

import { Engine } from "skbuff";

const SIZES = [256, 1500, 4096, 16384, 65536];
const ROUNDS = 100;
/** Bytes copied in a round, about. */
const ROUND_BYTES = 400_000;
/** Where the caller's bytes begin within a word: packets' bytes begin at 0. */
const PLACES = [0, 3];

const engine = await Engine.create({ core: "wasm", shared: true, memory: 2 ** 23 });
const slab = Buffer.alloc(2 ** 17, 7);
const other = Buffer.alloc(2 ** 17, 3);

/** A loop of a function's own, so that no subject runs in code that was compiled for another. */
function loop(body) {
  return new Function("skb", "bytes", "other", "n", "calls", `for (let i = 0; i < calls; i++) ${body};`);
}

const WAYS = {
  in: { plain: "bytes.copy(other, 8, 0, n)", skbuff: "{ skb.trim(0); skb.putData(bytes); }" },
  out: { plain: "other.copy(bytes, 0, 8, n + 8)", skbuff: "skb.copyBits(0, bytes)" },
};

/** Best nanoseconds a call of each subject. */
function measure(direction, n, place) {
  const bytes = slab.subarray(64 + place, 64 + place + n);
  const skb = engine.alloc(n);
  skb.putData(bytes);
  const calls = Math.max(8, Math.min(400, Math.floor(ROUND_BYTES / n)));
  const subjects = Object.entries(WAYS[direction]).map(([name, body]) => [name, loop(body)]);
  const best = Object.fromEntries(subjects.map(([name]) => [name, Infinity]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, run] of subjects) {
      const start = process.hrtime.bigint();
      run(skb, bytes, other, n, calls);
      best[name] = Math.min(best[name], Number(process.hrtime.bigint() - start) / calls);
    }
  }
  skb.release();
  return best;
}

console.log(
  `Node ${process.version}: ns a call, best of ${ROUNDS} rounds (and by how much more than Buffer.copy)`,
);
console.log(`${"bytes".padStart(6)}  ${"".padEnd(22)}${"Buffer.copy".padStart(12)}${"skbuff".padStart(16)}`);
for (const direction of ["in", "out"]) {
  for (const place of PLACES) {
    for (const n of SIZES) {
      const { plain, skbuff } = measure(direction, n, place);
      const what = `${direction === "in" ? "putData" : "copyBits"}${place === 0 ? "" : ", not aligned"}`;
      const ratio = `(${(skbuff / plain).toFixed(1)})`;
      console.log(
        `${String(n).padStart(6)}  ${what.padEnd(22)}${plain.toFixed(0).padStart(12)}${skbuff.toFixed(0).padStart(10)} ${ratio}`,
      );
    }
  }
}
engine.close();
