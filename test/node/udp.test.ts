// Datagrams over the loopback: what goes in comes out, nothing is lent longer than it must be, and nothing is lost unseen.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { ArgumentTypeError, DropReason, Engine, Ring, type Skb, SkbQueue, Ubuf, UserRegion } from "skbuff";
import { stats } from "skbuff/inspect";
import { sourceOf, type TransportError, UdpReceiver, type UdpReceiverOptions, UdpSender } from "skbuff/node";
import { describe, expect, it, vi } from "vitest";
import {
  bytesAt,
  codeOf,
  describePacket,
  expectBytes,
  expectTyped,
  SHAPES,
  snapshot,
  World,
} from "../packets.js";
import { forEachKind, Random, shaped, sleep, turn, turnsWhile, until } from "./support.js";

const HOSTS = ["127.0.0.1", "::1"];

function page(engine: Engine): UserRegion | null {
  try {
    return new UserRegion(engine, 4096);
  } catch {
    return null;
  }
}

/** Makes a sender's system slow: while that is `on`, it says that it has taken nothing of what came since. */
function behind(sender: UdpSender): { on: boolean } {
  let since: number | null = 0;
  const taken = (): number => {
    const { sent, inFlight, untold } = sender.stats();
    return sent + inFlight + untold;
  };
  const lag = {
    get on(): boolean {
      return since !== null;
    },
    set on(on: boolean) {
      since = on ? taken() : null;
    },
  };
  lag.on = true;
  Object.assign(sender.socket, { getSendQueueCount: () => (since === null ? 0 : taken() - since) });
  return lag;
}

/** Bytes that a sender copies of a packet: of one that is small, in pieces, and not lent, those that putting it together does. */
function joining(engine: Engine, skb: Skb): number {
  if (skb.linear || skb.zeroCopy || skb.length > 2048) return 0;
  const before = stats(engine).bytesCopied;
  const twin = skb.clone();
  twin.linearize();
  const { bytesCopied } = stats(engine);
  twin.release();
  return bytesCopied - before;
}

/** The code of what a promise rejects with. */
async function rejection(promise: Promise<unknown>): Promise<string | undefined> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error !== undefined) expectTyped(error, "a rejection");
  return (error as TransportError | undefined)?.code;
}

