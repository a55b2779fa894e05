// Completions that another thread brings about: they reach the owner whatever it does, soon and once.

import { type Completion, type Engine, Ring, Ubuf, UserRegion } from "skbuff";
import { describe, expect, it } from "vitest";
import { MAY_BLOCK, SOON_MS } from "../environment.js";
import type { Agent } from "./agent.js";
import { attached, expectAllBack, shared, sleep } from "./stage.js";

/** How the thread that hears of completions may wait. */
const WAYS = MAY_BLOCK ? ["blocking", "async"] : ["async"];

/** An engine whose packets a worker releases `ms` milliseconds after they were enqueued. */
async function stage(ms: number): Promise<{
  engine: Engine;
  ring: Ring;
  told: Completion[];
  send: (desc: number) => void;
  end: () => Promise<void>;
}> {
  const engine = await shared();
  const [worker] = (await attached(engine, 1)) as [Agent];
  const ring = new Ring(engine, { capacity: 64 });
  const releasing = worker.run(
    (seat, token, pause) => {
      const from = seat.skbuff.Ring.attach(seat.engine, token);
      seat.rings.push(from);
      const word = new Int32Array(new SharedArrayBuffer(4));
      while (from.wait() !== "ended") {
        if (pause > 0) Atomics.wait(word, 0, 0, pause);
        from.dequeue()?.release();
      }
    },
    ring.share(),
    ms,
  );
  const region = new UserRegion(engine, 100);
  const told: Completion[] = [];
  const send = (desc: number): void => {
    const skb = engine.alloc(10);
    const ubuf = new Ubuf(engine, (completion) => told.push(completion), { desc });
    skb.addUserFrag(region, 0, 100, ubuf);
    if (!ring.enqueue(skb)) throw new Error("the ring is full");
  };
  const end = async (): Promise<void> => {
    ring.close();
    await releasing;
    region.release();
    await worker.leave();
    ring.release();
    expectAllBack(engine);
  };
  return { engine, ring, told, send, end };
}

/** Waits, doing nothing but letting the event loop turn, until `n` were told. Returns how long it took. */
async function idle(told: Completion[], n: number): Promise<number> {
  const start = performance.now();
  while (told.length < n && performance.now() - start < SOON_MS) await sleep(2);
  expect(told.length).toBe(n);
  return performance.now() - start;
}

describe("the owner is told", () => {
  it.each(MAY_BLOCK ? (["wait", "waitAsync"] as const) : (["waitAsync"] as const))(
    "when it waits for nothing else (%s)",
    async (how) => {
      const { engine, told, send, end } = await stage(20);
      expect(await engine[how]()).toBe("ended");
      const idle = new Ubuf(engine);
      expect(await engine[how]({ timeout: 5 })).toBe("timed-out");
      for (let i = 1; i <= 5; i++) {
        send(i);
        expect(await engine[how]({ timeout: 2 * SOON_MS })).toBe("completed");
        expect(told.at(-1)).toEqual({ desc: i, status: "sent" });
      }
      expect(told.length).toBe(5);
      idle.cancel();
      await end();
    },
  );

  it("when it polls", async () => {
    const { engine, told, send, end } = await stage(0);
    for (let i = 1; i <= 50; i++) {
      send(i);
      const start = performance.now();
      let ran = 0;
      // The event loop does not turn meanwhile.
      while (ran === 0 && performance.now() - start < SOON_MS) ran = engine.poll();
      expect([ran, told.at(-1)]).toEqual([1, { desc: i, status: "sent" }]);
    }
    await end();
    expect(told.length).toBe(50);
  });

  it("by the event loop, when it is idle", async () => {
    const { told, send, end } = await stage(5);
    for (let i = 1; i <= 20; i++) {
      send(i);
      expect(await idle(told, i)).toBeLessThan(SOON_MS);
    }
    for (let i = 21; i <= 40; i++) send(i);
    expect(await idle(told, 40)).toBeLessThan(SOON_MS);
    expect(told.map(({ desc }) => desc).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 40 }, (_, i) => i + 1),
    );
    await end();
  });

  it("by the event loop, also after a wait that timed out", async () => {
    const { engine, told, send, end } = await stage(5);
    const other = new Ring(engine);
    expect(await other.waitAsync({ timeout: 5 })).toBe("timed-out");
    send(1);
    expect(await idle(told, 1)).toBeLessThan(SOON_MS);
    other.release();
    await end();
  });

  it("by the event loop, also while it waits for something else", async () => {
    const { engine, told, send, end } = await stage(5);
    const other = new Ring(engine);
    const waiting = other.waitAsync();
    for (let i = 1; i <= 5; i++) {
      send(i);
      expect(await idle(told, i)).toBeLessThan(SOON_MS);
    }
    other.close();
    expect(await waiting).toBe("ended");
    other.release();
    await end();
  });

  it.each(WAYS)("by a wait for completions: %s", async (how) => {
    const { engine, told, send, end } = await stage(5);
    const other = new Ring(engine);
    for (let i = 1; i <= 10; i++) {
      send(i);
      const start = performance.now();
      const woken =
        how === "blocking"
          ? other.wait({ completions: true })
          : await other.waitAsync({ completions: true, timeout: 2 * SOON_MS });
      expect([woken, told.length]).toEqual(["completed", i]);
      expect(performance.now() - start).toBeLessThan(SOON_MS);
    }
    other.release();
    await end();
  });

  it.runIf(MAY_BLOCK)("not by a blocking wait that did not ask, but right after it", async () => {
    const { engine, told, send, end } = await stage(1);
    const other = new Ring(engine);
    send(1);
    expect(other.wait({ timeout: 150 })).toBe("timed-out");
    expect(told.length).toBe(0);
    expect(await idle(told, 1)).toBeLessThan(SOON_MS);
    other.release();
    await end();
  });

  it("of a packet that the ring's end released", async () => {
    const engine = await shared();
    const [worker] = (await attached(engine, 1)) as [Agent];
    const ring = new Ring(engine, { capacity: 4 });
    const region = new UserRegion(engine, 10);
    const told: Completion[] = [];
    const skb = engine.alloc(1);
    skb.addUserFrag(region, 0, 10, new Ubuf(engine, (completion) => told.push(completion), { desc: 9 }));
    ring.enqueue(skb);
    await worker.run((seat, token) => {
      seat.ring = seat.skbuff.Ring.attach(seat.engine, token);
    }, ring.share());
    ring.release();
    expect(told).toEqual([]);
    await worker.run((seat) => seat.ring.release());
    expect(await idle(told, 1)).toBeLessThan(SOON_MS);
    expect(told).toEqual([{ desc: 9, status: "sent" }]);
    region.release();
    await worker.leave();
    expectAllBack(engine);
  });
});
