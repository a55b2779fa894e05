// What has ended says so: every member of every object, after release, after being given away, while queued and
// after the engine was closed.

import { Burst, Engine, Mesh, Receiver, Ring, Sender, Skb, SkbQueue, Ubuf, UserRegion } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import {
  BURST,
  type Call,
  DISPOSE,
  ENDING,
  ENGINE,
  MAKING,
  MESH,
  membersOf,
  type Props,
  QUEUE,
  RECEIVER,
  REGION,
  RING,
  SENDER,
  SKB,
  UBUF,
} from "../members.js";
import { bytesAt, caught, codeOf, used, World } from "../packets.js";

/** Members that never throw, and what they say of a packet that has ended. */
const HARMLESS = new Map<string, unknown>([
  ["alive", false],
  ["queued", false],
  ["[dispose]", undefined],
]);

/** Members that would take a queued packet away from its queue. */
const MOVING = ["release"];

/** As codeOf, also for what returns a promise. */
async function codeOfAny(run: () => unknown): Promise<string | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    return codeOf(() => {
      throw error;
    });
  }
}

async function expectEach<T>(
  table: Record<string, Call<T>>,
  object: T,
  props: () => Props,
  code: string,
  harmless: Map<string, unknown> = HARMLESS,
): Promise<void> {
  const got: Record<string, unknown> = {};
  const wanted: Record<string, unknown> = {};
  for (const [name, call] of Object.entries(table)) {
    const spares = harmless.has(name);
    wanted[name] = spares ? harmless.get(name) : code;
    got[name] = await (spares ? call(object, props()) : codeOfAny(() => call(object, props())));
  }
  expect(got).toEqual(wanted);
}

/** A burst of one packet on which each call of its table succeeds. */
function filled(engine: Engine): Burst {
  const burst = new Burst(engine);
  engine.allocBurst(burst, 100, 1);
  burst.putData(0, new Uint8Array(10));
  return burst;
}

describe("the tables", () => {
  it.each([
    ["Skb", Skb, SKB],
    ["Engine", Engine, ENGINE],
    ["Ubuf", Ubuf, UBUF],
    ["UserRegion", UserRegion, REGION],
    ["SkbQueue", SkbQueue, QUEUE],
    ["Ring", Ring, RING],
    ["Burst", Burst, BURST],
    ["Mesh", Mesh, MESH],
    ["Sender", Sender, SENDER],
    ["Receiver", Receiver, RECEIVER],
  ] as const)("have every member of %s", (_name, type, table) => {
    expect(Object.keys(table).sort()).toEqual(membersOf(type));
  });
});

