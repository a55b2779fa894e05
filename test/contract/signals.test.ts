// A wait that is given up: it rejects with the signal's reason, takes nothing, and leaves nothing behind.

import {
  type Engine,
  Mesh,
  Ring,
  type Skb,
  TimeoutError,
  Ubuf,
  UserRegion,
  type WaitOptions,
  type Wakeup,
} from "skbuff";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { MAY_BLOCK, SOON_MS } from "../environment.js";

/** A signal whose listeners can be counted. */
class Counted {
  readonly controller = new AbortController();
  readonly signal = this.controller.signal;
  listeners = 0;
  most = 0;

  constructor() {
    const { signal } = this;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...of: Parameters<typeof add>) => {
      this.most = Math.max(this.most, ++this.listeners);
      add(...of);
    };
    signal.removeEventListener = (...of: Parameters<typeof remove>) => {
      this.listeners--;
      remove(...of);
    };
  }
}

/** What a promise rejects with. */
async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    return ["resolved", await promise];
  } catch (error) {
    return error;
  }
}

interface Waiting {
  readonly waits: Record<string, (options: WaitOptions) => Promise<Wakeup>>;
  readonly blocking: Record<string, (options: WaitOptions) => Wakeup>;
  readonly full: Ring;
  readonly empty: Ring;
}

/** Everything that can be waited for, and is not there. */
function nothing(engine: Engine): Waiting {
  const [full, empty] = [new Ring(engine, { capacity: 1 }), new Ring(engine, { capacity: 1 })];
  full.enqueue(engine.alloc(1));
  const mesh = new Mesh(engine, 2, 2, { capacity: 1, spread: "in-turn" });
  const [sender, receiver] = [mesh.sender(0), mesh.receiver(0)];
  const other = new Mesh(engine, 1, 1, { capacity: 1 });
  const otherSender = other.sender(0);
  otherSender.enqueue(engine.alloc(1));
  for (let i = 0; i < 2; i++) sender.enqueue(engine.alloc(1));
  receiver.dequeue()?.release();
  const ubuf = new Ubuf(engine);
  const region = new UserRegion(engine, 10);
  const lent = engine.alloc(0);
  lent.addUserFrag(region, 0, 1, ubuf);
  empty.enqueue(lent);
  const blank = new Ring(engine);
  return {
    waits: {
      "ring.waitAsync": (options) => blank.waitAsync(options),
      "ring.waitWritableAsync": (options) => full.waitWritableAsync(1, options),
      "ring.waitAsync for completions, too": (options) => blank.waitAsync({ ...options, completions: true }),
      "receiver.waitAsync": (options) => receiver.waitAsync(options),
      "sender.waitWritableAsync": (options) => otherSender.waitWritableAsync(1, options),
      "engine.waitAsync": ({ completions: _, ...options }) => engine.waitAsync(options),
    },
    blocking: {
      "ring.wait": (options) => blank.wait(options),
      "ring.waitWritable": (options) => full.waitWritable(1, options),
      "receiver.wait": (options) => receiver.wait(options),
      "sender.waitWritable": (options) => otherSender.waitWritable(1, options),
      "engine.wait": ({ completions: _, ...options }) => engine.wait(options),
    },
    full,
    empty,
  };
}

