// Counters add up at every moment, whatever goes wrong: what was taken was sent, has failed, was dropped or is under way; and
// what came is a packet, or was dropped.

import { spawnSync } from "node:child_process";
import { createReadStream } from "node:fs";
import { PassThrough, Writable } from "node:stream";
import { Engine, Ring, type Skb, Ubuf, UserRegion } from "skbuff";
import { audit } from "skbuff/inspect";
import {
  answerTo,
  type Outbox,
  StreamReceiver,
  StreamSender,
  Tap,
  UdpReceiver,
  UdpSender,
  UdpSocket,
} from "skbuff/node";
import { WebSocketReceiver, WebSocketSender, WebStreamReceiver, WebStreamSender } from "skbuff/web";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Folder } from "./made.js";
import { Random, turn } from "./support.js";

const folder = new Folder();
let engine: Engine;
let random: Random;

beforeEach(async () => {
  engine = await Engine.create({ memory: 4 << 20 });
  random = new Random();
});
afterEach(() => {
  expect(audit(engine).problems).toEqual([]);
  expect(engine.close()).toEqual([]);
});

/** A WebSocket that is slow, and then fails. */
class FakeSocket {
  binaryType = "arraybuffer";
  readyState = 0;
  bufferedAmount = 0;
  readonly #listeners: [string, (event: unknown) => void][] = [];
  send(bytes: Uint8Array): void {
    if (random.below(40) === 0) throw new Error("cannot");
    this.bufferedAmount += bytes.length;
    setImmediate(() => {
      this.bufferedAmount -= bytes.length;
    });
  }
  close(): void {
    this.readyState = 3;
    this.tell("close", { code: 1006, reason: "", wasClean: false });
  }
  open(): void {
    this.readyState = 1;
    this.tell("open", {});
  }
  tell(what: string, event: unknown): void {
    for (const [type, listener] of this.#listeners) if (type === what) listener(event);
  }
  addEventListener(type: string, listener: (event: unknown) => void): void {
    this.#listeners.push([type, listener]);
  }
  removeEventListener(): void {}
}

interface Sending {
  readonly sender: Outbox & {
    stats(): {
      sent: number;
      bytes: number;
      failed: number;
      tooLong?: number;
      inFlight?: number;
      untold?: number;
      waiting?: number;
      inFlightBytes: number;
    };
  };
  /** Lets something go wrong. */
  readonly fail: () => void;
}

const SENDERS: Record<string, () => Promise<Sending>> = {
  "UdpSender, to a port that is closed": async () => {
    const gone = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0 });
    const sender = await UdpSender.open(engine, { host: "127.0.0.1", port: gone.port, inFlight: 8 });
    await gone.close();
    return { sender, fail: () => sender.socket.close() };
  },
  "StreamSender, to a stream that fails": async () => {
    const sink = new Writable({ write: (_chunk, _encoding, done) => setImmediate(done) });
    return {
      sender: new StreamSender(engine, sink, { inFlight: 3000 }),
      fail: () => sink.destroy(new Error("no")),
    };
  },
  "StreamSender, lending to a stream that calls back at once": async () => {
    const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
    const sender = new StreamSender(engine, sink, { inFlight: 3000, copy: false, framing: "length16" });
    return { sender, fail: () => sink.destroy() };
  },
  "WebSocketSender, to a socket that opens late": async () => {
    const socket = new FakeSocket();
    setImmediate(() => socket.open());
    return { sender: new WebSocketSender(engine, socket, { inFlight: 3000 }), fail: () => socket.close() };
  },
  "WebStreamSender, to a stream that fails": async () => {
    let writes = 0;
    const sink = new WritableStream({
      write: async () => {
        await turn();
        if (++writes === 100) throw new Error("no");
      },
    });
    const sender = new WebStreamSender(engine, sink, { inFlight: 3000 });
    return { sender, fail: () => sender.abort() };
  },
};