forEachEngine((_name, make) => {
  const propsOf = (w: World): Props => ({
    engine: w.engine,
    other: w.linear(20),
    region: w.region(10),
    ubuf: w.ubuf(),
  });

  /** A packet on which each call of the table succeeds. */
  const able = (w: World): Skb => w.linear(10, { headroom: 8, room: 40 });

  it("every call of the tables succeeds on what lives", async () => {
    const engine = await make();
    const w = new World(engine);
    for (const [name, call] of Object.entries(SKB)) {
      const skb = name === "reserve" ? w.keep(engine.alloc(10)) : able(w);
      expect(
        caught(() => call(skb, propsOf(w))),
        name,
      ).toBeUndefined();
      w.clean();
    }
    for (const [name, call] of Object.entries(UBUF)) {
      expect(
        caught(() => call(w.ubuf(), propsOf(w))),
        name,
      ).toBeUndefined();
      w.clean();
    }
    for (const [name, call] of Object.entries(REGION)) {
      expect(
        caught(() => call(w.region(5), propsOf(w))),
        name,
      ).toBeUndefined();
      w.clean();
    }
    for (const [name, call] of Object.entries(QUEUE)) {
      const queue = new SkbQueue(engine);
      expect(
        caught(() => call(queue, propsOf(w))),
        name,
      ).toBeUndefined();
      queue.purge();
      w.clean();
    }
    const tables = [
      [RING, () => new Ring(engine)],
      [BURST, () => filled(engine)],
      [MESH, () => new Mesh(engine, 1, 1)],
      [SENDER, () => new Mesh(engine, 1, 1).sender(0)],
      [RECEIVER, () => new Mesh(engine, 1, 1).receiver(0)],
    ] as const;
    for (const [table, makeOne] of tables) {
      for (const [name, call] of Object.entries<Call<never>>(table)) {
        const one = makeOne();
        expect(await codeOfAny(() => call(one as never, propsOf(w))), name).toBeUndefined();
        for (const ring of (engine as unknown as { _parts: Set<Ring> })._parts) ring.release();
        w.clean();
      }
    }
    for (const [name, call] of Object.entries({ ...ENGINE, ...MAKING })) {
      const other = ENDING.includes(name) ? await make() : engine;
      const props = other === engine ? propsOf(w) : propsOf(new World(await make()));
      expect(await codeOfAny(() => call(other, props)), name).toBeUndefined();
      expect(other.closed, name).toBe(other !== engine);
      if (other === engine) w.clean();
    }
  });

  it("every member of a released packet throws StaleSkbError, and nothing changes", async () => {
    const engine = await make();
    const w = new World(engine);
    const props = propsOf(w);
    const skb = able(w);
    skb.release();
    // The slot is taken again at once: a stale handle must not reach the new packet.
    const next = w.linear(10, { at: 50 });
    expect(next.toBytes()).toEqual(bytesAt(50, 10));
    const { allocs, releases } = stats(engine);
    await expectEach(SKB, skb, () => props, "ERR_SKB_STALE");
    expect(stats(engine)).toMatchObject({ allocs, releases });
    expect(next.toBytes()).toEqual(bytesAt(50, 10));
    expect(props.other.length).toBe(20);
    w.clean();
  });

  it("every member of a packet that was given away throws StaleSkbError", async () => {
    const engine = await make();
    const w = new World(engine);
    const gifts = {
      addFragList: (skb: Skb) => able(w).addFragList(skb),
      tryCoalesce: (skb: Skb) => expect(able(w).tryCoalesce(skb)).toBe(true),
      releaseBurst: (skb: Skb) => engine.releaseBurst([skb]),
    };
    for (const [name, give] of Object.entries(gifts)) {
      const skb = able(w);
      give(skb);
      const props = propsOf(w);
      await expectEach(SKB, skb, () => props, "ERR_SKB_STALE");
      expect(String(caught(() => skb.length)), name).toContain(
        name === "releaseBurst" ? "one that was released" : "one that was given away",
      );
      expect(audit(engine).problems, name).toEqual([]);
    }
    w.clean();
  });

  it("a stale, queued or foreign packet is refused wherever one is given", async () => {
    const engine = await make();
    const foreign = new World(await make());
    const w = new World(engine);
    const queue = new SkbQueue(engine);
    const stale = able(w);
    stale.release();
    const queued = able(w);
    queue.pushTail(queued);
    const host = w.grow(able(w), 10);
    const takes: Record<string, (skb: Skb) => unknown> = {
      morph: (skb) => host.morph(skb),
      shift: (skb) => host.shift(skb, 1),
      addFragList: (skb) => host.addFragList(skb),
      tryCoalesce: (skb) => host.tryCoalesce(skb),
      pushHead: (skb) => queue.pushHead(skb),
      pushTail: (skb) => queue.pushTail(skb),
      releaseBurst: (skb) => engine.releaseBurst([skb]),
    };
    for (const [name, take] of Object.entries(takes)) {
      expect(
        codeOf(() => take(stale)),
        name,
      ).toBe("ERR_SKB_STALE");
      expect(
        codeOf(() => take(able(foreign))),
        name,
      ).toBe("ERR_SKB_FOREIGN");
      // morph and shift borrow, so that they may have a queued one.
      if (name !== "morph" && name !== "shift")
        expect(
          codeOf(() => take(queued)),
          name,
        ).toBe("ERR_SKB_QUEUED");
    }
    expect(codeOf(() => host.addUserFrag(foreign.region(1), 0, 1, w.ubuf()))).toBe("ERR_SKB_FOREIGN");
    expect(codeOf(() => host.addUserFrag(w.region(1), 0, 1, foreign.ubuf()))).toBe("ERR_SKB_FOREIGN");
    expect([host.length, queued.length, queue.length]).toEqual([20, 10, 1]);
    const held = able(w);
    const second = w.keep(held.get());
    for (const take of [() => host.addFragList(held), () => host.tryCoalesce(second)]) {
      expect(codeOf(take)).toBe("ERR_SKB_HELD");
    }
    queue.purge();
    w.clean();
    foreign.clean();
  });

  it("a queued packet can be read and written, but not moved", async () => {
    const engine = await make();
    const w = new World(engine);
    for (const [name, call] of Object.entries(SKB)) {
      const queue = new SkbQueue(engine);
      const skb = name === "reserve" ? w.keep(engine.alloc(10)) : able(w);
      queue.pushTail(skb);
      const code = codeOf(() => call(skb, propsOf(w)));
      expect(code, name).toBe(MOVING.includes(name) ? "ERR_SKB_QUEUED" : undefined);
      expect([skb.queued, skb.alive, queue.length], name).toEqual([true, true, 1]);
      expect(queue.purge(), name).toBe(1);
      w.clean();
    }
    expect(used(engine)).toEqual({ skbs: 0, ubufs: 0, dataPages: 0, dirty: [] });
  });

  it("everything throws EngineClosedError after close", async () => {
    const engine = await make();
    const w = new World(engine);
    const props = propsOf(w);
    const live = able(w);
    const carrier = w.lend(able(w), 5, w.ubuf());
    const released = able(w);
    released.release();
    const queue = new SkbQueue(engine);
    const queued = able(w);
    queue.pushTail(queued);
    const ubuf = w.ubuf();
    const region = w.region(7);
    expect(carrier.zeroCopy).toBe(true);
    const ring = new Ring(engine);
    const burst = filled(engine);
    const mesh = new Mesh(engine, 1, 1);
    const [sender, receiver] = [mesh.sender(0), mesh.receiver(0)];
    engine.close({ force: true });
    await expectEach(SKB, live, () => props, "ERR_SKB_CLOSED");
    await expectEach(SKB, released, () => props, "ERR_SKB_CLOSED");
    await expectEach(SKB, queued, () => props, "ERR_SKB_CLOSED", new Map([...HARMLESS, ["queued", true]]));
    await expectEach(
      ENGINE,
      engine,
      () => props,
      "ERR_SKB_CLOSED",
      new Map<string, unknown>([
        ["closed", true],
        ["close", []],
        ["detach", undefined],
        ["detachAsync", undefined],
      ]),
    );
    await expectEach(MAKING, engine, () => props, "ERR_SKB_CLOSED");
    await expectEach(UBUF, ubuf, () => props, "ERR_SKB_CLOSED");
    await expectEach(
      REGION,
      region,
      () => props,
      "ERR_SKB_CLOSED",
      new Map<string, unknown>([
        ["released", false],
        ["[dispose]", undefined],
      ]),
    );
    await expectEach(QUEUE, queue, () => props, "ERR_SKB_CLOSED", new Map([["length", 1]]));
    const releasing = new Map<string, unknown>([
      ["release", undefined],
      ["abort", undefined],
      ["[dispose]", undefined],
    ]);
    await expectEach(RING, ring, () => props, "ERR_SKB_CLOSED", releasing);
    await expectEach(BURST, burst, () => props, "ERR_SKB_CLOSED", new Map([...releasing, ["length", 1]]));
    await expectEach(MESH, mesh, () => props, "ERR_SKB_CLOSED", releasing);
    await expectEach(SENDER, sender, () => props, "ERR_SKB_CLOSED", releasing);
    await expectEach(RECEIVER, receiver, () => props, "ERR_SKB_CLOSED", releasing);
  });

  it("a released ring, sender or receiver says so", async () => {
    const engine = await make();
    const w = new World(engine);
    const props = propsOf(w);
    const mesh = new Mesh(engine, 1, 1);
    const ended = [
      [RING, new Ring(engine)],
      [SENDER, mesh.sender(0)],
      [RECEIVER, mesh.receiver(0)],
    ] as const;
    const releasing = new Map<string, unknown>([
      ["release", undefined],
      ["abort", undefined],
      ["[dispose]", undefined],
    ]);
    for (const [table, one] of ended) {
      one.release();
      await expectEach(
        table as Record<string, Call<never>>,
        one as never,
        () => props,
        "ERR_SKB_RING_CLOSED",
        releasing,
      );
    }
    expect(props.other.length).toBe(20);
    mesh.release();
    w.clean();
  });

  it("a released burst says so", async () => {
    const engine = await make();
    const w = new World(engine);
    const props = propsOf(w);
    const burst = filled(engine);
    burst.release();
    const harmless = new Map<string, unknown>([
      ["length", 0],
      ["release", undefined],
      ["[dispose]", undefined],
    ]);
    await expectEach(BURST, burst, () => props, "ERR_SKB_REGION", harmless);
    expect(props.other.length).toBe(20);
    w.clean();
  });

  it("a released region says so", async () => {
    const engine = await make();
    const w = new World(engine);
    const props = propsOf(w);
    const region = w.region(100);
    expect([region.size, region.bytes.length, region.frags, region.released]).toEqual([100, 100, 0, false]);
    region.release();
    const harmless = new Map<string, unknown>([
      ["released", true],
      ["[dispose]", undefined],
    ]);
    await expectEach(REGION, region, () => props, "ERR_SKB_REGION", harmless);
    expect(codeOf(() => able(w).addUserFrag(region, 0, 1, props.ubuf))).toBe("ERR_SKB_REGION");
    const disposed = w.region(9);
    (disposed as unknown as Record<symbol, () => void>)[DISPOSE]?.();
    expect(disposed.released).toBe(true);
    w.clean();
  });

  it("dispose releases once, and spares what is queued", async () => {
    const engine = await make();
    const queue = new SkbQueue(engine);
    const skb = engine.alloc(1);
    const end = (): void => (skb as unknown as Record<symbol, () => void>)[DISPOSE]?.();
    queue.pushTail(skb);
    end();
    expect([skb.alive, queue.length]).toEqual([true, 1]);
    queue.popHead();
    end();
    end();
    expect(skb.alive).toBe(false);
    expect(stats(engine)).toMatchObject({ allocs: 1, releases: 1 });
  });
});