forEachKind((make, defer, { shared, first }) => {
  async function pair(
    engine: Engine,
    host = "127.0.0.1",
    options: Partial<UdpReceiverOptions & { inFlight: number }> = {},
  ): Promise<[UdpSender, UdpReceiver]> {
    const { inFlight = 64, ...rest } = options;
    const receiver = await UdpReceiver.open(engine, { host, port: 0, receiveBuffer: 1 << 22, ...rest });
    defer(async () => {
      receiver.abort();
      await receiver.close();
    });
    const sender = await UdpSender.open(engine, { host, port: receiver.port, inFlight });
    defer(() => sender.close());
    return [sender, receiver];
  }

  async function received(receiver: UdpReceiver): Promise<Skb> {
    expect(await receiver.waitAsync({ timeout: 10_000 })).toBe("ready");
    return receiver.dequeue() as Skb;
  }

  /** Sends bytes that are in no packet. */
  function sendTo({ port, address }: UdpReceiver): (bytes: Uint8Array) => void {
    const socket = createSocket("udp4");
    defer(() => socket.close());
    return (bytes) => socket.send(bytes, port, address);
  }

  describe("packets", () => {
    it.each(HOSTS)(
      "of all shapes arrive at %s byte for byte, and only the receiver copies them, but for small ones in pieces",
      async (host) => {
        const engine = await make();
        const [sender, receiver] = await pair(engine, host);
        for (const [shape, build] of Object.entries(SHAPES)) {
          const w = new World(engine);
          const skb = build(w);
          const wanted = bytesAt(0, skb.length);
          const joined = joining(engine, skb);
          const { bytesCopied } = stats(engine);
          expect(sender.enqueue(skb)).toBe(true);
          expect([skb.alive, codeOf(() => skb.length)]).toEqual([false, "ERR_SKB_STALE"]);
          await until("sent", () => sender.stats().inFlight === 0);
          const got = await received(receiver);
          expect(stats(engine).bytesCopied - bytesCopied, shape).toBe(joined + wanted.length);
          expectBytes(got.toBytes(), wanted, shape);
          got.release();
          w.clean();
        }
        const n = Object.keys(SHAPES).length;
        expect(sender.stats()).toMatchObject({
          sent: n,
          failed: 0,
          tooLong: 0,
          inFlight: 0,
          inFlightBytes: 0,
        });
        expect(receiver.stats()).toMatchObject({ received: n, bytes: sender.stats().bytes, queued: 0 });
      },
    );

    it("of random size and shape go there and back", async () => {
      const engine = await make();
      const random = new Random();
      const w = new World(engine);
      const [there, server] = await pair(engine);
      const echo = (async () => {
        for await (const skb of server) {
          const { address, port } = sourceOf(skb) as { address: string; port: number };
          server.socket.send(skb.segments(), port, address, () => skb.release());
        }
      })();
      const back = there.socket;
      const wanted: [number, number][] = [];
      let seen = 0;
      let made = 0;
      let small = 0;
      back.on("message", (bytes) => {
        const [at, n] = wanted[seen++] as [number, number];
        expectBytes(bytes, bytesAt(at, n), random.hint);
      });
      for (let i = 0; i < 150; i++) {
        const n = random.below(3) === 0 ? random.below(65_508) : random.below(2000);
        const at = random.below(100_000);
        wanted.push([at, n]);
        const before = stats(engine).bytesCopied;
        const skb = shaped(w, random, n, at);
        made += stats(engine).bytesCopied - before;
        // A new head has the headroom, too.
        if (!skb.linear && !skb.zeroCopy && n <= 2048) small += skb.headroom + n;
        while (!there.enqueue(skb)) await there.waitWritableAsync();
        // As many as the system's buffers hold for sure.
        await until(`an answer, ${random.hint}`, () => seen > i - 2);
      }
      await until(`the last answers, ${random.hint}`, () => seen === 150);
      await server.close();
      await echo;
      const { bytesCopied, copied } = stats(engine);
      // What packets were made of, and what the server received: of the rest nobody has copied anything but small ones in pieces.
      const rest = bytesCopied - made - server.stats().bytes;
      expect(copied, random.hint).toBe(0);
      expect(rest, random.hint).toBeGreaterThan(0);
      expect(rest, random.hint).toBeLessThanOrEqual(small);
      w.clean();
    });

    it("may be empty, in both directions", async () => {
      const engine = await make();
      const [sender, receiver] = await pair(engine);
      sender.enqueueBurst([engine.alloc(0), engine.alloc(9).putZeros(9), engine.alloc(100)]);
      const lengths: number[] = [];
      for (let i = 0; i < 3; i++) {
        const skb = await received(receiver);
        lengths.push(skb.length);
        skb.release();
      }
      expect(lengths).toEqual([0, 9, 0]);
    });

    it.each([
      ["127.0.0.1", 65_507],
      ["::1", 65_527],
    ])("longer than a datagram of %s can be are counted; the longest are not", async (host, most) => {
      const engine = await make();
      const [sender, receiver] = await pair(engine, host);
      const of = (n: number): Skb => engine.alloc(n).putData(bytesAt(0, n));
      expect(sender.enqueueBurst([of(most + 1), of(most), of(100_000)])).toBe(3);
      const skb = await received(receiver);
      expectBytes(skb.toBytes(), bytesAt(0, most), host);
      skb.release();
      await sender.close();
      expect(sender.stats()).toMatchObject({ sent: 1, bytes: most, tooLong: 2, failed: 0, inFlight: 0 });
      expect(stats(engine).drops[DropReason.badLength]).toBe(2);
    });

    it("in more pieces than the system takes are copied", async () => {
      const engine = await make();
      const [sender, receiver] = await pair(engine);
      const skb = engine.alloc(0);
      for (let i = 0; i < 1500; i++) skb.addFragList(engine.alloc(20).putData(bytesAt(20 * i, 20)));
      sender.enqueue(skb);
      const got = await received(receiver);
      expectBytes(got.toBytes(), bytesAt(0, 30_000), "1500 pieces");
      got.release();
      expect(sender.stats()).toMatchObject({ sent: 1, failed: 0 });
    });

    it("have room for headers in front", async () => {
      const engine = await make();
      const [sender, receiver] = await pair(engine, "127.0.0.1", { headroom: 100 });
      sender.enqueueBurst([5, 60_000].map((n) => engine.alloc(n).putData(bytesAt(0, n))));
      for (const n of [5, 60_000]) {
        const skb = await received(receiver);
        expect(skb.headroom).toBe(100);
        expectBytes(skb.toBytes(), bytesAt(0, n), `${n}`);
        skb.release();
      }
    });
  });

  describe("lent memory", () => {
    it("comes back once, and not before the system has the bytes", async () => {
      const engine = await make();
      const [sender, receiver] = await pair(engine);
      const w = new World(engine);
      for (let i = 0; i < 20; i++) sender.enqueue(w.lend(w.linear(20), 700, w.ubuf()));
      expect([w.completions.length, sender.stats().inFlight]).toEqual([0, 20]);
      await until("completions", () => w.completions.length === 20);
      expect(new Set(w.completions.map(({ desc }) => desc)).size).toBe(20);
      expect(w.completions.every(({ status }) => status === "sent")).toBe(true);
      for (let i = 0; i < 20; i++) {
        const skb = await received(receiver);
        expectBytes(skb.toBytes(), bytesAt(0, 720), "lent");
        skb.release();
      }
      expect(w.completions.length).toBe(20);
      w.clean();
    });

    it("a callback may send the next packet, or close", async () => {
      const engine = await make();
      const [sender, receiver] = await pair(engine);
      const region = new UserRegion(engine, 100);
      region.bytes.fill(1);
      let left = 30;
      const send = (): void => {
        const skb = engine.alloc(0);
        skb.addUserFrag(region, 0, 100, new Ubuf(engine, () => (--left > 0 ? send() : void sender.close())));
        sender.enqueue(skb);
      };
      send();
      await until("the last callback", () => left === 0);
      await sender.close();
      expect(sender.stats()).toMatchObject({ sent: 30, inFlight: 0 });
      region.release();
      for (let i = 0; i < 30; i++) (await received(receiver)).release();
    });
  });

  describe("room", () => {
    it("is as much as was asked for, and comes back", async () => {
      const engine = await make();
      const [sender, receiver] = await pair(engine, "127.0.0.1", { inFlight: 4 });
      const skbs = Array.from({ length: 10 }, (_, i) => engine.alloc(8).putData(bytesAt(i, 8)));
      const lag = behind(sender);
      expect(sender.enqueueBurst(skbs, 0)).toBe(0);
      expect(sender.enqueueBurst(skbs)).toBe(4);
      expect(skbs.map((skb) => skb.alive)).toEqual(skbs.map((_, i) => i >= 4));
      expect(sender.enqueue(skbs[4] as Skb)).toBe(false);
      expect(skbs[4]?.readU8(0)).toBe(bytesAt(4, 1)[0]);
      expect(await sender.waitWritableAsync(3, { timeout: 0 })).toBe("timed-out");
      lag.on = false;
      expect(await sender.waitWritableAsync()).toBe("ready");
      lag.on = true;
      expect(sender.enqueueBurst(skbs.slice(4), 3)).toBe(3);
      lag.on = false;
      expect(await sender.waitWritableAsync(4)).toBe("ready");
      expect(sender.enqueueBurst(skbs.slice(7))).toBe(3);
      for (let i = 0; i < 10; i++) {
        const skb = await received(receiver);
        expectBytes(skb.toBytes(), bytesAt(i, 8), `packet ${i}`);
        skb.release();
      }
    });

    it("ends with the sender, and callbacks end a wait that says so", async () => {
      const engine = await make();
      const [sender, receiver] = await pair(engine, "127.0.0.1", { inFlight: 1 });
      const region = new UserRegion(engine, 10);
      const lend = (): Skb => {
        const skb = engine.alloc(0);
        skb.addUserFrag(region, 0, 10, new Ubuf(engine));
        return skb;
      };
      const held = lend();
      const clone = held.clone();
      held.release();
      const lag = behind(sender);
      sender.enqueue(engine.alloc(1));
      // A callback that is due when the wait begins is run at once.
      const first = sender.waitWritableAsync(1, { completions: true });
      lag.on = false;
      expect(await first).toBe("ready");
      clone.release();
      lag.on = true;
      sender.enqueue(engine.alloc(1));
      const waiting = sender.waitWritableAsync(1);
      const closing = sender.close();
      expect(await waiting).toBe("ended");
      expect(await sender.waitWritableAsync()).toBe("ended");
      await closing;
      region.release();
      (await received(receiver)).release();
      (await received(receiver)).release();
    });

    it.runIf(shared)("callbacks that are due on another thread's account end a wait", async () => {
      const engine = await make({ threads: 2 });
      const there = await Engine.attach(engine.share());
      const [, receiver] = await pair(engine);
      const ring = new Ring(engine, { capacity: 2 });
      const end = Ring.attach(there, ring.share());
      const w = new World(engine);
      for (const [i, timeout] of [5000, 150].entries()) {
        const waiting = receiver.waitAsync({ completions: true, timeout });
        if (i === 0) {
          ring.enqueue(w.lend(w.linear(1), 50, w.ubuf()));
          await sleep(120);
          end.dequeue()?.release();
        }
        expect(await waiting).toBe(i === 0 ? "completed" : "timed-out");
      }
      const waiting = receiver.waitAsync({ completions: true });
      w.clean();
      end.release();
      ring.release();
      there.detach();
      const reason = new Error("enough");
      receiver.abort(reason);
      await expect(waiting).rejects.toBe(reason);
      expect(w.completions.length).toBe(1);
    });

    it("is for all that the system takes at once, in whatever loop", async () => {
      const engine = await make();
      const [sender] = await pair(engine, "127.0.0.1", { inFlight: 4, backlog: 1 });
      const ring = new Ring(engine, { capacity: 512 });
      const n = 6000;
      let refused = 0;
      const relay = (async () => {
        for await (const skb of ring) {
          if (sender.enqueue(skb)) continue;
          refused++;
          skb.release();
        }
      })();
      for (let i = 0; i < n; i++) {
        const skb = engine.alloc(8).putZeros(8);
        while (!ring.enqueue(skb)) await ring.waitWritableAsync();
      }
      ring.close();
      await relay;
      ring.release();
      await sender.close();
      expect([refused, sender.stats().sent]).toEqual([0, n]);
    });

    it("is for more than may wait, without a turn of the event loop, and keeps no more of them", async () => {
      const engine = await make();
      const [sender] = await pair(engine, "127.0.0.1", { inFlight: 4 });
      const skbs = Array.from({ length: 300 }, () => engine.alloc(8).putZeros(8));
      expect(sender.enqueueBurst(skbs)).toBe(300);
      expect(stats(engine).skbs.used).toBe(4);
      expect(sender.stats()).toMatchObject({ sent: 0, inFlight: 4, inFlightBytes: 32, untold: 296 });
      expect(`${sender}`).toContain("inFlight: 4");
      await sender.close();
      expect(sender.stats()).toMatchObject({ sent: 300, inFlight: 0, inFlightBytes: 0, untold: 0 });
    });

    it("ends when others should have their turn of the event loop", async () => {
      const engine = await make();
      const [sender] = await pair(engine, "127.0.0.1", { inFlight: 16 });
      const turned = await turnsWhile(async () => {
        const skb = engine.alloc(1).putZeros(1);
        while (!sender.enqueue(skb)) await sender.waitWritableAsync();
      });
      expect(turned).toBe(true);
    });

    it("is not waited for with what is no wait", async () => {
      const engine = await make();
      const [sender] = await pair(engine, "127.0.0.1", { inFlight: 4 });
      expect(await rejection(sender.waitWritableAsync(0))).toBe("ERR_SKB_RANGE");
      expect(await rejection(sender.waitWritableAsync(5))).toBe("ERR_SKB_RANGE");
      expect(await rejection(sender.waitWritableAsync(1, { timeout: -1 }))).toBe("ERR_SKB_RANGE");
      expect(await rejection(sender.waitWritableAsync(1, { timeout: "1" as unknown as number }))).toBe(
        "ERR_SKB_TYPE",
      );
    });
  });

  describe("misuse", () => {
    it("takes nothing", async () => {
      const engine = await make();
      const stranger = await make();
      const [sender] = await pair(engine);
      const w = new World(engine);
      const good = w.linear(50);
      describePacket(good);
      const before = snapshot(good);
      const stale = engine.alloc(1);
      stale.release();
      const queue = new SkbQueue(engine);
      const queued = w.linear(3);
      queue.pushTail(queued);
      const held = w.linear(4);
      const second = held.get();
      const foreign = stranger.alloc(5);
      const ubuf = new Ubuf(engine);
      const wrong: [unknown, string][] = [
        [stale, "ERR_SKB_STALE"],
        [queued, "ERR_SKB_QUEUED"],
        [held, "ERR_SKB_HELD"],
        [foreign, "ERR_SKB_FOREIGN"],
        [null, "ERR_SKB_TYPE"],
        [{}, "ERR_SKB_TYPE"],
        [ubuf, "ERR_SKB_TYPE"],
      ];
      for (const [skb, code] of wrong) {
        expect(codeOf(() => sender.enqueue(skb as Skb))).toBe(code);
        expect(codeOf(() => sender.enqueueBurst([good, skb as Skb]))).toBe(code);
      }
      expect(codeOf(() => sender.enqueueBurst([good, w.linear(3), good]))).toBe("ERR_SKB_STALE");
      expect(codeOf(() => sender.enqueueBurst([good], 2))).toBe("ERR_SKB_RANGE");
      expect(codeOf(() => sender.enqueueBurst(good as unknown as Skb[]))).toBe("ERR_SKB_TYPE");
      expect(snapshot(good)).toEqual(before);
      expect([held.length, queued.length, foreign.length]).toEqual([4, 3, 0]);
      expect(sender.stats()).toMatchObject({ sent: 0, inFlight: 0, failed: 0 });
      ubuf.cancel();
      second.release();
      foreign.release();
      queue.purge();
      await sender.close();
      expect(codeOf(() => sender.enqueue(good))).toBe("ERR_SKB_TRANSPORT");
      expect(codeOf(() => sender.enqueueBurst([good]))).toBe("ERR_SKB_TRANSPORT");
      expect(snapshot(good)).toEqual(before);
      w.clean();
    });

    it("a packet that a callback of the one before it has released is the next call's to report", async () => {
      const engine = await make();
      const [sender] = await pair(engine);
      const region = new UserRegion(engine, 70_000);
      const second = engine.alloc(1);
      const long = engine.alloc(0);
      long.addUserFrag(region, 0, 70_000, new Ubuf(engine, () => second.release()));
      expect(sender.enqueueBurst([long, second])).toBe(1);
      expect(codeOf(() => sender.enqueue(second))).toBe("ERR_SKB_STALE");
      region.release();
    });

    it("options that are none, and places that are nowhere", async () => {
      const engine = await make();
      const open = (options: object): Promise<unknown> =>
        UdpSender.open(engine, options as Parameters<typeof UdpSender.open>[1]);
      const listen = (options: object): Promise<unknown> =>
        UdpReceiver.open(engine, options as Parameters<typeof UdpReceiver.open>[1]);
      const place = { host: "127.0.0.1", port: 9 };
      expect(await rejection(open({}))).toBe("ERR_SKB_TYPE");
      expect(await rejection(open({ ...place, port: 0 }))).toBe("ERR_SKB_RANGE");
      expect(await rejection(open({ ...place, port: "9" }))).toBe("ERR_SKB_TYPE");
      expect(await rejection(open({ ...place, inFlight: 0 }))).toBe("ERR_SKB_RANGE");
      expect(await rejection(open({ ...place, type: "udp5" }))).toBe("ERR_SKB_TYPE");
      expect(await rejection(open({ ...place, onError: 5 }))).toBe("ERR_SKB_TYPE");
      expect(await rejection(open({ ...place, sendBuffer: 2 ** 31 }))).toBe("ERR_SKB_RANGE");
      expect(await rejection(open({ ...place, host: "no such host" }))).toBe("ERR_SKB_TRANSPORT");
      expect(await rejection(open({ ...place, host: "::1", type: "udp4" }))).toBe("ERR_SKB_TRANSPORT");
      expect(await rejection(listen({}))).toBe("ERR_SKB_TYPE");
      expect(await rejection(listen({ port: 0, host: "" }))).toBe("ERR_SKB_TYPE");
      expect(await rejection(listen({ port: 0, host: "192.0.2.1" }))).toBe("ERR_SKB_TRANSPORT");
      expect(await rejection(listen({ port: 0, backlog: 0 }))).toBe("ERR_SKB_RANGE");
      expect(await rejection(listen({ port: 0, headroom: 70_000 }))).toBe("ERR_SKB_RANGE");
      expect(await rejection(listen({ port: 0, source: 1 }))).toBe("ERR_SKB_TYPE");
      const [, receiver] = await pair(engine);
      expect(await rejection(listen({ host: "127.0.0.1", port: receiver.port }))).toBe("ERR_SKB_TRANSPORT");
      const nobody = null as unknown as Engine;
      expect(await rejection(UdpSender.open(nobody, place))).toBe("ERR_SKB_TYPE");
      expect(await rejection(UdpReceiver.open(nobody, place))).toBe("ERR_SKB_TYPE");
    });
  });

  describe("what the network says", () => {
    it("of a peer that does not listen is counted and told, and the packets come back", async () => {
      const engine = await make();
      const gone = createSocket("udp4").bind(0, "127.0.0.1");
      await once(gone, "listening");
      const { port } = gone.address();
      gone.close();
      const told: TransportError[] = [];
      const sender = await UdpSender.open(engine, { host: "127.0.0.1", port, onError: (e) => told.push(e) });
      defer(() => sender.close());
      for (let i = 0; i < 10; i++) {
        expect(sender.enqueueBurst([1, 2, 3, 4].map((n) => engine.alloc(n).putZeros(n)))).toBe(4);
        await turn();
        await turn();
      }
      await until("packets", () => sender.stats().inFlight === 0);
      const { sent, failed, errors } = sender.stats();
      expect(sent + failed).toBe(40);
      // The answer to one datagram is the error of the next, or comes by itself.
      expect(failed).toBeGreaterThan(0);
      expect(told.length).toBe(failed + errors);
      for (const error of told) {
        expectTyped(error, "told");
        expect((error.cause as NodeJS.ErrnoException).code).toBe("ECONNREFUSED");
      }
      expect(stats(engine).drops[DropReason.noListener]).toBe(failed);
      // Nothing follows this one.
      sender.enqueue(engine.alloc(1));
      await until("an error of its own", () => sender.stats().errors > errors);
      expect(told.length).toBe(failed + sender.stats().errors);
    });

    it("nothing of, when somebody has closed the socket: packets fail", async () => {
      const engine = await make();
      const [sender, receiver] = await pair(engine);
      sender.socket.close();
      receiver.socket.close();
      expect(sender.enqueue(engine.alloc(4))).toBe(true);
      expect(sender.stats()).toMatchObject({ sent: 0, failed: 0, inFlight: 1 });
      await turn();
      expect(sender.stats()).toMatchObject({ sent: 0, failed: 1, inFlight: 0 });
      expect(stats(engine).drops[DropReason.notSpecified]).toBe(1);
    });
  });

  describe("the receiver", () => {
    it.each([
      ["at once, if it has waited", 1, 1],
      ["once for all that come in a turn, if it has only just begun to wait", 0, 10],
    ])("wakes who waits %s", async (_when, step, size) => {
      const engine = await make();
      const [sender, receiver] = await pair(engine);
      let time = performance.now();
      const clock = vi.spyOn(performance, "now").mockImplementation(() => {
        time += step;
        return time;
      });
      try {
        const waiting = receiver.waitAsync();
        // The system has them all before the event loop turns.
        const skbs = Array.from({ length: 10 }, () => engine.alloc(8).putZeros(8));
        expect(sender.enqueueBurst(skbs)).toBe(10);
        expect(await waiting).toBe("ready");
        expect(receiver.size).toBe(size);
      } finally {
        clock.mockRestore();
      }
    });

    it("sets no timer for a wait that has no limit", async () => {
      const engine = await make();
      const [sender, receiver] = await pair(engine);
      const spy = vi.spyOn(globalThis, "setTimeout");
      try {
        for (let i = 0; i < 5; i++) {
          const waiting = receiver.waitAsync();
          sender.enqueue(engine.alloc(8).putZeros(8));
          expect(await waiting).toBe("ready");
          receiver.dequeue()?.release();
        }
        expect(spy).not.toHaveBeenCalled();
        await receiver.waitAsync({ timeout: 1 });
        expect(spy).toHaveBeenCalled();
      } finally {
        spy.mockRestore();
      }
    });

    it("drops what its backlog has no room for, and goes on", async () => {
      const engine = await make();
      const [sender, receiver] = await pair(engine, "127.0.0.1", { backlog: 3 });
      const send = (n: number): number =>
        sender.enqueueBurst(Array.from({ length: n }, (_, i) => engine.alloc(1).putZeros(1 + (i & 0))));
      expect(send(8)).toBe(8);
      await until("drops", () => receiver.stats().dropped.full === 5);
      expect(receiver.stats()).toMatchObject({ received: 3, queued: 3, dropped: { full: 5, exhausted: 0 } });
      receiver.dequeue()?.release();
      await sender.waitWritableAsync(8);
      expect(send(2)).toBe(2);
      await until("one more", () => receiver.stats().dropped.full === 6);
      expect(receiver.size).toBe(3);
    });

    it("drops what the pool has no room for, and goes on when there is some", async () => {
      const engine = await make({ memory: 1024 * 1024 });
      const [, receiver] = await pair(engine);
      const send = sendTo(receiver);
      const all: Skb[] = [];
      for (let skb = engine.tryAlloc(0); skb !== null; skb = engine.tryAlloc(0)) all.push(skb);
      send(bytesAt(0, 4000));
      await until("a drop", () => receiver.stats().dropped.exhausted === 1);
      expect(receiver.stats()).toMatchObject({ received: 0, dropped: { full: 0 } });
      engine.releaseBurst(all);
      send(bytesAt(1, 4000));
      const got = await received(receiver);
      expectBytes(got.toBytes(), bytesAt(1, 4000), "after");
      got.release();
    });

    it("takes single pages where no row of them is free, or drops", async () => {
      const engine = await make({ memory: 1024 * 1024 });
      const [, receiver] = await pair(engine);
      const send = sendTo(receiver);
      const regions: UserRegion[] = [];
      // Heads are of more than a page, so that nothing but the pages runs out.
      for (let region = page(engine); region !== null; region = page(engine)) regions.push(region);
      for (const [i, region] of regions.entries()) if (i % 2 === 1) region.release();
      send(bytesAt(0, 30_000));
      const got = await received(receiver);
      expect(got.frags).toBeGreaterThan(1);
      expectBytes(got.toBytes(), bytesAt(0, 30_000), "scattered");
      const rest: UserRegion[] = [];
      for (let region = page(engine); region !== null; region = page(engine)) rest.push(region);
      for (const region of rest.slice(0, 3)) region.release();
      send(bytesAt(0, 30_000));
      await until("a drop", () => receiver.stats().dropped.exhausted === 1);
      got.release();
      for (const region of [...regions, ...rest]) if (!region.released) region.release();
    });

    it("gives what is there after it was closed, and then the end", async () => {
      const engine = await make();
      const [sender, receiver] = await pair(engine);
      expect(await receiver.waitAsync({ timeout: 5 })).toBe("timed-out");
      sender.enqueueBurst([1, 2, 3].map((n) => engine.alloc(n).putData(bytesAt(0, n))));
      await until("packets", () => receiver.size === 3);
      const out: (Skb | null)[] = [null];
      expect(receiver.dequeueBurst(out, 0)).toBe(0);
      expect(receiver.dequeueBurst(out)).toBe(1);
      expect(out[0]?.length).toBe(1);
      out[0]?.release();
      expect(codeOf(() => receiver.dequeueBurst(Object.freeze([null]) as unknown as null[]))).toBe(
        "ERR_SKB_TYPE",
      );
      // An array that takes nothing is refused before anything is taken.
      expect(receiver.size).toBe(2);
      const waiting = sender.close();
      await receiver.close();
      await waiting;
      expect([receiver.ended, await receiver.waitAsync()]).toEqual([false, "ready"]);
      const lengths: number[] = [];
      for await (const skb of receiver) {
        lengths.push(skb.length);
        skb.release();
      }
      expect(lengths).toEqual([2, 3]);
      expect([receiver.ended, receiver.dequeue(), receiver.dequeueBurst([], 5)]).toEqual([true, null, 0]);
      expect(await receiver.waitAsync()).toBe("ended");
    });

    it("drops what is there when it is aborted", async () => {
      const engine = await make();
      const [sender, receiver] = await pair(engine);
      sender.enqueueBurst([1, 2, 3].map((n) => engine.alloc(n).putZeros(n)));
      await until("packets", () => receiver.size === 3);
      const waiting = receiver.waitAsync();
      receiver.abort();
      receiver.abort();
      expect([receiver.size, receiver.ended, await waiting]).toEqual([0, false, "ready"]);
      expect(codeOf(() => receiver.dequeue())).toBe("ERR_SKB_TRANSPORT");
      expect(stats(engine).drops[DropReason.notSpecified]).toBe(3);
      await sender.close();
      await (receiver as unknown as Record<symbol, () => Promise<void>>)[Symbol.asyncDispose]?.();
    });

    it("survives an engine that was closed by force, and so does the sender", async () => {
      const engine = await make();
      const [sender, receiver] = await pair(engine);
      sender.enqueueBurst([1, 2, 3].map((n) => engine.alloc(n).putZeros(n)));
      await until("packets", () => receiver.size === 3);
      const skb = engine.alloc(1);
      sender.enqueue(engine.alloc(5));
      engine.close({ force: true });
      expect(codeOf(() => sender.enqueue(skb))).toBe("ERR_SKB_CLOSED");
      expect(codeOf(() => receiver.dequeue())).toBe("ERR_SKB_CLOSED");
      expect(await rejection(receiver.waitAsync())).toBe("ERR_SKB_CLOSED");
      expect(await rejection(sender.waitWritableAsync())).toBe("ERR_SKB_CLOSED");
      await sender.close();
      expect(sender.stats().inFlight).toBe(0);
    });
  });

  describe("the source of a packet", () => {
    it("is asked of a packet, and nothing else", () => {
      for (const no of [{}, null, undefined, 1, { cb: new Uint8Array(48) }])
        expect(() => sourceOf(no as never)).toThrow(ArgumentTypeError);
    });

    it.each(HOSTS)("from %s stays with it, with a clone, and through a ring", async (host) => {
      const engine = await make();
      const [sender, receiver] = await pair(engine, host);
      const { address, family, port } = sender.socket.address();
      sender.enqueue(engine.alloc(1).putZeros(1));
      const skb = await received(receiver);
      const wanted = { address, family, port };
      expect(sourceOf(skb)).toEqual(wanted);
      const clone = skb.clone();
      const ring = new Ring(engine, { capacity: 2 });
      ring.enqueue(skb);
      const other = ring.dequeue() as Skb;
      expect([sourceOf(other), sourceOf(clone)]).toEqual([wanted, wanted]);
      other.cb.fill(0, 0, 2);
      expect([sourceOf(other), sourceOf(clone)]).toEqual([null, wanted]);
      other.release();
      clone.release();
      ring.release();
      const fresh = engine.alloc(1);
      expect(sourceOf(fresh)).toBeNull();
      fresh.release();
    });

    it.each([
      ["0.0.0.0", "IPv4"],
      ["255.255.255.255", "IPv4"],
      ["192.168.1.20", "IPv4"],
      ["::", "IPv6"],
      ["::1", "IPv6"],
      ["1::", "IPv6"],
      ["2001:db8::ff00:42:8329", "IPv6"],
      ["2001:db8:1:2:3:4:5:6", "IPv6"],
      ["1:0:0:2::3", "IPv6"],
      ["::ffff:192.0.2.33", "IPv6"],
      ["fe80::1234:5678:9abc:def0%eth0", "IPv6"],
      ["fe80::1%an-interface-of-26-letters", "IPv6"],
    ])("is what Node says: %s", async (address, family) => {
      const engine = await make();
      const [, receiver] = await pair(engine);
      for (const port of [0, 1, 255, 256, 65_535]) {
        receiver.socket.emit("message", Buffer.of(1), { address, family, port, size: 1 });
        const skb = receiver.dequeue() as Skb;
        expect(sourceOf(skb)).toEqual({ address, family, port });
        skb.release();
      }
    });

    it("of more peers than are kept in its form", async () => {
      const engine = await make();
      const [, receiver] = await pair(engine);
      for (let i = 0; i < 5000; i++) {
        const address = `10.0.${(i % 2500) >> 8}.${i % 250}`;
        receiver.socket.emit("message", Buffer.of(1), { address, family: "IPv4", port: i, size: 1 });
        const skb = receiver.dequeue() as Skb;
        expect(sourceOf(skb)).toEqual({ address, family: "IPv4", port: i });
        skb.release();
      }
    });

    it("is not kept if nobody wants it", async () => {
      const engine = await make();
      const [sender, receiver] = await pair(engine, "127.0.0.1", { source: false });
      sender.enqueue(engine.alloc(1).putZeros(1));
      const skb = await received(receiver);
      expect([sourceOf(skb), skb.cb.every((byte) => byte === 0)]).toEqual([null, true]);
      skb.release();
    });
  });

  it.runIf(first)("names are looked up once, and a family can be asked for", async () => {
    const engine = await make();
    const receiver = await UdpReceiver.open(engine, { host: "localhost", port: 0, type: "udp4" });
    const sender = await UdpSender.open(engine, { host: "localhost", port: receiver.port, type: "udp4" });
    expect([receiver.address, sender.socket.remoteAddress().address]).toEqual(["127.0.0.1", "127.0.0.1"]);
    const any = await UdpReceiver.open(engine, { port: 0 });
    const any6 = await UdpReceiver.open(engine, { port: 0, type: "udp6" });
    expect([any.address, any6.address]).toEqual(["0.0.0.0", "::"]);
    for (const one of [sender, receiver, any, any6]) await one.close();
    await sleep(1);
  });
});