forEachEngine((_name, make) => {
  describe("a signal", () => {
    it("ends every wait with its reason", async () => {
      const engine = await make({ ubufs: 10 });
      const { waits } = nothing(engine);
      for (const [name, wait] of Object.entries(waits)) {
        const counted = new Counted();
        const waiting = wait({ signal: counted.signal, timeout: SOON_MS });
        const others = wait({ timeout: 1 });
        const reason = { name };
        counted.controller.abort(reason);
        expect([name, await rejection(waiting)]).toEqual([name, reason]);
        expect([name, await others, counted.listeners]).toEqual([name, "timed-out", 0]);
        expect(await rejection(wait({ signal: counted.signal }))).toBe(reason);
      }
    });

    it("that is aborted already is thrown by waits that block, whatever there is", async () => {
      const engine = await make({ ubufs: 10 });
      const { blocking, full } = nothing(engine);
      const reason = new Error("given up");
      const signal = AbortSignal.abort(reason);
      for (const wait of [...Object.values(blocking), (options: WaitOptions) => full.wait(options)])
        expect(() => wait({ signal })).toThrow(reason);
      const { signal: open } = new AbortController();
      if (MAY_BLOCK && engine.shared)
        for (const wait of Object.values(blocking)) wait({ signal: open, timeout: 1 });
      expect(full.size).toBe(1);
    });

    it("takes nothing", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      const abort = new AbortController();
      const waiting = ring.waitAsync({ signal: abort.signal });
      ring.enqueue(engine.alloc(1));
      abort.abort();
      expect(await rejection(waiting)).toBe(abort.signal.reason);
      expect([ring.size, await ring.waitAsync()]).toEqual([1, "ready"]);
      expect(await rejection(ring.waitAsync({ signal: abort.signal }))).toBe(abort.signal.reason);
    });

    it("has no listener left after a thousand waits, however they ended, and one while they last", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      const counted = new Counted();
      const { signal } = counted;
      for (let i = 0; i < 300; i++) {
        expect(await ring.waitAsync({ signal, timeout: 0 })).toBe("timed-out");
        const waiting = ring.waitAsync({ signal });
        ring.enqueue(engine.alloc(1));
        expect(await waiting).toBe("ready");
        ring.dequeue()?.release();
      }
      const many = Array.from({ length: 400 }, () => ring.waitAsync({ signal, timeout: 1 }));
      expect(counted.listeners).toBe(1);
      await Promise.all(many);
      expect([counted.listeners, counted.most]).toEqual([0, 1]);
    });

    it("must be one", async () => {
      const engine = await make();
      const signal = {} as AbortSignal;
      expect(() => new Ring(engine).wait({ signal })).toThrow('"signal" expected an AbortSignal');
      expect(() => new Ring(engine).packets({ signal })).toThrow('"signal" expected an AbortSignal');
    });

    it("ends detachAsync, and the thread stays", async () => {
      const engine = await make({ threads: 3 });
      if (!engine.shared) return;
      const { Engine: There } = await import("skbuff");
      const worker = await There.attach(engine.share());
      const region = new UserRegion(worker, 10);
      const skb = worker.alloc(0);
      skb.addUserFrag(region, 0, 1, new Ubuf(worker));
      const ring = new Ring(worker);
      const here = Ring.attach(engine, ring.share());
      ring.enqueue(skb);
      region.release();
      const abort = new AbortController();
      const leaving = worker.detachAsync({ completions: "wait", signal: abort.signal });
      abort.abort("stay");
      expect(await rejection(leaving)).toBe("stay");
      expect(worker.closed).toBe(false);
      const left = worker.detachAsync({ completions: "wait" });
      here.dequeue()?.release();
      await left;
      expect(worker.closed).toBe(true);
    });
  });

  describe("packets()", () => {
    /** Takes until it ends or fails, and returns the marks and why. */
    async function drain(packets: AsyncIterable<Skb>): Promise<[number[], unknown]> {
      const marks: number[] = [];
      try {
        for await (const skb of packets) {
          marks.push(skb.mark);
          skb.release();
        }
      } catch (error) {
        return [marks, error];
      }
      return [marks, "ended"];
    }

    function filled(engine: Engine, n: number): Skb[] {
      return Array.from({ length: n }, (_, i) => {
        const skb = engine.alloc(1);
        skb.mark = i;
        return skb;
      });
    }

    it("ends with its ring or mesh", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      ring.enqueueBurst(filled(engine, 3));
      ring.close();
      expect(await drain(ring.packets())).toEqual([[0, 1, 2], "ended"]);
      const mesh = new Mesh(engine, 1, 1);
      const sender = mesh.sender(0);
      sender.enqueueBurst(filled(engine, 2));
      sender.close();
      expect(await drain(mesh.receiver(0).packets({ timeout: SOON_MS }))).toEqual([[0, 1], "ended"]);
    });

    it("throws TimeoutError when nothing came for so long", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      ring.enqueueBurst(filled(engine, 2));
      const [marks, error] = await drain(ring.packets({ timeout: 10 }));
      expect(marks).toEqual([0, 1]);
      expect(error).toBeInstanceOf(TimeoutError);
      expect(error).toMatchObject({
        code: "ERR_SKB_TIMEOUT",
        message: '"packet" expected one within 10 ms, got none',
      });
    });

    it("throws the reason of its signal, also between two packets that are there", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      const abort = new AbortController();
      const waiting = drain(ring.packets({ signal: abort.signal }));
      await ring.waitAsync({ timeout: 1 });
      abort.abort("enough");
      expect(await waiting).toEqual([[], "enough"]);
      const again = new AbortController();
      ring.enqueueBurst(filled(engine, 3));
      const seen: number[] = [];
      const loop = async (): Promise<void> => {
        for await (const skb of ring.packets({ signal: again.signal })) {
          seen.push(skb.mark);
          skb.release();
          again.abort("one will do");
        }
      };
      expect(await rejection(loop())).toBe("one will do");
      expect([seen, ring.size]).toEqual([[0], 2]);
    });
  });

  describe("engine.waitAsync", () => {
    it("ends when nothing that could complete is left", async () => {
      const engine = await make();
      expect([engine.wait(), await engine.waitAsync()]).toEqual(["ended", "ended"]);
      const ubufs = [new Ubuf(engine), new Ubuf(engine)];
      const waiting = engine.waitAsync();
      for (const ubuf of ubufs) ubuf.cancel();
      expect(await waiting).toBe("ended");
    });
  });
});
