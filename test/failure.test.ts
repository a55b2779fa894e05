// Lets every single allocation of every operation fail in turn. Whatever fails must leave packets, lent memory and
// arena as they were; and when nothing is left to fail, the operation must succeed.

import { type Engine, PoolExhaustedError, type Skb, Ubuf, UserRegion } from "skbuff";
import { stats } from "skbuff/inspect";
import { expect, it } from "vitest";
import { forEachEngine, inside } from "./engines.js";
import {
  borders,
  bytesAt,
  caught,
  describePacket,
  expectBytes,
  HOLDS,
  SHAPES,
  snapshot,
  used,
  World,
} from "./packets.js";

/** What an operation needs besides its packet; made before anything is to fail. */
interface Scene {
  readonly w: World;
  readonly engine: Engine;
  readonly skb: Skb;
  /** Another packet, to work on or to work with. */
  readonly second: Skb;
  readonly region: UserRegion;
  readonly ubuf: Ubuf;
}

interface Operation {
  readonly run: (scene: Scene) => unknown;
  /** Makes `second`; a linear packet if not given. */
  readonly second?: (w: World) => Skb;
}

const spent = (w: World): Skb => w.linear(50, { room: 50 });

/** A packet of nothing but page frags, whose head somebody else shares. */
const sharedFrags = (w: World): Skb => {
  const skb = w.grow(w.grow(w.keep(w.engine.alloc(0)), 3000), 5000);
  w.keep(skb.clone());
  return skb;
};

const OPERATIONS: Record<string, Operation> = {
  clone: { run: ({ skb, w }) => w.keep(skb.clone()) },
  copy: { run: ({ skb, w }) => w.keep(skb.copy()) },
  copyHead: { run: ({ skb, w }) => w.keep(skb.copyHead()) },
  "expandHead by nothing": { run: ({ skb }) => skb.expandHead(0, 0) },
  "expandHead by pages": { run: ({ skb }) => skb.expandHead(5000, 5000) },
  unclone: { run: ({ skb }) => skb.unclone() },
  "morph into it": { run: ({ skb, second }) => second.morph(skb) },
  "morph of it": {
    run: ({ skb, second }) => skb.morph(second),
    second: SHAPES["lent frags"] as (w: World) => Skb,
  },
  copyUbufs: { run: ({ skb }) => skb.copyUbufs() },
  linearize: { run: ({ skb }) => skb.linearize() },
  "tryCoalesce, which allocates nothing": {
    run: ({ skb, second }) => second.tryCoalesce(skb),
    second: spent,
  },
  "recycle, which allocates nothing": { run: ({ skb }) => skb.recycle(1) },
  "shift from a shared packet": {
    run: ({ skb, second }) => skb.shift(second, 4000),
    second: sharedFrags,
  },
  "shift to a shared packet": {
    run: ({ skb, second }) => second.shift(skb, Math.min(skb.length, 40)),
    second: sharedFrags,
  },
  userRegion: { run: ({ engine }) => new UserRegion(engine, 9000).release() },
  ubuf: { run: ({ engine }) => new Ubuf(engine).cancel() },
  alloc: { run: ({ engine }) => engine.alloc(100, { headroom: 10 }).release() },
  "alloc of several pages": { run: ({ engine }) => engine.alloc(9000).release() },
};

const ALONE = "alone with its bytes";

/** Operations that take a place in the packet, and are tried at each of its borders. */
const CUTS: Record<string, (scene: Scene, at: number) => unknown> = {
  trim: ({ skb }, at) => skb.trim(at),
  mayPull: ({ skb }, at) => skb.mayPull(at),
  split: ({ skb, w }, at) => w.keep(skb.split(at)),
  extract: ({ skb, w }, at) => w.keep(skb.extract(at, (skb.length - at) >> 1, { headroom: 300 })),
};

/** Operations that need a packet whose head nobody shares. */
const SOLE: Record<string, (scene: Scene) => unknown> = {
  addPageFrag: ({ skb }) => skb.addPageFrag(100),
  "addPageFrag of a run": ({ skb }) => skb.addPageFrag(9000),
  append: ({ skb }) => skb.append(bytesAt(skb.length, 9000)),
  "append more than there are entries for single pages": ({ skb }) => skb.append(bytesAt(skb.length, 80000)),
  addUserFrag: ({ skb, region, ubuf }) => skb.addUserFrag(region, 0, 10, ubuf),
  addFragList: ({ skb, second }) => skb.addFragList(second),
};

