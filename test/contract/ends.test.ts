// How rings and meshes end: close, abort and `using` mean the same for all of them.

import { type Engine, Mesh, type Receiver, Ring, type Sender, type Skb } from "skbuff";
import { stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";

const dispose = (what: Disposable): void =>
  (what as unknown as Record<symbol, () => void>)[
    (Symbol as { dispose?: symbol }).dispose ?? Symbol.for("Symbol.dispose")
  ]?.();

interface Pair {
  readonly from: Ring | Sender;
  readonly to: Ring | Receiver;
}

const PAIRS: Record<string, (engine: Engine) => Pair> = {
  "two objects of a ring": (engine) => {
    const from = new Ring(engine, { capacity: 4 });
    return { from, to: Ring.attach(engine, from.share()) };
  },
  "a mesh": (engine) => {
    const mesh = new Mesh(engine, 1, 1, { capacity: 4 });
    const pair = { from: mesh.sender(0), to: mesh.receiver(0) };
    mesh.release();
    return pair;
  },
};

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => ["resolved", value],
    (reason: unknown) => reason,
  );
}

function send(engine: Engine, { from }: Pair, n: number): void {
  for (let i = 0; i < n; i++) expect(from.enqueue(engine.alloc(1))).toBe(true);
}

forEachEngine((_name, make) => {
  describe.each(Object.entries(PAIRS))("%s", (_, open) => {
    it("closed twice: what is in it can still be taken out", async () => {
      const engine = await make();
      const pair = open(engine);
      const { from, to } = pair;
      send(engine, pair, 2);
      from.close();
      from.close();
      to.close();
      const skb = engine.alloc(1);
      expect(() => from.enqueue(skb)).toThrow("ring");
      skb.release();
      const taken: Skb[] = [];
      for await (const one of to) taken.push(one);
      expect([taken.length, to.ended]).toEqual([2, true]);
      engine.releaseBurst(taken);
      from.release();
      to.release();
    });

    it("aborted by whoever receives: all comes back, and who waits hears why", async () => {
      const engine = await make();
      const pair = open(engine);
      const { from, to } = pair;
      send(engine, pair, 4);
      to.dequeue()?.release();
      send(engine, pair, 1);
      const room = from.waitWritableAsync(1);
      to.abort("enough");
      to.abort("again");
      expect([stats(engine).skbs.used, to.ended, await room]).toEqual([0, true, "ended"]);
      expect(await to.waitAsync()).toBe("ended");
      from.release();
      to.release();
      to.abort();
    });

    it("aborted while it is waited for, on either side", async () => {
      const engine = await make();
      const pair = open(engine);
      const { from, to } = pair;
      const waiting = to.waitAsync();
      const reason = new Error("enough");
      to.abort(reason);
      expect(await rejection(waiting)).toBe(reason);
      const other = open(engine);
      send(engine, other, 4);
      const room = other.from.waitWritableAsync(1);
      other.from.abort(reason);
      expect(await rejection(room)).toBe(reason);
      // What was sent before is the receiver's.
      expect(other.to.size).toBe(4);
      let n = 0;
      for await (const skb of other.to) {
        skb.release();
        n++;
      }
      expect(n).toBe(4);
      for (const one of [from, to, other.from, other.to]) one.release();
    });

    it("aborted after close", async () => {
      const engine = await make();
      const pair = open(engine);
      send(engine, pair, 3);
      pair.to.dequeue()?.release();
      pair.from.close();
      pair.to.abort();
      expect(stats(engine).skbs.used).toBe(0);
      pair.from.abort();
      pair.from.release();
      pair.to.release();
    });

    it("left by `using`: a sender closes it, a receiver aborts it, and nothing is left", async () => {
      const engine = await make();
      const pair = open(engine);
      send(engine, pair, 2);
      dispose(pair.from);
      dispose(pair.from);
      const taken: Skb[] = [];
      for await (const one of pair.to) taken.push(one);
      expect(taken.length).toBe(2);
      engine.releaseBurst(taken);
      dispose(pair.to);
      const other = open(engine);
      send(engine, other, 2);
      other.to.dequeue()?.release();
      dispose(other.to);
      const skb = engine.alloc(1);
      expect(() => other.from.enqueue(skb)).toThrow("ring");
      skb.release();
      dispose(other.from);
      expect(stats(engine).skbs.used).toBe(0);
    });
  });

  it("a mesh's abort is for all of its places: all comes back, and who waits hears why", async () => {
    const engine = await make();
    const mesh = new Mesh(engine, 2, 1, { capacity: 2 });
    const [first, second, receiver] = [mesh.sender(0), mesh.sender(1), mesh.receiver(0)];
    // One that was given back is not the mesh's to end.
    mesh.sender(1).release();
    for (let i = 0; i < 2; i++) expect(first.enqueue(engine.alloc(1))).toBe(true);
    const reason = new Error("enough");
    const waiting = [rejection(first.waitWritableAsync(2)), rejection(second.waitWritableAsync(2))];
    expect(await waiting[1]).toEqual(["resolved", "ready"]);
    mesh.abort(reason);
    mesh.abort("again");
    expect(await waiting[0]).toBe(reason);
    expect([first.closed, second.closed, receiver.ended, receiver.size]).toEqual([true, true, true, 0]);
    expect(stats(engine).skbs.used).toBe(0);
    for (const one of [first, second, receiver, mesh]) one.release();
    mesh.abort(reason);
  });

  it("a mesh's close is for all of its rings", async () => {
    const engine = await make();
    const mesh = new Mesh(engine, 2, 2);
    const receivers = [mesh.receiver(0), mesh.receiver(1)];
    const senders = [mesh.sender(0), mesh.sender(1)];
    mesh.close();
    mesh.close();
    expect([...receivers.map((one) => one.ended), ...senders.map((one) => one.closed)]).toEqual([
      true,
      true,
      true,
      true,
    ]);
    for (const one of [...receivers, ...senders]) one.release();
    mesh.close();
    mesh.release();
  });
});
