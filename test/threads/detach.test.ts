// Going: who may leave and when, and that everything comes back.

import { Engine, Ring, type RingToken, type Skb, Ubuf, UserRegion } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { SOON_MS } from "../environment.js";
import { caught, codeOf } from "../packets.js";
import type { Agent } from "./agent.js";
import { agent, attached, expectAllBack, shared, sleep, until } from "./stage.js";

/** Lends the worker's memory to a packet that goes into `token`'s ring. */
function lend(worker: Agent, token: RingToken): Promise<void> {
  return worker.run((seat, ringToken) => {
    seat.told = [];
    seat.region = new seat.skbuff.UserRegion(seat.engine, 100);
    seat.ubuf = new seat.skbuff.Ubuf(seat.engine, (completion) => seat.told.push(completion), { desc: 5 });
    const skb = seat.engine.alloc(10);
    skb.addUserFrag(seat.region, 0, 50, seat.ubuf);
    const ring = seat.skbuff.Ring.attach(seat.engine, ringToken);
    seat.rings.push(ring);
    if (!ring.enqueue(skb)) throw new Error("the ring is full");
  }, token);
}

describe("detaching", () => {
  it("refuses while something is out, names it, and goes when it is gone", async () => {
    const engine = await shared();
    const worker = agent();
    await worker.attach(engine);
    const ring = new Ring(engine, { capacity: 4 });
    const refusal = async (): Promise<readonly string[] | undefined> => {
      const error = await worker.fails((seat) => seat.engine.detach());
      if (error !== undefined) expect([error.name, error.code]).toEqual(["InUseError", "ERR_SKB_IN_USE"]);
      expect(await worker.run((seat) => seat.engine.closed)).toBe(error === undefined);
      return error?.holders;
    };
    const handle = await worker.run((seat) => {
      seat.skbs = [seat.engine.alloc(100).putZeros(33)];
      return seat.skbs[0]?.handle;
    });
    await lend(worker, ring.share());
    // What others hold is not the worker's.
    const mine = engine.alloc(1000);
    const [region, ubuf] = ["region: 100 bytes, 1 frags", "ubuf: desc 5, lent"];
    expect(await refusal()).toEqual([`skb ${handle}: 33 bytes, 1 users, thread 2`, region, ubuf]);
    await worker.run((seat) => seat.skbs.pop()?.release());
    expect(await refusal()).toEqual([region, ubuf]);
    await worker.run((seat) => seat.region.release());
    expect(await refusal()).toEqual([ubuf]);
    expect(await worker.run((seat) => seat.engine.alloc(1).putZeros(1).release())).toBeUndefined();
    ring.dequeue()?.release();
    expect(await refusal()).toBeUndefined();
    expect(await worker.run((seat) => seat.told)).toEqual([{ desc: 5, status: "sent" }]);
    expect((await worker.fails((seat) => seat.engine.alloc(1)))?.code).toBe("ERR_SKB_CLOSED");
    expect(await worker.run((seat) => seat.engine.detach())).toBeUndefined();
    mine.release();
    ring.release();
    expectAllBack(engine);
  });

  it.each(["blocking", "async"] as const)("waits for completions, %s", async (how) => {
    const engine = await shared();
    const worker = agent();
    await worker.attach(engine);
    const ring = new Ring(engine, { capacity: 4 });
    await lend(worker, ring.share());
    await worker.run((seat) => seat.region.release());
    const detach = (timeout?: number): Promise<unknown> =>
      worker.run(
        async (seat, blocking, ms) => {
          const options = ms === undefined ? {} : { timeout: ms };
          if (blocking) seat.engine.detach({ completions: "wait", ...options });
          else await seat.engine.detachAsync({ completions: "wait", ...options });
        },
        how === "blocking",
        timeout,
      );
    const start = performance.now();
    await expect(detach(80)).rejects.toMatchObject({ remote: { code: "ERR_SKB_IN_USE" } });
    expect(performance.now() - start).toBeGreaterThan(70);
    // It does not wait while there is something that it would have to give up itself.
    await worker.run((seat) => {
      seat.skbs = [seat.engine.alloc(1)];
    });
    await expect(detach()).rejects.toMatchObject({ remote: { code: "ERR_SKB_IN_USE" } });
    await worker.run((seat) => seat.skbs.pop()?.release());
    const gone = detach();
    await until(() => stats(engine).threads[1]?.asleep === true, "the worker sleeps");
    await sleep(20);
    const skb = ring.dequeue() as Skb;
    expect([skb.zeroCopy, stats(engine).threads.length]).toEqual([true, 2]);
    const released = performance.now();
    skb.release();
    await gone;
    expect(performance.now() - released, "not woken, but looked").toBeLessThan(SOON_MS);
    expect(await worker.run((seat) => [seat.told, seat.engine.closed])).toEqual([
      [{ desc: 5, status: "sent" }],
      true,
    ]);
    ring.release();
    expectAllBack(engine);
  });

  it("gives back the block and all magazines, fifty times", async () => {
    const engine = await shared({ threads: 2, skbs: 300 });
    const capacity = (): number => {
      const skbs: Skb[] = [];
      for (let skb = engine.tryAlloc(100); skb !== null; skb = engine.tryAlloc(100)) skbs.push(skb);
      engine.releaseBurst(skbs);
      return skbs.length;
    };
    const most = capacity();
    const { total } = stats(engine).pages;
    for (let round = 0; round < 10; round++) {
      const worker = agent();
      for (let again = 0; again < 5; again++) {
        expect(await worker.attach(engine)).toBe(2);
        const hidden = await worker.run((seat) => {
          const { engine: own, skbuff } = seat;
          const skbs = [64, 300, 800, 1800, 3900].flatMap((size) => [own.alloc(size), own.alloc(size)]);
          for (const skb of skbs) skb.addPageFrag(10);
          const ubufs = [new skbuff.Ubuf(own), new skbuff.Ubuf(own)];
          own.releaseBurst(skbs);
          for (const ubuf of ubufs) ubuf.cancel();
          return seat.inspect.stats(own).threads[1]?.magazines.skbs;
        });
        expect(hidden).toBeGreaterThan(0);
        await worker.leave();
        expect(stats(engine).threads.map(({ thread, asleep }) => ({ thread, asleep }))).toEqual([
          { thread: 1, asleep: false },
        ]);
        expect(audit(engine)).toMatchObject({ complete: true, problems: [] });
      }
      await worker.stop();
    }
    expect(capacity()).toBe(most);
    const everything = new UserRegion(engine, total * 4096);
    everything.release();
    expectAllBack(engine);
  });

  it("one that waited leaves a block that is awake", async () => {
    const engine = await shared({ threads: 2 });
    const worker = agent();
    await worker.attach(engine);
    const ring = new Ring(engine);
    await worker.run((seat, token) => {
      seat.ring = seat.skbuff.Ring.attach(seat.engine, token);
      seat.pending = seat.ring.waitAsync().catch((error) => error.code);
    }, ring.share());
    await until(() => stats(engine).threads[1]?.asleep === true, "the worker sleeps");
    await worker.run((seat) => seat.engine.detach());
    expect(await worker.run((seat) => seat.pending)).toBe("ERR_SKB_CLOSED");
    await worker.attach(engine);
    expect(stats(engine).threads[1]?.asleep).toBe(false);
    await worker.run((seat) => seat.engine.detach());
    ring.release();
    expectAllBack(engine);
  });

  it("of the thread that made the engine leaves it to the others", async () => {
    const engine = await shared();
    const worker = agent();
    await worker.attach(engine);
    const ring = new Ring(engine);
    await worker.run((seat, token) => {
      seat.ring = seat.skbuff.Ring.attach(seat.engine, token);
    }, ring.share());
    ring.enqueue(engine.alloc(10).putZeros(7));
    engine.detach();
    expect(
      await worker.run((seat) => {
        const skb = seat.ring.dequeue();
        const length = skb?.length;
        skb?.release();
        seat.ring.release();
        const { clean, complete } = seat.inspect.audit(seat.engine);
        const threads = seat.inspect.stats(seat.engine).threads.length;
        return { length, clean, complete, threads, out: seat.engine.close() };
      }),
    ).toEqual({ length: 7, clean: true, complete: true, threads: 1, out: [] });
  });
});