forEachEngine((_name, make) => {
  /**
   * Lets the first, second ... allocation of `run` fail, each on new packets, until none is left. Returns how many
   * there were. `gradual`: what was made the packet's own before the failure may stay so; nobody can see it but in
   * the amount of memory.
   */
  function sweep(
    engine: Engine,
    name: string,
    build: (w: World) => Scene,
    run: (scene: Scene) => unknown,
    gradual = false,
  ): number {
    let inUse: Record<string, unknown> | undefined;
    for (let nth = 1; nth < 100; nth++) {
      const w = new World(engine);
      const scene = build(w);
      const { skb, second } = scene;
      const before = [snapshot(skb), snapshot(second)];
      // The same each time, because the packets are.
      inUse ??= used(engine);
      inside(engine).failAllocation(nth);
      const error = caught(() => run(scene));
      const left = inside(engine).failAllocation(0);
      const hint = `${name}, allocation ${nth}`;
      if (left === 0) {
        expect(error, hint).toBeInstanceOf(PoolExhaustedError);
        expect([snapshot(skb), snapshot(second)], hint).toEqual(before);
        expect(w.completions, hint).toEqual([]);
        if (gradual) expect(used(engine), hint).toMatchObject({ ubufs: inUse.ubufs, dirty: [] });
        else expect(used(engine), hint).toEqual(inUse);
        // And it can be done when there is memory.
        expect(
          refusal(() => run(scene)),
          hint,
        ).toBeUndefined();
      } else {
        expect(
          refusal(() => error && fail(error)),
          hint,
        ).toBeUndefined();
      }
      w.clean();
      expect(used(engine), `${hint}: left over`).toEqual({ skbs: 0, ubufs: 0, dataPages: 0, dirty: [] });
      for (const desc of new Set(w.completions.map((completion) => completion.desc))) {
        expect(w.completions.filter((completion) => completion.desc === desc).length, hint).toBe(1);
      }
      if (left !== 0) return nth - 1;
    }
    throw new Error(`${name}: still failing`);
  }

  /** An error other than those by which an operation says that it is not for such a packet. */
  function refusal(run: () => unknown): unknown {
    const error = caught(run) as { code?: string } | undefined;
    return error?.code !== undefined &&
      ["ERR_SKB_SHARED", "ERR_SKB_FRAGS", "ERR_SKB_UBUF"].includes(error.code)
      ? undefined
      : error;
  }

  function fail(error: unknown): never {
    throw error;
  }

  const sceneOf =
    (shape: (w: World) => Skb, hold: (w: World, skb: Skb) => Skb | null, other: (w: World) => Skb = spent) =>
    (w: World): Scene => {
      const skb = shape(w);
      describePacket(skb);
      hold(w, skb);
      // Sharing lent bytes may have completed something; the operation itself may not.
      w.completions.splice(0);
      return { w, engine: w.engine, skb, second: other(w), region: w.region(20), ubuf: w.ubuf("refcount") };
    };

  it("operations on every shape of packet, under every hold", async () => {
    const engine = await make();
    const most: Record<string, number> = {};
    const gradual = new Set(["unclone", "copyUbufs", "linearize"]);
    for (const [name, operation] of Object.entries(OPERATIONS)) {
      most[name] = 0;
      for (const [shape, build] of Object.entries(SHAPES)) {
        for (const [hold, share] of Object.entries(HOLDS)) {
          const n = sweep(
            engine,
            `${name}: ${shape}, ${hold}`,
            sceneOf(build, share, operation.second),
            operation.run,
            gradual.has(name) && hold !== ALONE,
          );
          most[name] = Math.max(most[name], n);
        }
      }
    }
    // Proof that the sweeps went through every kind of allocation that the operations make.
    expect(most).toEqual({
      clone: 4,
      copy: 2,
      copyHead: 8,
      "expandHead by nothing": 4,
      "expandHead by pages": 4,
      unclone: expect.any(Number),
      "morph into it": 3,
      "morph of it": 2,
      copyUbufs: expect.any(Number),
      linearize: expect.any(Number),
      "tryCoalesce, which allocates nothing": 0,
      "recycle, which allocates nothing": 0,
      "shift from a shared packet": 2,
      "shift to a shared packet": 2,
      userRegion: 1,
      ubuf: 1,
      alloc: 2,
      "alloc of several pages": 2,
    });
    for (const name of ["unclone", "copyUbufs", "linearize"]) {
      expect(most[name], name).toBeGreaterThan(1);
    }
  });

  it.each(Object.entries(CUTS))("%s, at every border of a packet", async (name, run) => {
    const engine = await make();
    let most = 0;
    for (const [shape, build] of Object.entries(SHAPES)) {
      for (const [hold, share] of Object.entries(HOLDS)) {
        const sample = new World(engine);
        const places = borders(build(sample));
        sample.clean();
        for (const at of places) {
          const hint = `${name} ${at}: ${shape}, ${hold}`;
          const cut = (scene: Scene): unknown => run(scene, at);
          const n = sweep(engine, hint, sceneOf(build, share), cut, hold !== ALONE);
          most = Math.max(most, n);
        }
      }
    }
    expect(most).toBeGreaterThan(2);
  });

  it.each(Object.entries(SOLE))("%s", async (name, run) => {
    const engine = await make();
    let most = 0;
    for (const [shape, build] of Object.entries(SHAPES)) {
      const n = sweep(
        engine,
        `${name}: ${shape}`,
        sceneOf(build, () => null),
        run,
      );
      most = Math.max(most, n);
    }
    const wanted: Record<string, number> = {
      addPageFrag: 1,
      "addPageFrag of a run": 1,
      append: 3,
      addUserFrag: 0,
      addFragList: 0,
    };
    if (name in wanted) expect(most).toBe(wanted[name]);
    else expect(most).toBeGreaterThan(5);
  });

  it("bursts give what there is, and tryAlloc null", async () => {
    const engine = await make();
    // Each packet takes an skb and a head.
    for (let nth = 1; nth <= 10; nth++) {
      const out: (Skb | null)[] = new Array<Skb | null>(5).fill(null);
      inside(engine).failAllocation(nth);
      const n = engine.allocBurst(out, 100);
      expect(inside(engine).failAllocation(0)).toBe(0);
      expect([n, out.filter((skb) => skb !== null).length]).toEqual([(nth - 1) >> 1, (nth - 1) >> 1]);
      engine.releaseBurst(out, n);
      expect(stats(engine).skbs.used).toBe(0);
    }
    for (const nth of [1, 2]) {
      inside(engine).failAllocation(nth);
      expect(engine.tryAlloc(100)).toBeNull();
      expect(inside(engine).failAllocation(0)).toBe(0);
    }
    expect(used(engine)).toEqual({ skbs: 0, ubufs: 0, dataPages: 0, dirty: [] });
  });

  it("a member of a frag list that shares its head", async () => {
    const engine = await make();
    const build = (w: World): Scene => {
      const skb = w.linear(20);
      const members = [
        w.grow(w.linear(30, { at: 20 }), 200, 20),
        w.grow(w.linear(10, { at: 250 }), 300, 250),
      ];
      for (const member of members) w.keep(member.clone());
      for (const member of members) skb.addFragList(member);
      expectBytes(skb.toBytes(), bytesAt(0, 560), "built");
      return sceneOf(
        () => skb,
        () => null,
      )(w);
    };
    const counts: Record<string, number> = {};
    for (const [name, run] of Object.entries<(scene: Scene) => unknown>({
      unclone: ({ skb }) => skb.unclone(),
      mayPull: ({ skb }) => skb.mayPull(100),
      trim: ({ skb }) => skb.trim(100),
      split: ({ skb, w }) => w.keep(skb.split(100)),
      copyHead: ({ skb, w }) => w.keep(skb.copyHead()),
    })) {
      counts[name] = sweep(engine, name, build, run, name !== "copyHead");
    }
    // unclone: two heads and two frags; mayPull and trim: the head of the member that they cut; split: that, and an skb
    // and a head for each of two second parts; copyHead: an skb and a head, and an skb for each member.
    expect(counts).toEqual({ unclone: 4, mayPull: 1, trim: 1, split: 5, copyHead: 4 });
  });
});