describe.each(Object.entries(SENDERS))("%s", (_, open) => {
  it("took what was sent, failed, or is under way", async () => {
    const { sender, fail } = await open();
    let failed = false;
    const failOnce = (): void => {
      if (!failed) fail();
      failed = true;
    };
    const region = new UserRegion(engine, 4096);
    let taken = 0;
    let refused = 0;
    let offered = 0;
    const check = (): void => {
      const { sent, failed, tooLong = 0, inFlight = 0, untold = 0, waiting = 0 } = sender.stats();
      expect(sent + failed + tooLong + inFlight + untold + waiting, random.hint).toBe(taken);
      expect(Math.min(sent, failed, tooLong, inFlight, waiting)).toBeGreaterThanOrEqual(0);
      if (inFlight + waiting === 0 && "inFlight" in sender.stats())
        expect(sender.stats().inFlightBytes).toBe(0);
    };
    const packet = (): Skb => {
      const n = random.below(30) === 0 && sender instanceof UdpSender ? 70_000 : random.below(1000);
      const skb = engine.alloc(n).putZeros(n);
      // What its completion sees adds up, too.
      if (random.below(4) === 0) skb.addUserFrag(region, 0, 100, new Ubuf(engine, () => counted && check()));
      return skb;
    };
    // Within `enqueue` nobody knows yet that it took the packet.
    let counted = true;
    let over = false;
    for (let i = 0; i < 400 && !over; i++) {
      if (i === 350) failOnce();
      const burst = Array.from({ length: 1 + random.below(5) }, packet);
      offered += burst.length;
      counted = false;
      try {
        taken += sender.enqueueBurst(burst);
      } catch {
        over = true;
      }
      for (const skb of burst) {
        if (!skb.alive) continue;
        refused++;
        skb.release();
      }
      counted = true;
      expect(taken + refused).toBe(offered);
      check();
      if (random.below(3) === 0) await turn();
      check();
      if (random.below(3) === 0) await sender.waitWritableAsync(1, { timeout: 100 });
      check();
    }
    failOnce();
    await sender.close().catch(() => {});
    check();
    const { inFlight = 0, waiting = 0, inFlightBytes } = sender.stats();
    expect([inFlight, waiting, inFlightBytes]).toEqual([0, 0, 0]);
    expect(taken).toBeGreaterThan(0);
    region.release();
  });
});

describe("a receiver has what came, or has counted that it has not", () => {
  /** Takes packets out as chance has it. Returns how many. */
  function take(receiver: { dequeue(): Skb | null }): number {
    let n = 0;
    for (let left = random.below(6); left > 0; left--) {
      const skb = receiver.dequeue();
      if (skb === null) break;
      skb.release();
      n++;
    }
    return n;
  }

  /** Fills the pool, now and then. */
  function hoard(): () => void {
    const skbs: Skb[] = [];
    if (random.below(3) > 0) return () => {};
    for (let skb = engine.tryAlloc(1000); skb !== null; skb = engine.tryAlloc(1000)) skbs.push(skb);
    return () => engine.releaseBurst(skbs);
  }

  it("UdpReceiver", async () => {
    const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0, backlog: 20 });
    const info = { address: "127.0.0.1", family: "IPv4", port: 9, size: 1 };
    let came = 0;
    let out = 0;
    for (let i = 0; i < 300; i++) {
      const end = hoard();
      for (let n = random.below(10); n > 0; n--) {
        receiver.socket.emit("message", Buffer.alloc(random.below(3000)), info);
        came++;
        const { received, dropped, queued } = receiver.stats();
        expect([received + dropped.full + dropped.exhausted, received]).toEqual([came, queued + out]);
      }
      end();
      out += take(receiver);
    }
    const { received, dropped } = receiver.stats();
    expect(Math.min(received, dropped.full, dropped.exhausted)).toBeGreaterThan(0);
    receiver.abort();
    await receiver.close();
  });

  it("WebSocketReceiver", () => {
    const socket = new FakeSocket();
    const receiver = new WebSocketReceiver(engine, socket, { backlog: 20_000, longest: 2500 });
    let came = 0;
    let out = 0;
    for (let i = 0; i < 300; i++) {
      const end = hoard();
      for (let n = random.below(10); n > 0; n--) {
        socket.tell("message", { data: new Uint8Array(random.below(3000)) });
        came++;
        const { received, dropped, queued } = receiver.stats();
        const { full, exhausted, tooLong } = dropped;
        expect([received + full + exhausted + tooLong, received]).toEqual([came, queued + out]);
      }
      end();
      out += take(receiver);
    }
    const { received, dropped } = receiver.stats();
    expect(Math.min(received, dropped.full, dropped.exhausted, dropped.tooLong)).toBeGreaterThan(0);
    receiver.abort();
    expect(receiver.stats()).toMatchObject({ queued: 0, queuedBytes: 0 });
  });

  it.each(["StreamReceiver", "WebStreamReceiver"])("%s", async (what) => {
    const through = new PassThrough();
    const web = new TransformStream<Uint8Array, Uint8Array>();
    const writer = web.writable.getWriter();
    const options = { framing: "length16", backlog: 20_000 } as const;
    const receiver =
      what === "StreamReceiver"
        ? StreamReceiver.from(engine, through, options)
        : new WebStreamReceiver(engine, web.readable, options);
    let written = 0;
    let out = 0;
    let bytes = 0;
    const packets = 600;
    const check = (): void => {
      const stats = receiver.stats();
      expect(stats.received).toBe(stats.queued + out);
      expect(stats.bytes).toBeLessThanOrEqual(written);
      expect(stats.queued === 0).toBe(stats.queuedBytes === 0);
    };
    const produce = async (): Promise<void> => {
      for (let i = 0; i < packets; i++) {
        const n = random.below(3000);
        const frame = new Uint8Array(2 + n);
        frame.set([n >> 8, n & 255]);
        written += frame.length;
        if (what === "StreamReceiver") through.write(frame);
        else await writer.write(frame);
        check();
      }
      through.end();
      await writer.close();
    };
    const consume = async (): Promise<void> => {
      while ((await receiver.waitAsync()) === "ready") {
        const end = hoard();
        for (let skb = receiver.dequeue(); skb !== null; skb = receiver.dequeue()) {
          bytes += skb.length + 2;
          out++;
          skb.release();
          check();
          if (random.below(5) === 0) break;
        }
        await turn();
        end();
      }
    };
    await Promise.all([produce(), consume()]);
    check();
    expect([out, bytes, receiver.stats().bytes]).toEqual([packets, written, written]);
    await receiver.close();
  });
});

