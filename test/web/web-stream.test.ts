// Packets into and out of web streams: of memory, of TCP sockets, of HTTP responses.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Duplex } from "node:stream";
import { DropReason, type Engine, type Skb } from "skbuff";
import { stats } from "skbuff/inspect";
import {
  type Framing,
  FramingError,
  TransportError,
  WebStreamReceiver,
  type WebStreamReceiverOptions,
  WebStreamSender,
  type WebStreamSenderOptions,
} from "skbuff/web";
import { describe, expect, it } from "vitest";
import { givesWhenWaited, inside } from "../engines.js";
import { connection, failure, framed } from "../node/sockets.js";
import { forEachKind, NOTHING, Random, shaped, turn, until } from "../node/support.js";
import { bytesAt, caught, codeOf, expectBytes, expectTyped, used, World } from "../packets.js";

/** Bytes as a byte stream that is read into the reader's buffers, in parts of random length. */
function byteStream(bytes: Uint8Array, random: Random): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      const some = Math.min(1 + random.below(random.pick([3, 1000, 100_000])), bytes.length - at);
      const request = controller.byobRequest;
      if (some === 0) {
        controller.close();
        request?.respond(0);
        return;
      }
      if (request === null) {
        controller.enqueue(new Uint8Array(bytes.subarray(at, at + some)));
        at += some;
        return;
      }
      const view = request.view as Uint8Array;
      const n = Math.min(some, view.byteLength);
      new Uint8Array(view.buffer, view.byteOffset, n).set(bytes.subarray(at, at + n));
      at += n;
      request.respond(n);
    },
  }) as ReadableStream<Uint8Array>;
}

/** The same as chunks. */
function chunkStream(bytes: Uint8Array, random: Random): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      const some = Math.min(1 + random.below(random.pick([3, 1000, 200_000])), bytes.length - at);
      if (some === 0) controller.close();
      else controller.enqueue(new Uint8Array(bytes.subarray(at, at + some)));
      at += some;
    },
  });
}

const STREAMS = { bytes: byteStream, chunks: chunkStream };

/** What the loop over the packets ends with, and what came before it. */
async function fate(receiver: WebStreamReceiver): Promise<[Uint8Array[], unknown]> {
  const packets: Uint8Array[] = [];
  try {
    for await (const skb of receiver) {
      packets.push(skb.toBytes());
      skb.release();
    }
  } catch (error) {
    expectTyped(error, "the end");
    return [packets, error];
  }
  return [packets, null];
}

