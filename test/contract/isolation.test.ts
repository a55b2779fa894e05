// Whether threads are possible here, and what is said where they are not.

import { Engine, Ring } from "skbuff";
import { expect, it } from "vitest";
import { SHARED_MEMORY } from "../environment.js";
import { codeOf } from "../packets.js";

const SMALL = { memory: 256 * 1024, threads: 2 };

it.each(["wasm", "js"] as const)('shared: "auto" takes what there is, %s', async (core) => {
  const engine = await Engine.create({ ...SMALL, core });
  expect(engine.shared).toBe(SHARED_MEMORY);
  const skb = engine.alloc(100).putData(Uint8Array.of(1, 2, 3));
  const ring = new Ring(engine, { capacity: 2 });
  ring.enqueue(skb);
  expect(await ring.waitAsync()).toBe("ready");
  ring.dequeue()?.release();
  ring.release();
  engine.close();
});

it.runIf(!SHARED_MEMORY)("without shared memory, share() names the two headers that give it", async () => {
  const engine = await Engine.create(SMALL);
  expect(codeOf(() => engine.share())).toBe("ERR_SKB_SHARED_MEMORY");
  expect(() => engine.share()).toThrow(/Cross-Origin-Opener-Policy: same-origin/);
  expect(() => engine.share()).toThrow(/Cross-Origin-Embedder-Policy: require-corp/);
  engine.close();
});

it.runIf(!SHARED_MEMORY)("without it, who insists is told the same", async () => {
  await expect(Engine.create({ ...SMALL, shared: true })).rejects.toMatchObject({
    code: "ERR_SKB_UNSUPPORTED",
    message: expect.stringContaining("Cross-Origin-Opener-Policy: same-origin"),
  });
});