it("a UdpSocket's halves count for themselves, while packets go from one to the other", async () => {
  const options = { host: "127.0.0.1", backlog: 10, inFlight: 8 };
  const socket = await UdpSocket.open(engine, options);
  const gone = await UdpSocket.open(engine, { host: "127.0.0.1" });
  await gone.close();
  let came = 0;
  let taken = 0;
  let out = 0;
  const check = (): void => {
    const { receiver, sender } = socket.stats();
    const { received, dropped, queued } = receiver;
    expect([received + dropped.full + dropped.exhausted, received], random.hint).toEqual([
      came,
      queued + out,
    ]);
    const { sent, failed, tooLong, inFlight, untold } = sender;
    expect(sent + failed + tooLong + inFlight + untold, random.hint).toBe(taken);
    expect(Math.min(sent, failed, tooLong, inFlight, untold)).toBeGreaterThanOrEqual(0);
  };
  const from = { address: "127.0.0.1", family: "IPv4", port: gone.port, size: 1 };
  for (let i = 0; i < 500; i++) {
    // What comes by itself would count, too: nobody sends anything to this socket.
    for (let n = random.below(8); n > 0; n--) {
      socket.socket.emit("message", Buffer.alloc(random.below(3000)), from);
      came++;
      check();
    }
    for (let skb = random.below(3) > 0 ? socket.dequeue() : null; skb !== null; skb = socket.dequeue()) {
      out++;
      answerTo(skb, skb);
      if (random.below(20) === 0) skb.append(new Uint8Array(66_000));
      if (socket.enqueue(skb)) taken++;
      else skb.release();
      check();
    }
    if (random.below(30) === 0) await turn();
  }
  await socket.close();
  check();
  const { receiver, sender } = socket.stats();
  expect(Math.min(sender.sent, sender.tooLong, receiver.dropped.full)).toBeGreaterThan(0);
  expect([sender.inFlight, sender.inFlightBytes, sender.untold]).toEqual([0, 0, 0]);
  await socket[Symbol.asyncDispose]();
  expect(socket.stats().receiver.queued).toBe(0);
});

describe.runIf(process.platform === "linux")("a tap was offered what it wrote, has, or dropped", () => {
  it.each(["a file", "a disk that is full", "a pipe that nobody reads"])("on %s", async (what) => {
    const file = what === "a disk that is full" ? "/dev/full" : folder.fresh();
    if (what === "a pipe that nobody reads") spawnSync("mkfifo", [file]);
    const tap = await Tap.open(engine, file, { capacity: 16 });
    const ring = new Ring(engine, { capacity: 8 });
    const out = tap.on(ring);
    let offered = 0;
    const check = (): void => {
      const { offered: told, written, waiting, dropped } = tap.stats();
      const { full, exhausted, failed } = dropped;
      expect([told, written + waiting + full + exhausted + failed]).toEqual([offered, offered]);
      expect(waiting).toBeGreaterThanOrEqual(0);
    };
    for (let i = 0; i < 500; i++) {
      const burst = Array.from({ length: 1 + random.below(6) }, () => engine.alloc(50).putZeros(50));
      if (random.below(2) === 0) offered += out.enqueueBurst(burst);
      else if (out.enqueue(burst[0] as Skb)) offered++;
      check();
      for (const skb of burst) {
        if (!skb.alive) continue;
        if (random.below(2) === 0) {
          tap.offer(skb);
          offered++;
        }
        skb.release();
      }
      for (let skb = ring.dequeue(); skb !== null; skb = ring.dequeue()) {
        skb.release();
        if (random.below(4) === 0) break;
      }
      check();
      if (i % 50 === 0) await turn();
    }
    check();
    const reader = what === "a pipe that nobody reads" ? createReadStream(file) : null;
    reader?.resume();
    await tap.close().catch(() => {});
    check();
    expect(tap.stats().waiting).toBe(0);
    ring.release();
  });
});