forEachKind((make, defer, { first }) => {
  function sending(
    engine: Engine,
    writable: WritableStream<Uint8Array>,
    options?: WebStreamSenderOptions,
  ): WebStreamSender {
    return new WebStreamSender(engine, writable, options);
  }

  function receiving(
    engine: Engine,
    readable: ReadableStream<Uint8Array>,
    options?: WebStreamReceiverOptions,
  ): WebStreamReceiver {
    const receiver = new WebStreamReceiver(engine, readable, options);
    defer(async () => {
      receiver.abort();
      await receiver.close();
    });
    return receiver;
  }

  const sizes = (random: Random, framing: Framing): number[] =>
    Array.from({ length: 150 }, () =>
      random.below(random.pick([2, 100, 3000, 30_000, framing === "length16" ? 65_536 : 200_000])),
    );

  describe("packets", () => {
    it.each([
      ["length16", "TCP"],
      ["length32", "TCP"],
      ["length16", "memory"],
      ["length32", "memory"],
    ] as const)("of every shape come out as they went in (%s, %s)", async (framing, way) => {
      const engine = await make({ memory: 16 * 1024 * 1024 });
      const w = new World(engine);
      const random = new Random();
      const lengths = sizes(random, framing);
      let ends: { readable: ReadableStream<Uint8Array>; writable: WritableStream<Uint8Array> };
      if (way === "TCP") {
        const [near, far] = await connection(defer, "127.0.0.1");
        ends = { readable: Duplex.toWeb(far).readable, writable: Duplex.toWeb(near).writable } as typeof ends;
      } else ends = new TransformStream<Uint8Array, Uint8Array>();
      const sender = sending(engine, ends.writable, {
        framing,
        inFlight: random.pick([1, 10_000, 1_000_000]),
      });
      const receiver = receiving(engine, ends.readable, {
        framing,
        backlog: random.pick([1, 5000, 1_000_000]),
        headroom: random.pick([0, 20]),
      });
      const send = async (): Promise<void> => {
        for (const [i, n] of lengths.entries()) {
          const skb = shaped(w, random, n, i);
          while (!sender.enqueue(skb)) await sender.waitWritableAsync();
        }
        await sender.close();
      };
      const receive = async (): Promise<void> => {
        let i = 0;
        for await (const skb of receiver) {
          expectBytes(skb.toBytes(), bytesAt(i, lengths[i] as number), `packet ${i}, ${random.hint}`);
          skb.release();
          i++;
          // The other half of the connection is still open.
          if (i === lengths.length) return;
        }
      };
      await Promise.all([send(), receive()]);
      expect(sender.stats()).toMatchObject({ sent: 150, failed: 0, inFlight: 0, inFlightBytes: 0 });
      expect(receiver.stats().bytes).toBe(sender.stats().bytes);
      w.clean();
      expect(w.completions.every(({ status }) => status === "sent")).toBe(true);
    });

    it.each([
      ["length16", "bytes"],
      ["length16", "chunks"],
      ["length32", "bytes"],
      ["length32", "chunks"],
    ] as const)("are found however the stream is cut (%s, %s)", async (framing, way) => {
      const engine = await make();
      const random = new Random();
      const packets = sizes(random, framing).map((n) => [random.below(1000), n] as const);
      const receiver = receiving(engine, STREAMS[way](framed(framing, packets), random), {
        framing,
        chunk: random.pick([4096, 20_000, 65_536, 131_072]),
        backlog: random.pick([1, 5000, 1_000_000]),
        headroom: random.pick([0, 20]),
      });
      expect(receiver.byob).toBe(way === "bytes");
      let i = 0;
      for await (const skb of receiver) {
        const [at, n] = packets[i++] as readonly [number, number];
        expectBytes(skb.toBytes(), bytesAt(at, n), `packet ${i}, ${random.hint}`);
        skb.release();
      }
      expect([i, receiver.ended], random.hint).toEqual([packets.length, true]);
    });

    it("keep their borders without framing, as datagrams do", async () => {
      const engine = await make();
      const w = new World(engine);
      const random = new Random();
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const sender = sending(engine, writable, { longest: 1200 });
      const receiver = receiving(engine, readable);
      const lengths = Array.from({ length: 100 }, () => 1 + random.below(1200));
      const send = async (): Promise<void> => {
        for (const [i, n] of lengths.entries()) {
          const skb = shaped(w, random, n, i);
          while (!sender.enqueue(skb)) await sender.waitWritableAsync();
        }
        const long = w.linear(1201);
        expect(codeOf(() => sender.enqueue(long))).toBe("ERR_SKB_RANGE");
        expect(long.alive).toBe(true);
        await sender.close();
      };
      const [[packets, error]] = await Promise.all([fate(receiver), send()]);
      expect(error).toBe(null);
      for (const [i, bytes] of packets.entries())
        expectBytes(bytes, bytesAt(i, lengths[i] as number), `packet ${i}, ${random.hint}`);
      expect(packets.length).toBe(100);
      w.clean();
    });

    it("that are small share a chunk behind their lengths, and have one each without", async () => {
      const engine = await make();
      for (const [framing, chunks] of [
        ["length16", [50 * 12]],
        ["none", new Array(50).fill(10)],
      ] as const) {
        const seen: number[] = [];
        const writable = new WritableStream<Uint8Array>({ write: (chunk) => void seen.push(chunk.length) });
        const sender = sending(engine, writable, { framing });
        sender.enqueueBurst(Array.from({ length: 50 }, () => engine.alloc(10).putZeros(10)));
        await sender.close();
        expect(seen).toEqual(chunks);
      }
    });

    it("come from an HTTP response", async () => {
      const engine = await make();
      const random = new Random();
      const packets = sizes(random, "length32").map((n) => [random.below(1000), n] as const);
      const body = framed("length32", packets);
      const server = createServer((_, response) => response.end(body)).listen(0, "127.0.0.1");
      defer(() => server.close());
      await until("the server", () => server.listening);
      const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
      const receiver = receiving(engine, response.body as ReadableStream<Uint8Array>, {
        framing: "length32",
      });
      expect(receiver.byob).toBe(true);
      let i = 0;
      for await (const skb of receiver) {
        const [at, n] = packets[i++] as readonly [number, number];
        expectBytes(skb.toBytes(), bytesAt(at, n), `packet ${i}, ${random.hint}`);
        skb.release();
      }
      expect(i).toBe(packets.length);
      server.closeAllConnections();
    });
  });

  describe("a sender", () => {
    it("leaves packets in the pool until the stream asks for them", async () => {
      const engine = await make();
      const w = new World(engine);
      const asked: (() => void)[] = [];
      const writable = new WritableStream<Uint8Array>({
        write: () => new Promise<void>((go) => asked.push(go)),
      });
      const sender = sending(engine, writable, { inFlight: 5000 });
      let taken = 0;
      for (let skb = w.lend(w.linear(10), 990, w.ubuf()); sender.enqueue(skb); taken++)
        skb = w.lend(w.linear(10), 990, w.ubuf());
      expect(taken).toBe(5);
      await turn();
      // One is with the stream; of the others nothing was copied.
      expect([asked.length, w.completions.length]).toEqual([1, 1]);
      expect(sender.stats()).toMatchObject({ inFlight: 5, inFlightBytes: 5000 });
      expect(await sender.waitWritableAsync(1000, { timeout: 20 })).toBe("timed-out");
      const waiting = sender.waitWritableAsync(1000);
      asked.shift()?.();
      expect(await waiting).toBe("ready");
      const closed = sender.close();
      while (sender.stats().inFlight > 0) {
        asked.shift()?.();
        await turn();
      }
      await closed;
      expect(w.completions.length).toBe(5);
      w.clean();
    });

    it("gives every packet back when the stream fails, and says why", async () => {
      const engine = await make();
      const w = new World(engine);
      const broken = new Error("broken");
      for (const fail of ["write", "controller", "alone", "reader"] as const) {
        let control: WritableStreamDefaultController | undefined;
        let n = 0;
        const stuck = new Promise(() => {});
        let readable: ReadableStream<Uint8Array> | undefined;
        let writable = new WritableStream<Uint8Array>({
          start(controller) {
            control = controller;
          },
          write() {
            if (fail === "write" && ++n === 3) throw broken;
            return fail === "write" ? undefined : (stuck as Promise<void>);
          },
        });
        if (fail === "reader") ({ readable, writable } = new TransformStream<Uint8Array, Uint8Array>());
        const sender = sending(engine, writable, { inFlight: 10_000 });
        // One alone is with the stream, which says nothing of it any more, and nobody asks whether it takes more.
        const packets = fail === "alone" ? 1 : 10;
        for (let i = 0; i < packets; i++) sender.enqueue(w.lend(w.linear(10), 900, w.ubuf()));
        const waiting = sender.waitWritableAsync(10_000);
        await turn();
        if (fail === "controller" || fail === "alone") control?.error(broken);
        if (fail === "reader") await readable?.cancel(broken);
        expect(await waiting, fail).toBe("ended");
        const late = w.linear(10);
        const error = caught(() => sender.enqueue(late));
        expect(error, fail).toBeInstanceOf(TransportError);
        expect((error as Error).cause).toBe(broken);
        expect(late.alive).toBe(true);
        expect(await failure(sender.close())).toBe(error);
        const { sent, failed, inFlight, inFlightBytes } = sender.stats();
        expect([sent + failed, inFlight, inFlightBytes], fail).toEqual([packets, 0, 0]);
        late.release();
        w.clean();
        expect(used(engine), fail).toEqual(NOTHING);
      }
    });

    it("gives every packet back when it is aborted, and waits for nothing that the stream has", async () => {
      const engine = await make();
      const w = new World(engine);
      const stuck = new Promise<void>(() => {});
      const reason = new Error("the session is over");
      for (const packets of [0, 1, 10]) {
        // A write, or the close behind none, that does not end.
        const writable = new WritableStream<Uint8Array>({ write: () => stuck, close: () => stuck });
        const sender = sending(engine, writable);
        for (let i = 0; i < packets; i++) sender.enqueue(w.lend(w.linear(10), 900, w.ubuf()));
        const closing = sender.close().catch((error: unknown) => error);
        await turn();
        expect(w.completions.length).toBe(Math.min(packets, 1));
        sender.abort(reason);
        expect(w.completions.length).toBe(packets);
        expect(await closing).toBe(reason);
        expect(sender.stats()).toMatchObject({ sent: 0, failed: packets, inFlight: 0, inFlightBytes: 0 });
        expect(await sender.waitWritableAsync()).toBe("ended");
        w.clean();
        w.completions.length = 0;
      }
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const sender = sending(engine, writable, { end: false });
      await sender.close();
      sender.abort(reason);
      const [{ value }] = await Promise.all([
        readable.getReader().read(),
        writable.getWriter().write(bytesAt(0, 10)),
      ]);
      expectBytes(value as Uint8Array, bytesAt(0, 10), "by somebody else");
    });

    it("fails with a socket whose peer dies", async () => {
      const engine = await make({ memory: 16 * 1024 * 1024 });
      const w = new World(engine);
      const [near, far] = await connection(defer, "127.0.0.1");
      const { writable } = Duplex.toWeb(near);
      const sender = sending(engine, writable as WritableStream<Uint8Array>, { framing: "length32" });
      // The peer reads nothing, and so at some time nothing is written.
      for (let still = 0; still < 5; ) {
        const skb = w.linear(50_000);
        if (sender.enqueue(skb)) {
          still = 0;
          continue;
        }
        skb.release();
        if ((await sender.waitWritableAsync(undefined, { timeout: 100 })) === "timed-out") still++;
      }
      const waiting = sender.waitWritableAsync(1024 * 1024);
      far.resetAndDestroy();
      expect(await waiting).toBe("ended");
      await failure(sender.close());
      w.clean();
    });

    it("unlocks the stream with end: false, when all is written", async () => {
      const engine = await make();
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const sender = sending(engine, writable, { end: false });
      sender.enqueue(engine.alloc(10).putData(bytesAt(0, 10)));
      const reader = readable.getReader();
      const [{ value }] = await Promise.all([reader.read(), sender.close()]);
      expectBytes(value as Uint8Array, bytesAt(0, 10), "what was taken");
      const writer = writable.getWriter();
      const [next] = await Promise.all([reader.read(), writer.write(bytesAt(1, 10))]);
      expectBytes(next.value as Uint8Array, bytesAt(1, 10), "by somebody else");
    });

    it("refuses what is no stream that it can have", async () => {
      const engine = await make();
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      writable.getWriter();
      readable.getReader();
      for (const wild of [writable, null, {}, readable] as WritableStream<Uint8Array>[])
        expect(codeOf(() => new WebStreamSender(engine, wild))).toBe("ERR_SKB_TYPE");
      for (const wild of [readable, null, {}, writable] as ReadableStream<Uint8Array>[])
        expect(codeOf(() => new WebStreamReceiver(engine, wild))).toBe("ERR_SKB_TYPE");
      const fresh = new TransformStream<Uint8Array, Uint8Array>();
      expect(codeOf(() => new WebStreamSender(engine, fresh.writable, { inFlight: 0 }))).toBe(
        "ERR_SKB_RANGE",
      );
      expect(codeOf(() => new WebStreamReceiver(engine, fresh.readable, { chunk: 1 }))).toBe("ERR_SKB_RANGE");
      expect([fresh.readable.locked, fresh.writable.locked]).toEqual([false, false]);
    });
  });

  describe("a receiver", () => {
    it.each(["bytes", "chunks"] as const)("reads no more than may wait (%s)", async (way) => {
      const engine = await make();
      const bytes = framed(
        "length16",
        Array.from({ length: 1000 }, (_, i) => [i, 1000] as const),
      );
      let read = 0;
      const source = STREAMS[way](bytes, new Random());
      const counted = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          read += chunk.length;
          controller.enqueue(chunk);
        },
      });
      const readable = way === "bytes" ? source : source.pipeThrough(counted);
      const receiver = receiving(engine, readable, { framing: "length16", backlog: 20_000, chunk: 8192 });
      await until("a full backlog", () => receiver.stats().paused.full > 0);
      await turn();
      expect(receiver.stats().queuedBytes).toBeLessThan(20_000 + 1512);
      if (way === "chunks") expect(read).toBeLessThan(1_002_000);
      const [packets, error] = await fate(receiver);
      expect([packets.length, error]).toEqual([1000, null]);
      expect(receiver.stats()).toMatchObject({ received: 1000, bytes: 1_002_000, queuedBytes: 0 });
    });

    it.each(["bytes", "chunks"] as const)(
      "waits while the pool is exhausted, and loses nothing (%s)",
      async (way) => {
        const engine = await make({ memory: 1024 * 1024 });
        const random = new Random();
        const all: Skb[] = [];
        for (let skb = engine.tryAlloc(3000); skb !== null; skb = engine.tryAlloc(3000)) all.push(skb);
        const packets = Array.from({ length: 50 }, (_, i) => [i, random.below(3000)] as const);
        const receiver = receiving(engine, STREAMS[way](framed("length16", packets), random), {
          framing: "length16",
        });
        await until("a pause", () => receiver.stats().paused.exhausted > 0);
        for (const skb of all) skb.release();
        const [got, error] = await fate(receiver);
        expect(error).toBe(null);
        expectBytes(Buffer.concat(got), Buffer.concat(packets.map(([at, n]) => bytesAt(at, n))), random.hint);
      },
    );

    it.each(["bytes", "chunks"] as const)("survives that any allocation fails (%s)", async (way) => {
      const engine = await make();
      const random = new Random();
      const packets = Array.from({ length: 20 }, (_, i) => [i, random.below(9000)] as const);
      for (let nth = 1; nth < 40; nth++) {
        const stop = givesWhenWaited(engine);
        inside(engine).failAllocation(nth);
        const receiver = receiving(engine, STREAMS[way](framed("length16", packets), random), {
          framing: "length16",
          backlog: 2000,
          chunk: 4096,
        });
        const [got, error] = await fate(receiver);
        inside(engine).failAllocation(0);
        stop();
        expect(error).toBe(null);
        expectBytes(Buffer.concat(got), Buffer.concat(packets.map(([at, n]) => bytesAt(at, n))), random.hint);
      }
    });

    it.each(["bytes", "chunks"] as const)("tells a hostile length, after all before it (%s)", async (way) => {
      const engine = await make();
      for (const [framing, hostile] of [
        ["length32", [0xff, 0xff, 0xff, 0xff]],
        ["length32", [0x00, 0x00, 0x10, 0x01]],
        ["length16", [0x10, 0x01]],
      ] as const) {
        const bytes = Buffer.concat([framed(framing, [[0, 100]]), Buffer.from(hostile), bytesAt(0, 9000)]);
        const receiver = receiving(engine, STREAMS[way](bytes, new Random()), { framing, longest: 4096 });
        const [packets, error] = await fate(receiver);
        expect([packets.length, receiver.ended]).toEqual([1, false]);
        expect(error).toBeInstanceOf(FramingError);
        expect((error as FramingError).offset).toBe(100 + hostile.length);
      }
    });

    it.each(["bytes", "chunks"] as const)("tells where a stream was cut off (%s)", async (way) => {
      const engine = await make();
      const whole = framed("length16", [
        [0, 5],
        [5, 0],
        [5, 20],
      ]);
      for (let n = 0; n <= whole.length; n++) {
        const receiver = receiving(engine, STREAMS[way](whole.subarray(0, n), new Random()), {
          framing: "length16",
        });
        const [packets, error] = await fate(receiver);
        const good = n < 7 ? 0 : n < 9 ? 1 : n < whole.length ? 2 : 3;
        expect(packets.length, `${n}`).toBe(good);
        if ([0, 7, 9, whole.length].includes(n)) expect(error, `${n}`).toBe(null);
        else expect(error, `${n}`).toBeInstanceOf(FramingError);
      }
    });

    it("tells the error of the stream, after all packets before it", async () => {
      const engine = await make();
      const broken = new Error("broken");
      for (const [wrong, message] of [
        [(c: ReadableStreamDefaultController) => c.error(broken), "got broken"],
        [(c: ReadableStreamDefaultController) => c.enqueue("text"), "got text"],
        [(c: ReadableStreamDefaultController) => c.enqueue(new ArrayBuffer(8)), "got what is no Uint8Array"],
      ] as const) {
        let n = 0;
        const readable = new ReadableStream<Uint8Array>({
          pull(controller) {
            if (n++ < 3) controller.enqueue(bytesAt(n, 10));
            else wrong(controller);
          },
        });
        const [packets, error] = await fate(receiving(engine, readable));
        expect(packets.length).toBe(3);
        expect(error).toBeInstanceOf(TransportError);
        expect((error as Error).message).toContain(message);
      }
    });

    it.each(["bytes", "chunks"] as const)("cancels the stream when it is closed (%s)", async (way) => {
      const engine = await make();
      let cancelled = 0;
      const readable = new ReadableStream<Uint8Array>({
        ...(way === "bytes" ? { type: "bytes" as const } : {}),
        start(controller: { enqueue(bytes: Uint8Array): void }) {
          // Its own memory, which a byte stream takes away.
          controller.enqueue(new Uint8Array(framed("length16", [[0, 10]])));
        },
        cancel() {
          cancelled++;
        },
      } as unknown as UnderlyingDefaultSource<Uint8Array>);
      const receiver = receiving(engine, readable, { framing: "length16" });
      await receiver.waitAsync();
      await receiver.close();
      await receiver.close();
      expect([cancelled, receiver.size, receiver.ended]).toEqual([1, 1, false]);
      receiver.dequeue()?.release();
      expect(receiver.ended).toBe(true);
    });

    it("gives packets back that nobody takes out", async () => {
      const engine = await make();
      const readable = chunkStream(
        framed(
          "length16",
          Array.from({ length: 100 }, (_, i) => [i, 100] as const),
        ),
        new Random(),
      );
      const receiver = receiving(engine, readable, { framing: "length16" });
      await until("all", () => receiver.size === 100);
      receiver.abort();
      expect(used(engine)).toEqual(NOTHING);
      expect(stats(engine).drops[DropReason.notSpecified]).toBe(100);
    });
  });

  it.runIf(first)("an engine that was closed by force ends both", async () => {
    const engine = await make();
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const sender = new WebStreamSender(engine, writable);
    const receiver = new WebStreamReceiver(engine, readable);
    sender.enqueue(engine.alloc(10).putData(bytesAt(0, 10)));
    engine.close({ force: true });
    await failure(sender.close());
    await receiver.close();
    receiver.abort();
  });
});
