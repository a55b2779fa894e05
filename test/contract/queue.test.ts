// SkbQueue: order, ownership, and taking packets out while the queue is walked.

import { type DropReason, type Skb, SkbQueue, Ubuf, UserRegion } from "skbuff";
import { stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { codeOf } from "../packets.js";

forEachEngine((_name, make) => {
  const numbered = async (n: number) => {
    const engine = await make();
    const skbs = Array.from({ length: n }, (_, i) => {
      const skb = engine.alloc(1);
      skb.mark = i;
      return skb;
    });
    return { engine, skbs, queue: new SkbQueue(engine) };
  };
  const marks = (queue: SkbQueue): number[] => [...queue].map((skb) => skb.mark);

  it("an empty one has nothing to give", async () => {
    const { queue, engine } = await numbered(0);
    expect([queue.length, queue.popHead(), queue.popTail(), queue.peek(), queue.peekTail()]).toEqual([
      ...[0, null, null, null, null],
    ]);
    expect([queue.purge(), [...queue]]).toEqual([0, []]);
    queue.splice(new SkbQueue(engine));
    queue.splice(queue);
    expect(queue.length).toBe(0);
  });

  it("gives packets from both ends", async () => {
    const { engine, skbs, queue } = await numbered(4);
    queue.pushTail(skbs[1] as Skb);
    queue.pushHead(skbs[0] as Skb);
    queue.pushTail(skbs[2] as Skb);
    queue.pushTail(skbs[3] as Skb);
    expect([marks(queue), queue.length]).toEqual([[0, 1, 2, 3], 4]);
    expect([queue.peek(), queue.peekTail()]).toEqual([skbs[0], skbs[3]]);
    expect(queue.length).toBe(4);
    expect(queue.popTail()).toBe(skbs[3]);
    expect(queue.popHead()).toBe(skbs[0]);
    expect([marks(queue), skbs[0]?.queued, skbs[1]?.queued]).toEqual([[1, 2], false, true]);
    expect([queue.popHead(), queue.popHead(), queue.popHead()]).toEqual([skbs[1], skbs[2], null]);
    expect([queue.peek(), queue.peekTail(), queue.length]).toEqual([null, null, 0]);
    // And from an end that became empty.
    queue.pushHead(skbs[2] as Skb);
    expect(queue.popTail()).toBe(skbs[2]);
    engine.releaseBurst(skbs);
  });

  it("agrees with an array, whatever is done", async () => {
    const { engine, skbs, queue } = await numbered(40);
    const model: Skb[] = [];
    const free = [...skbs];
    let seed = 12345;
    const random = (n: number): number => {
      // Numerical Recipes' generator: the same run each time.
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return (seed >>> 8) % n;
    };
    for (let step = 0; step < 3000; step++) {
      const action = random(7);
      const skb = free[random(free.length + 1)];
      if (action < 2 && skb !== undefined) {
        free.splice(free.indexOf(skb), 1);
        if (action === 0) {
          queue.pushHead(skb);
          model.unshift(skb);
        } else {
          queue.pushTail(skb);
          model.push(skb);
        }
      } else if (action === 2 || action === 3) {
        const wanted = (action === 2 ? model.shift() : model.pop()) ?? null;
        expect(action === 2 ? queue.popHead() : queue.popTail()).toBe(wanted);
        if (wanted !== null) free.push(wanted);
      } else if (action === 4) {
        const one = skbs[random(skbs.length)] as Skb;
        const at = model.indexOf(one);
        expect(queue.unlink(one)).toBe(at >= 0);
        if (at >= 0) free.push(...model.splice(at, 1));
      } else if (action === 5) {
        const other = new SkbQueue(engine);
        const moved = free.splice(0, random(4));
        for (const one of moved) other.pushTail(one);
        queue.splice(other);
        model.push(...moved);
        expect(other.length).toBe(0);
      }
      expect(queue.length).toBe(model.length);
      expect([queue.peek(), queue.peekTail()]).toEqual([model[0] ?? null, model.at(-1) ?? null]);
      if (step % 50 === 0) expect([...queue]).toEqual(model);
    }
    expect([...queue]).toEqual(model);
    expect(queue.purge()).toBe(model.length);
    for (const skb of free) skb.release();
    expect(stats(engine).skbs.used).toBe(0);
  });

  it("splice moves all, in order, and they belong to the new queue", async () => {
    const { engine, skbs, queue } = await numbered(5);
    const other = new SkbQueue(engine);
    for (const [i, skb] of skbs.entries()) (i < 2 ? queue : other).pushTail(skb);
    queue.splice(other);
    expect([marks(queue), queue.length, other.length, marks(other)]).toEqual([[0, 1, 2, 3, 4], 5, 0, []]);
    expect(other.unlink(skbs[3] as Skb)).toBe(false);
    expect(queue.unlink(skbs[3] as Skb)).toBe(true);
    other.splice(queue);
    expect([marks(queue), marks(other)]).toEqual([[], [0, 1, 2, 4]]);
    queue.pushTail(skbs[3] as Skb);
    queue.splice(other);
    expect(marks(queue)).toEqual([3, 0, 1, 2, 4]);
    const foreign = new SkbQueue(await make());
    expect(codeOf(() => queue.splice(foreign))).toBe("ERR_SKB_FOREIGN");
    queue.purge();
  });

  it("unlink takes only its own", async () => {
    const { skbs, queue, engine } = await numbered(3);
    const other = new SkbQueue(engine);
    for (const skb of skbs) queue.pushTail(skb);
    expect([
      other.unlink(skbs[1] as Skb),
      queue.unlink(skbs[1] as Skb),
      queue.unlink(skbs[1] as Skb),
    ]).toEqual([...[false, true, false]]);
    expect(queue.unlink(null as unknown as Skb)).toBe(false);
    expect(marks(queue)).toEqual([0, 2]);
    skbs[1]?.release();
    queue.purge();
  });

  it("purge releases with a reason, and completes what the packets carry", async () => {
    const { engine, skbs, queue } = await numbered(3);
    let completed = 0;
    const region = new UserRegion(engine, 3);
    for (const [i, skb] of skbs.entries()) {
      skb.addUserFrag(region, i, 1, new Ubuf(engine, () => completed++));
      queue.pushTail(skb);
    }
    expect(codeOf(() => queue.purge(16 as DropReason))).toBe("ERR_SKB_RANGE");
    expect([queue.length, completed]).toEqual([3, 0]);
    expect(queue.purge(6)).toBe(3);
    expect([queue.length, completed, stats(engine).drops[6]]).toEqual([0, 3, 3]);
    expect(skbs.map((skb) => skb.alive)).toEqual([false, false, false]);
    region.release();
    expect(engine.close()).toEqual([]);
  });

  describe("walking", () => {
    it("goes on when the body takes the packet out", async () => {
      const { skbs, queue, engine } = await numbered(6);
      for (const skb of skbs) queue.pushTail(skb);
      const seen: number[] = [];
      for (const skb of queue) {
        seen.push(skb.mark);
        if (skb.mark % 2 === 0) expect(queue.unlink(skb)).toBe(true);
      }
      expect([seen, marks(queue)]).toEqual([
        [0, 1, 2, 3, 4, 5],
        [1, 3, 5],
      ]);
      for (const skb of queue) {
        queue.unlink(skb);
        skb.release();
      }
      expect(queue.length).toBe(0);
      for (const skb of skbs) if (skb.alive) skb.release();
      expect(stats(engine).skbs.used).toBe(0);
    });

    it("may stop early and start again", async () => {
      const { skbs, queue } = await numbered(3);
      for (const skb of skbs) queue.pushTail(skb);
      for (const skb of queue) {
        expect(skb.mark).toBe(0);
        break;
      }
      expect(marks(queue)).toEqual([0, 1, 2]);
      queue.purge();
    });
  });

  it("a packet is in one queue at a time", async () => {
    const { engine, skbs, queue } = await numbered(1);
    const skb = skbs[0] as Skb;
    queue.pushTail(skb);
    const other = new SkbQueue(engine);
    for (const push of [() => queue.pushTail(skb), () => queue.pushHead(skb), () => other.pushTail(skb)]) {
      expect(codeOf(push)).toBe("ERR_SKB_QUEUED");
    }
    expect([queue.length, other.length]).toEqual([1, 0]);
    queue.purge();
  });
});
