// The audit and the statistics, read on one thread while others run, and while they are quiet.

import { Ring, type Skb } from "skbuff";
import { audit, PageKind, PageOwner, pageMap, stats } from "skbuff/inspect";
import { expect, it } from "vitest";
import type { Agent } from "./agent.js";
import { agent, attached, expectAllBack, shared, sleep, until } from "./stage.js";

it("with threads that sleep, everything is checked; with threads that work, what is not is named", async () => {
  const engine = await shared({ memory: 2 * 1024 * 1024 });
  const [worker, sleeper] = (await attached(engine, 2)) as [Agent, Agent];
  const [ring, never] = [new Ring(engine, { capacity: 8 }), new Ring(engine, { capacity: 8 })];
  const asleep = sleeper.run((seat, token) => {
    seat.rings.push(seat.skbuff.Ring.attach(seat.engine, token));
    return seat.rings[0]?.wait();
  }, never.share());
  await until(() => stats(engine).threads.some(({ asleep: still }) => still), "the sleeper sleeps");
  const own = engine.alloc(100).putZeros(10);
  ring.enqueue(engine.alloc(100).putZeros(20));
  const theirs = await worker.run((seat) => {
    seat.skbs = [seat.engine.alloc(100).putZeros(30)];
    return seat.skbs[0]?.handle;
  });
  const quiet = audit(engine);
  expect(quiet).toMatchObject({ clean: true, complete: true, unchecked: [], problems: [], ringPages: 2 });
  expect(quiet.packets.map(({ length, owner }) => `${length} ${owner}`).sort()).toEqual([
    ...["10 thread 1", "20 ring 0", `30 thread ${await worker.run((seat) => seat.engine.thread)}`],
  ]);
  expect(quiet.packets.some(({ handle }) => handle === theirs)).toBe(true);

  const word = new Int32Array(new SharedArrayBuffer(4));
  const working = worker.run((seat, flag) => {
    let rounds = 0;
    for (; Atomics.load(flag, 0) === 0; rounds++) {
      const skbs: Skb[] = [];
      for (let i = 0; i < 20; i++) skbs.push(seat.engine.alloc(100 * i));
      for (const skb of skbs) skb.addPageFrag(200);
      skbs.push((skbs[0] as Skb).clone());
      seat.engine.releaseBurst(skbs);
    }
    return rounds;
  }, word);
  let incomplete = 0;
  const map = pageMap(engine);
  // On a machine with much else to do it may take a while until the worker runs just when the audit reads.
  for (let audits = 0; audits < 100 || incomplete === 0; audits++) {
    const report = audit(engine);
    expect(report.problems).toEqual([]);
    expect(report.complete).toBe(report.unchecked.length === 0);
    if (!report.complete) {
      incomplete++;
      expect(report.unchecked[0]).toMatch(/threads 2, 3 changed them meanwhile/);
      // Its own packets it knows even so.
      expect(report.packets.filter(({ owner }) => owner === "thread 1")).toEqual([
        { handle: own.handle, length: 10, users: 1, owner: "thread 1" },
      ]);
    }
    // A page may be seen as it was or as it is, and so be held by one of them; never by anybody else.
    pageMap(engine, map);
    expect([...new Set(map.owners)].filter((who) => who > 3 && who < PageOwner.several)).toEqual([]);
    expect([...new Set(map.kinds)].filter((kind) => kind > PageKind.ring)).toEqual([]);
    const { skbs, pages, threads } = stats(engine);
    expect([threads.length, skbs.total > 0, pages.total > 0]).toEqual([3, true, true]);
  }
  Atomics.store(word, 0, 1);
  expect(await working).toBeGreaterThan(0);
  expect(audit(engine)).toMatchObject({ clean: true, complete: true, unchecked: [] });
  never.close();
  expect(await asleep).toBe("ended");
  own.release();
  ring.dequeue()?.release();
  await Promise.all([worker.leave(), sleeper.leave()]);
  ring.release();
  never.release();
  expectAllBack(engine);
});

it("threads that come and go while it reads are no fault of the arena's", async () => {
  const engine = await shared({ memory: 2 * 1024 * 1024 });
  // Whether to stop, and how often each has come.
  const word = new Int32Array(new SharedArrayBuffer(16));
  const workers = Array.from({ length: 3 }, agent);
  const coming = workers.map((worker, i) =>
    worker.run(
      async (seat, token, flag, core, place) => {
        while (Atomics.load(flag, 0) === 0) {
          const own = await seat.skbuff.Engine.attach(token, { core });
          const skbs = [100, 800, 1500].map((bytes) => own.alloc(bytes));
          own.releaseBurst(skbs);
          own.detach();
          Atomics.add(flag, place, 1);
        }
      },
      engine.share(),
      word,
      i === 0 ? ("js" as const) : ("wasm" as const),
      i + 1,
    ),
  );
  const seldom = (): boolean => [1, 2, 3].some((place) => Atomics.load(word, place) < 100);
  for (let rounds = 0; rounds < 50 || seldom(); rounds++) {
    for (let i = 0; i < 10; i++) {
      const report = audit(engine);
      expect(report.problems).toEqual([]);
      expect(report.complete).toBe(report.unchecked.length === 0);
    }
    await sleep(0);
  }
  Atomics.store(word, 0, 1);
  await Promise.all(coming);
  expectAllBack(engine);
});
