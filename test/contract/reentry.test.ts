// Code of the user's that runs in the middle of a call, and objects that only look like packets: nothing is lost, nothing is twice.

import { Mesh, Ring, type Skb, SkbQueue, Ubuf, UserRegion } from "skbuff";
import { audit, dump } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { codeOf } from "../packets.js";

forEachEngine((name, make) => {
  describe(`${name}: code in the middle of a call`, () => {
    it("a frozen array is refused by a sender before anything is taken", async () => {
      const engine = await make();
      const mesh = new Mesh(engine, 1, 2, { capacity: 2 });
      const receivers = [mesh.receiver(0), mesh.receiver(1)];
      const burst: Skb[] = new Array(8);
      engine.allocBurst(burst, 64);
      for (const [i, skb] of burst.entries()) skb.hash = i;
      Object.freeze(burst);
      expect(codeOf(() => mesh.sender(0).enqueueBurst(burst))).toBe("ERR_SKB_TYPE");
      expect(burst.every(({ alive }) => alive)).toBe(true);
      expect(receivers.every(({ size }) => size === 0)).toBe(true);
    });

    it("what a sender refuses is alive though the array does not take it back", async () => {
      const engine = await make();
      const mesh = new Mesh(engine, 1, 2, { capacity: 1, spread: "in-turn" });
      const receivers = [mesh.receiver(0), mesh.receiver(1)];
      const burst: Skb[] = new Array(8);
      engine.allocBurst(burst, 64);
      const all = [...burst];
      Object.defineProperty(burst, 0, { writable: false });
      expect(codeOf(() => mesh.sender(0).enqueueBurst(burst))).toBe("ERR_SKB_TYPE");
      expect(receivers.map(({ size }) => size)).toEqual([1, 1]);
      expect(all.filter(({ alive }) => alive).length).toBe(6);
    });

    it("an accessor may use the scratch while an array is read", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      const [x, y, z] = [engine.alloc(1), engine.alloc(2), engine.alloc(3)];
      const list = [x, y];
      let given = false;
      const get = (): Skb => {
        if (!given) ring.enqueue(z);
        given = true;
        return y;
      };
      Object.defineProperty(list, 1, { get });
      engine.releaseBurst(list);
      expect(ring.size).toBe(1);
      expect(audit(engine).problems).toEqual([]);
      ring.dequeue()?.release();
      expect(audit(engine).packets).toEqual([]);
    });

    it("an accessor that throws while an array is read changes nothing", async () => {
      const engine = await make();
      const list = [engine.alloc(1), engine.alloc(2)];
      const [x, y] = list as [Skb, Skb];
      Object.defineProperty(list, 1, {
        get: () => {
          throw new Error("not now");
        },
      });
      expect(() => engine.releaseBurst(list)).toThrow("not now");
      expect([x.alive, y.alive]).toEqual([true, true]);
    });

    it("a setter must not use the scratch while an array is filled", async () => {
      const engine = await make();
      const out: (Skb | null)[] = [null, null, null];
      let kept: Skb | null = null;
      let code: unknown;
      Object.defineProperty(out, 0, {
        get: () => kept,
        set: (skb: Skb | null) => {
          kept = skb;
          code = codeOf(() => engine.allocBurst(new Array(4), 64));
        },
      });
      expect(engine.allocBurst(out, 64)).toBe(3);
      expect(code).toBe("ERR_SKB_TYPE");
      expect(audit(engine).problems).toEqual([]);
      expect(audit(engine).packets.length).toBe(3);
      engine.releaseBurst(out);
      expect(audit(engine).packets).toEqual([]);
    });

    it("an array that takes nothing is refused before anything is taken out", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      const mesh = new Mesh(engine, 1, 1);
      const receiver = mesh.receiver(0);
      ring.enqueue(engine.alloc(64));
      mesh.sender(0).enqueue(engine.alloc(64));
      for (const out of [Object.freeze([null]), Object.preventExtensions(new Array(1))] as Skb[][]) {
        expect(codeOf(() => ring.dequeueBurst(out))).toBe("ERR_SKB_TYPE");
        expect(codeOf(() => receiver.dequeueBurst(out))).toBe("ERR_SKB_TYPE");
        expect(codeOf(() => engine.allocBurst(out, 64))).toBe("ERR_SKB_TYPE");
      }
      expect([ring.size, receiver.size]).toEqual([1, 1]);
      const sealed = Object.seal([null]) as (Skb | null)[];
      expect(ring.dequeueBurst(sealed)).toBe(1);
    });

    it("what inherits from a packet, or stands before one, is none", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      const skb = engine.alloc(64);
      const to = engine.alloc(64);
      for (const other of [Object.create(skb) as Skb, new Proxy(skb, {})]) {
        expect(codeOf(() => ring.enqueue(other))).toBe("ERR_SKB_TYPE");
        expect(codeOf(() => ring.enqueueBurst([other]))).toBe("ERR_SKB_TYPE");
        expect(codeOf(() => engine.releaseBurst([other]))).toBe("ERR_SKB_TYPE");
        expect(codeOf(() => to.addFragList(other))).toBe("ERR_SKB_TYPE");
      }
      expect(skb.alive).toBe(true);
      expect(ring.size).toBe(0);
    });

    it("a completion may release the ring that is aborted, or close the engine whose queue is purged", async () => {
      const engine = await make();
      const region = new UserRegion(engine, 4096);
      const ring = new Ring(engine);
      ring.dequeue();
      const skb = engine.alloc(0);
      skb.addUserFrag(region, 0, 100, new Ubuf(engine, () => ring.release()));
      ring.enqueue(skb);
      ring.abort();
      expect(() => ring.size).toThrow();

      const queue = new SkbQueue(engine);
      const first = engine.alloc(0);
      const close = (): void => void engine.close({ force: true });
      first.addUserFrag(region, 0, 100, new Ubuf(engine, close));
      queue.pushTail(first);
      queue.pushTail(engine.alloc(0));
      expect(queue.purge()).toBe(1);
    });

    it("a signal may call its listener without `this`, and refuse to let it go", async () => {
      const engine = await make();
      let told = (): void => {};
      const signal = {
        aborted: false,
        reason: new Error("stop"),
        addEventListener: (_: string, listener: () => void) => {
          told = listener;
        },
        removeEventListener: () => {
          throw new Error("never");
        },
      };
      const wait = new Ring(engine).waitAsync({ signal });
      signal.aborted = true;
      told();
      await expect(wait).rejects.toThrow("stop");
    });

    it("dump of what is no packet", async () => {
      expect(codeOf(() => dump(undefined as unknown as Skb))).toBe("ERR_SKB_TYPE");
      expect(codeOf(() => dump({} as Skb))).toBe("ERR_SKB_TYPE");
    });
  });
});
