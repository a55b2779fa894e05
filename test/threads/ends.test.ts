// A worker that ends without leaving, by an error, process.exit() or a return, gives back what it has by itself.

import { Worker } from "node:worker_threads";
import { Engine, type EngineOptions, Ring, Ubuf } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import "skbuff/js";

const OPTIONS: EngineOptions = { memory: 4 * 1024 * 1024, shared: true, threads: 2 };

/** Runs a worker until it has ended. Returns what it said. */
async function run(
  engine: Engine,
  how: string,
  rings = [new Ring(engine), new Ring(engine)],
): Promise<unknown[]> {
  const [to, from] = rings.map((ring) => ring.share());
  const worker = new Worker(new URL("./ends.mjs", import.meta.url), {
    workerData: { engine: engine.share(), to, from, how },
  });
  const said: unknown[] = [];
  worker.on("message", (message) => said.push(message));
  worker.on("error", (error) => said.push((error as Error).message));
  await new Promise((resolve) => worker.once("exit", resolve));
  return said;
}

const SAYS: Record<string, unknown[]> = { throws: ["on purpose"], rejects: ["on purpose"] };

describe.each(["wasm", "js"] as const)("%s: a worker that", (core) => {
  it.each(["throws", "rejects", "exits", "exits in a callback", "returns", "detaches first"])(
    "%s leaves nothing behind",
    async (how) => {
      const engine = await Engine.create({ ...OPTIONS, core });
      // There is one block besides this thread's, so each has to have given it back.
      for (let round = 0; round < 3; round++) {
        const rings = [new Ring(engine), new Ring(engine)];
        expect(await run(engine, how, rings)).toEqual(SAYS[how] ?? []);
        const { threads, skbs } = stats(engine);
        expect(threads.length).toBe(1);
        expect(skbs.used).toBe(how === "detaches first" ? 0 : 1);
        // Its ends are free, and what it had sent is whole.
        const carried = rings[0]?.dequeue();
        expect(carried?.length ?? 110).toBe(110);
        carried?.release();
        expect(rings[1]?.enqueue(engine.alloc(1))).toBe(true);
        rings[1]?.dequeue()?.release();
        expect(audit(engine)).toMatchObject({ problems: [], complete: true, packets: [] });
        for (const ring of rings) ring.release();
      }
      // Of the ubufs those are left that completed after the end of whose they were: the next thread there frees them.
      const last = await Engine.attach(engine.share());
      expect(last.wait({ timeout: 0 })).toBe("ended");
      last.alloc(1).release();
      last.detach();
      expect(stats(engine).ubufTable.used).toBe(0);
      expect(audit(engine)).toMatchObject({
        problems: [],
        clean: true,
        ubufs: 0,
        dataPages: 0,
        ringPages: 0,
      });
      expect(engine.close()).toEqual([]);
    },
  );

  it("exits leaves ubufs to the next thread there, which tells them from its own", async () => {
    const engine = await Engine.create({ ...OPTIONS, core });
    const rings = [new Ring(engine), new Ring(engine)];
    await run(engine, "exits", rings);
    const carried = rings[0]?.dequeue();
    const next = await Engine.attach(engine.share());
    expect(next.wait({ timeout: 0 })).toBe("ended");
    const own = new Ubuf(next);
    expect(next.wait({ timeout: 0 })).toBe("timed-out");
    own.cancel();
    // What is left is nobody's to be told of.
    expect(next.wait({ timeout: 100 })).toBe("ended");
    expect(stats(engine).ubufTable.used).toBe(1);
    carried?.release();
    expect(next.poll()).toBe(0);
    next.alloc(1).release();
    expect(stats(engine).ubufTable.used).toBe(0);
    next.detach();
    for (const ring of rings) ring.release();
    expect(engine.close()).toEqual([]);
  });

  it("has many engines gives back all, and is warned of nothing", async () => {
    const engine = await Engine.create({ ...OPTIONS, core, threads: 21 });
    expect(await run(engine, "has many engines")).toEqual([]);
    expect(stats(engine).threads.length).toBe(1);
    engine.close();
  });

  it("forgets its engine gives it back even so", async () => {
    const engine = await Engine.create({ ...OPTIONS, core });
    expect(await run(engine, "forgets its engine")).toEqual([]);
    expect(stats(engine).threads.length).toBe(1);
    engine.close();
  });
});

it("the 16 of a pool can be started as needed, again and again", async () => {
  const engine = await Engine.create({ ...OPTIONS, threads: 16 });
  for (let i = 0; i < 20; i += 4)
    await Promise.all(
      [0, 1, 2, 3].map(async () => expect(await run(engine, "throws")).toEqual(["on purpose"])),
    );
  expect(stats(engine).threads.length).toBe(1);
  engine.close({ force: true });
});
