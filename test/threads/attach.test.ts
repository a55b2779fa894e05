// Coming: tokens, thread blocks, cores of different kinds, and the ends of rings.

import { Engine, type EngineToken, Mesh, type Receiver, Ring, type Sender, type Skb } from "skbuff";
import { stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { bytesAt, codeOf, expectBytes } from "../packets.js";
import { type Agent, type RemoteError, rejection } from "./agent.js";
import { agent, attached, expectAllBack, shared } from "./stage.js";

describe("attaching", () => {
  it("takes a thread block each, until there is none", async () => {
    const engine = await shared({ threads: 3 });
    const workers = [agent(), agent(), agent()];
    const numbers = [await workers[0]?.attach(engine), await workers[1]?.attach(engine)];
    expect([engine.thread, ...numbers]).toEqual([1, 2, 3]);
    expect(stats(engine).threads.map(({ thread }) => thread)).toEqual([1, 2, 3]);
    const error = await workers[2]?.fails((seat, token) => seat.skbuff.Engine.attach(token), engine.share());
    expect(error).toMatchObject({ name: "ThreadLimitError", code: "ERR_SKB_THREADS" });
    expect(error?.message).toContain("at most 3");
    await workers[0]?.leave();
    expect(await workers[2]?.attach(engine)).toBe(2);
    await Promise.all([workers[1]?.leave(), workers[2]?.leave()]);
    expectAllBack(engine);
  });

  it("several workers at once get different blocks", async () => {
    const engine = await shared({ threads: 6 });
    const workers = Array.from({ length: 5 }, agent);
    const numbers = await Promise.all(workers.map((worker) => worker.attach(engine)));
    expect(numbers.sort()).toEqual([2, 3, 4, 5, 6]);
    await Promise.all(workers.map((worker) => worker.leave()));
    expectAllBack(engine);
  });

  it("refuses tokens of another layout", async () => {
    const engine = await shared();
    const token = engine.share() as EngineToken & { layout: number };
    for (const layout of [token.layout + 1, token.layout - 1, undefined, "2", null, Number.NaN]) {
      const other = { ...token, layout } as unknown as EngineToken;
      expect(await rejection(Engine.attach(other)), String(layout)).toBe("ERR_SKB_TOKEN");
    }
    // And an arena that says of itself that it is of another one.
    const odd = (await shared({ memory: 512 * 1024, threads: 1 })).share() as EngineToken & {
      memory: WebAssembly.Memory;
      base: number;
    };
    const words = new Int32Array(odd.memory.buffer, odd.base, 2);
    words[1] = token.layout + 1;
    expect(await rejection(Engine.attach(odd))).toBe("ERR_SKB_TOKEN");
    words[1] = token.layout;
    expect(stats(engine).threads.length).toBe(1);
  });

  it("refuses garbage", async () => {
    const engine = await shared();
    const token = engine.share() as EngineToken & Record<string, unknown>;
    const garbage: unknown[] = [undefined, null, 0, "engine", 1n, true, () => token, [], {}, new Map()];
    garbage.push(
      { skbuff: "engine" },
      { skbuff: "ring" },
      new Ring(engine).share(),
      new Mesh(engine, 1, 1).share(),
    );
    for (const wild of garbage)
      expect(await rejection(Engine.attach(wild as EngineToken)), typeof wild).toBe("ERR_SKB_TOKEN");
    const memories = [
      undefined,
      null,
      5,
      {},
      new ArrayBuffer(8),
      new SharedArrayBuffer(8),
      new Uint8Array(9),
    ];
    const bases = [undefined, null, -4096, 0, 1, 4097, 8192, 2 ** 20, 2 ** 32, Number.NaN, "4096"];
    for (const core of ["wasm", "js"] as const) {
      for (const memory of memories) {
        const code = await rejection(Engine.attach({ ...token, memory } as EngineToken, { core }));
        expect(["ERR_SKB_TOKEN", "ERR_SKB_UNSUPPORTED"], `${typeof memory}, ${core}`).toContain(code);
      }
      for (const base of bases) {
        const code = await rejection(Engine.attach({ ...token, base } as EngineToken, { core }));
        expect(code, `${String(base)}, ${core}`).toBe("ERR_SKB_TOKEN");
      }
    }
    expect(stats(engine).threads.length).toBe(1);
  });

  it("refuses wild options", async () => {
    const token = (await shared()).share();
    for (const options of [null, 5, { core: "auto" }, { debug: 1 }, { onError: 1 }, { onLeak: 1 }])
      expect(await rejection(Engine.attach(token, options as object)), JSON.stringify(options)).toBe(
        "ERR_SKB_TYPE",
      );
  });

  it.each(["wasm", "js"] as const)("%s on unshared memory: the error says what is missing", async (core) => {
    const engine = await Engine.create({ memory: 512 * 1024, threads: 2, shared: false, core });
    let message = "";
    try {
      engine.share();
    } catch (error) {
      message = (error as Error).message;
    }
    expect(codeOf(() => engine.share())).toBe("ERR_SKB_SHARED_MEMORY");
    expect(message).toContain("Cross-Origin-Opener-Policy: same-origin");
    expect(message).toContain("Cross-Origin-Embedder-Policy: require-corp");
    engine.close();
  });

  it("compiles nothing", async () => {
    const engine = await shared();
    const worker = agent();
    // Whatever compiles throws from here on, in that worker.
    await worker.run(() => {
      const stub = (): never => {
        throw new Error("compiled");
      };
      Object.assign(WebAssembly, { compile: stub, compileStreaming: stub, Module: stub });
    });
    await worker.attach(engine);
    expect(await worker.run((seat) => [seat.engine.core, seat.engine.shared])).toEqual(["wasm", true]);
    await worker.run((seat) => seat.engine.alloc(100).putZeros(100).release());
    await worker.leave();
    expectAllBack(engine);
    await worker.stop();
  });
});

describe("cores", () => {
  it.each([
    ["wasm", "js"],
    ["js", "wasm"],
    ["js", "js"],
  ] as const)("a %s engine and a %s worker pass packets both ways", async (here, there) => {
    const engine = await shared({ core: here, memory: 2 * 1024 * 1024 });
    const [worker] = (await attached(engine, 1, () => there)) as [Agent];
    expect(await worker.run((seat) => seat.engine.core)).toBe(there);
    const [out, back] = [new Ring(engine, { capacity: 64 }), new Ring(engine, { capacity: 64 })];
    const echo = worker.run(
      (seat, fromToken, toToken) => {
        const [from, to] = [
          seat.skbuff.Ring.attach(seat.engine, fromToken),
          seat.skbuff.Ring.attach(seat.engine, toToken),
        ];
        seat.rings.push(from, to);
        let n = 0;
        while (from.wait() !== "ended") {
          for (let skb = from.dequeue(); skb !== null; skb = from.dequeue()) {
            skb.unclone();
            skb.linearize();
            skb.expandHead(1, 0);
            skb.push(1)[0] = 0xee;
            skb.mark++;
            while (!to.enqueue(skb)) to.waitWritable(1);
            n++;
          }
        }
        to.close();
        return n;
      },
      out.share(),
      back.share(),
    );
    const packet = (i: number): Skb => {
      const size = (i * 397) % 3000;
      const skb = engine.alloc(size, { headroom: 16 }).putData(bytesAt(i, size));
      skb.mark = i;
      if (i % 3 === 0) skb.addPageFrag(777).set(bytesAt(i + size, 777));
      if (i % 5 === 0) skb.addFragList(engine.alloc(50).putZeros(50));
      return skb;
    };
    let next = 0;
    for (let i = 0; i < 400; i++) {
      const skb = packet(i);
      const clone = skb.clone();
      while (!out.enqueue(clone)) await out.waitWritableAsync(1);
      skb.release();
      while (next <= i - 50 || (i === 399 && next < 400)) {
        await back.waitAsync();
        const got = back.dequeue() as Skb;
        const size = (next * 397) % 3000;
        expect([got.mark, got.readU8(0), got.linear]).toEqual([next + 1, 0xee, true]);
        expectBytes(got.toBytes().subarray(1, 1 + size), bytesAt(next, size), `packet ${next}`);
        got.release();
        next++;
      }
    }
    out.close();
    expect(await echo).toBe(400);
    expect(await back.waitAsync()).toBe("ended");
    await worker.leave();
    out.release();
    back.release();
    expectAllBack(engine);
  });
});

describe("ends of rings", () => {
  it("belong to one thread each, until it releases the ring", async () => {
    const engine = await shared();
    const [worker] = (await attached(engine, 1)) as [Agent];
    const ring = new Ring(engine, { capacity: 4 });
    expect(ring.enqueue(engine.alloc(1))).toBe(true);
    await worker.run((seat, token) => {
      seat.rings = [seat.skbuff.Ring.attach(seat.engine, token)];
      seat.skbs = [seat.engine.alloc(5).putZeros(5)];
    }, ring.share());
    for (const name of ["enqueue", "enqueueBurst", "waitWritable"] as const) {
      const error = await worker.fails((seat, method) => {
        const [one, skb] = [seat.rings[0], seat.skbs[0]];
        if (one === undefined || skb === undefined) throw new Error("no ring");
        if (method === "enqueue") one.enqueue(skb);
        else if (method === "enqueueBurst") one.enqueueBurst([skb]);
        else one.waitWritable(1);
      }, name);
      expect(error, name).toMatchObject({ name: "RingRoleError", code: "ERR_SKB_RING_ROLE" });
      expect(error?.message).toBe('"producer" expected this thread, got thread 1');
    }
    expect(await worker.run((seat) => [seat.skbs[0]?.alive, seat.skbs[0]?.length])).toEqual([true, 5]);
    expect(await worker.run((seat) => seat.rings[0]?.wait())).toBe("ready");
    const takes = [() => ring.dequeue(), () => ring.dequeueBurst([null]), () => ring.wait({ timeout: 1 })];
    for (const run of takes) expect(codeOf(run)).toBe("ERR_SKB_RING_ROLE");
    expect(await rejection(ring.waitAsync())).toBe("ERR_SKB_RING_ROLE");
    const again = Ring.attach(engine, ring.share());
    ring.release();
    expect(await worker.run((seat) => seat.rings[0]?.enqueueBurst(seat.skbs))).toBe(1);
    expect(again.size).toBe(2);
    await worker.leave();
    again.dequeue()?.release();
    again.release();
    expectAllBack(engine);
  });

  it("stay with a thread while another of its objects uses them", async () => {
    const engine = await shared();
    const [worker] = (await attached(engine, 1)) as [Agent];
    const mesh = new Mesh(engine, 1, 1);
    const [receiver, other] = [mesh.receiver(0), mesh.receiver(0)];
    expect([receiver.dequeue(), other.dequeue()]).toEqual([null, null]);
    await worker.run((seat, token) => {
      const there = seat.skbuff.Mesh.attach(seat.engine, token);
      seat.pending = Promise.resolve([there.sender(0), there.receiver(0)]);
    }, mesh.share());
    const takes = (): Promise<RemoteError | undefined> =>
      worker.fails(async (seat) => ((await seat.pending) as Receiver[])[1]?.dequeue());
    const waits = other.waitAsync();
    receiver.release();
    mesh.release();
    expect(await takes()).toMatchObject({ code: "ERR_SKB_RING_ROLE" });
    await worker.run(async (seat) => ((await seat.pending) as Sender[])[0]?.enqueue(seat.engine.alloc(1)));
    expect(await waits).toBe("ready");
    other.dequeue()?.release();
    other.release();
    expect(await takes()).toBeUndefined();
    await worker.run(async (seat) => {
      for (const one of (await seat.pending) as Sender[]) one.release();
    });
    await worker.leave();
    expectAllBack(engine);
  });
});
