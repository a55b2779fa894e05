// Stress, in the shape of DPDK's ring stress test: threads in a circle pass packets on, check every byte, write into them,
// restore, clone, copy, lend. Nothing is lost, doubled or torn, and at the end everything is back.
// SKBUFF_STRESS_SECONDS=600 runs ten minutes; SKBUFF_STRESS_SEED=... begins the same again.

import { Worker } from "node:worker_threads";
import { type Engine, Mesh, Ring, UserRegion } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { amount } from "../amount.js";
import { expectAllBack, shared, until } from "./stage.js";
import { Traffic, type TrafficReport } from "./traffic.mjs";

const SECONDS = Number(process.env.SKBUFF_STRESS_SECONDS ?? amount(1, 3, 8));
const SEED = Number(process.env.SKBUFF_STRESS_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** Packets that pass at least, however slow the machine is. */
const SENT_LEAST = 1000;
/** Packets on their way at a time. */
const WINDOW = 150;

type Passed = TrafficReport & { readonly passed: number };

/** What a passer says. */
interface Said {
  readonly ready?: boolean;
  readonly report?: Passed;
  readonly error?: string;
}

/** A worker that passes on from ring to ring: when it has its region, and its report. */
function passer(
  engine: Engine,
  [from, to]: [Ring, Ring],
  rest: { mesh: Mesh; place: number; seed: number; core: "wasm" | "js" },
): { worker: Worker; ready: Promise<void>; report: Promise<Passed> } {
  const worker = new Worker(new URL("./traffic.mjs", import.meta.url), {
    workerData: {
      traffic: true,
      ...rest,
      mesh: rest.mesh.share(),
      engine: engine.share(),
      from: from.share(),
      to: to.share(),
    },
  });
  let isReady = (): void => {};
  const ready = new Promise<void>((resolve) => {
    isReady = resolve;
  });
  const report = new Promise<Passed>((resolve, reject) => {
    worker.on("message", ({ ready: yes, report: passed, error }: Said) => {
      if (yes === true) isReady();
      else if (error === undefined) resolve(passed as Passed);
      else reject(new Error(`seed ${SEED}: ${error}`));
    });
    worker.once("error", reject);
  });
  return { worker, ready, report };
}

/** Looks at the whole arena while others change it. */
class Watch {
  audits = 0;
  complete = 0;
  constructor(readonly engine: Engine) {}

  look(): void {
    const { problems, complete, unchecked } = audit(this.engine);
    expect(problems, `seed ${SEED}`).toEqual([]);
    expect(unchecked.length === 0, `seed ${SEED}`).toBe(complete);
    const { skbs, threads, magazineMost } = stats(this.engine);
    expect(skbs.total).toBeGreaterThan(0);
    for (const { magazines } of threads) {
      // One magazine of structs, one of heads for each size, and one for each size of structs with their heads.
      expect(magazines.skbs).toBeLessThanOrEqual((1 + magazines.heads.length) * magazineMost);
      for (const heads of magazines.heads) expect(heads).toBeLessThanOrEqual(2 * magazineMost);
      expect(magazines.ubufs).toBeLessThanOrEqual(magazineMost);
    }
    this.audits++;
    if (complete) this.complete++;
  }
}

describe.each([
  ["a Wasm engine, workers of both cores", "wasm", ["js", "wasm", "wasm"]],
  ["a JS engine, workers of both cores", "js", ["wasm", "js"]],
] as const)("%s", (_name, core, cores) => {
  const ms = (SECONDS * 1000) / 2;

  it(
    `pass packets for ${SECONDS / 2} s, seed ${SEED}`,
    async () => {
      const engine = await shared({ core, memory: 4 * 1024 * 1024, skbs: 2000, ubufs: 1000, rings: 64 });
      const rings = Array.from({ length: cores.length + 1 }, () => new Ring(engine, { capacity: 64 }));
      const places = cores.length + 1;
      const mesh = new Mesh(engine, places, places, { capacity: 16, spread: "in-turn" });
      const watch = new Watch(engine);
      const passers = cores.map((kind, i) =>
        passer(engine, [rings[i] as Ring, rings[i + 1] as Ring], {
          ...{ mesh, place: i, seed: SEED + i, core: kind },
        }),
      );
      const failed = Promise.all(passers.map(({ report }) => report));
      let failure: unknown;
      failed.catch((error) => {
        failure = error;
      });
      const traffic = new Traffic(engine, SEED - 1, mesh, cores.length);
      // Each has a region of five pages, for which there may be no place once packets are about.
      await Promise.race([Promise.all(passers.map(({ ready }) => ready)), failed]);
      const [first, last] = [rings[0] as Ring, rings.at(-1) as Ring];
      let sent = 0;
      let received = 0;
      const receive = (): void => {
        for (let skb = last.dequeue(); skb !== null; skb = last.dequeue()) {
          expect(skb.mark, `seed ${SEED}: lost, doubled or overtaken`).toBe(received++);
          traffic.treat(skb).release();
        }
      };
      const start = performance.now();
      let nextLook = start;
      while (performance.now() - start < ms || sent < SENT_LEAST) {
        if (failure !== undefined) throw failure;
        while (sent - received < WINDOW) {
          const skb = traffic.make(sent);
          if (skb === null) break;
          if (!first.enqueue(skb)) {
            skb.release();
            break;
          }
          sent++;
        }
        traffic.sweep();
        await last.waitAsync({ timeout: 5, completions: true });
        receive();
        if (performance.now() > nextLook) {
          watch.look();
          nextLook = performance.now() + 100;
        }
      }
      first.close();
      while ((await last.waitAsync({ timeout: 60_000 })) === "ready") {
        receive();
        if (failure !== undefined) throw failure;
      }
      expect([last.ended, received], `seed ${SEED}`).toEqual([true, sent]);
      await traffic.end();
      const reports = await failed;
      await until(() => traffic.report().completed === traffic.report().lent, "all completions");
      for (const report of [traffic.report(), ...reports]) {
        expect([report.completed, report.twice], `seed ${SEED}`).toEqual([report.lent, 0]);
        expect(report.lent, "ubufs in flight").toBeGreaterThan(0);
      }
      expect(reports.map(({ passed }) => passed)).toEqual(reports.map(() => sent));
      expect(sent).toBeGreaterThanOrEqual(SENT_LEAST);
      mesh.release();
      for (const ring of rings) ring.release();
      await Promise.all(passers.map(({ worker }) => worker.terminate()));
      expect(watch.audits).toBeGreaterThan(0);
      const operations = [...reports, traffic.report()].flatMap(({ counts }) => Object.entries(counts));
      const sums: Record<string, number> = {};
      for (const [name, n] of operations) sums[name] = (sums[name] ?? 0) + n;
      console.log(
        `stress, seed ${SEED}: ${sent} packets, ${watch.complete} of ${watch.audits} audits complete`,
        JSON.stringify(sums),
      );
      expectAllBack(engine);
      const everything = new UserRegion(engine, stats(engine).pages.total * 4096);
      everything.release();
    },
    SECONDS * 2000 + 120_000,
  );
});