describe("close()", () => {
  it("refuses while a thread is attached, and names it", async () => {
    const engine = await shared();
    const workers = await attached(engine, 2);
    expect(codeOf(() => engine.close())).toBe("ERR_SKB_IN_USE");
    await workers[0]?.run((seat) => {
      seat.skbs = [seat.engine.alloc(1)];
    });
    let holders: readonly string[] = [];
    try {
      engine.close();
    } catch (error) {
      ({ holders } = error as { holders: readonly string[] });
    }
    expect(holders.length).toBe(3);
    expect(holders.slice(1)).toEqual(["thread 2: attached", "thread 3: attached"]);
    expect(holders[0]).toMatch(/^skb \d+: 0 bytes, 1 users, thread [23]$/);
    engine.alloc(1).putZeros(1).release();
    await Promise.all(workers.map((worker) => worker.leave()));
    expect(engine.close()).toEqual([]);
  });
});

describe("a ubuf that nobody carries any more, but whose completion has not arrived", () => {
  /** Two threads' ways into one arena, and a ubuf of the second that the first is about to let go. */
  async function between(): Promise<{
    engine: Engine;
    owner: Engine;
    ubuf: Ubuf;
    region: UserRegion;
    letGo: () => void;
  }> {
    const engine = await shared();
    const owner = await Engine.attach(engine.share());
    const region = new UserRegion(owner, 100);
    const ubuf = new Ubuf(owner);
    const ring = new Ring(engine);
    const theirs = Ring.attach(owner, ring.share());
    const skb = owner.alloc(0);
    skb.addUserFrag(region, 0, 100, ubuf);
    theirs.enqueue(skb);
    theirs.release();
    // The moment between the last let-go and its announcement, which lasts some nanoseconds, made one look long.
    const internals = owner as unknown as { _core: { takeCompletion(): number } };
    const core = internals._core;
    let looks = 0;
    internals._core = { ...core, takeCompletion: () => (looks++ === 0 ? 0 : core.takeCompletion()) };
    const letGo = (): void => {
      ring.dequeue()?.release();
      ring.release();
    };
    return { engine, owner, ubuf, region, letGo };
  }

  it("is still lent, and waited for", async () => {
    const { engine, owner, ubuf, region, letGo } = await between();
    letGo();
    expect([ubuf.status, ubuf.carriers]).toEqual(["lent", 0]);
    region.release();
    await owner.detachAsync({ completions: "wait", timeout: 5000 });
    expect(ubuf.status).toBe("sent");
    expectAllBack(engine);
  });

  it("is neither cancelled nor lent again", async () => {
    const { engine, owner, ubuf, region, letGo } = await between();
    letGo();
    expect(caught(() => ubuf.cancel())).toMatchObject({ code: "ERR_SKB_UBUF" });
    const skb = owner.alloc(0);
    expect(caught(() => skb.addUserFrag(region, 0, 1, ubuf))).toMatchObject({ code: "ERR_SKB_UBUF" });
    expect([skb.length, skb.frags, region.frags]).toEqual([0, 0, 0]);
    skb.release();
    expect([owner.poll() + owner.poll(), ubuf.status]).toEqual([1, "sent"]);
    region.release();
    owner.detach();
    expectAllBack(engine);
  });
});
