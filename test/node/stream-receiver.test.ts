// Packets out of sockets and other streams: every byte once and in order, whatever the peer sends and however little memory
// there is.

import { once } from "node:events";
import { createReadStream, writeFileSync } from "node:fs";
import { createServer, type NetConnectOpts, type Socket } from "node:net";
import { PassThrough, Readable } from "node:stream";
import { DropReason, type Engine, type Skb, UserRegion } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import {
  type Framing,
  type FramingError,
  type StreamConnectOptions,
  StreamReceiver,
  type StreamReceiverOptions,
  StreamSender,
  TransportError,
} from "skbuff/node";
import { describe, expect, it } from "vitest";
import { givesWhenWaited, inside } from "../engines.js";
import { bytesAt, caught, codeOf, expectBytes, expectTyped, used, World } from "../packets.js";
import { collected, connection, failure, framed, freshPath, killable } from "./sockets.js";
import { forEachKind, NOTHING, Random, shaped, sleep, turn, until } from "./support.js";

type Packets = readonly (readonly [number, number])[];

/** Bytes of packets that are released as they come. */
async function drained(receiver: StreamReceiver<Readable>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const skb of receiver) {
    parts.push(skb.toBytes());
    skb.release();
  }
  return Buffer.concat(parts);
}

/** What the loop over the packets ends with, and what came before it. */
async function fate(receiver: StreamReceiver<Readable>): Promise<[Buffer[], unknown]> {
  const packets: Buffer[] = [];
  try {
    for await (const skb of receiver) {
      packets.push(Buffer.from(skb.toBytes()));
      skb.release();
    }
  } catch (error) {
    expectTyped(error, "the end");
    return [packets, error];
  }
  return [packets, null];
}

const REPEATED = 65_536;
/** Bytes for as much as anybody wants; every place has its own for a while. */
const pattern = Buffer.from(bytesAt(0, REPEATED));

function expectPattern(got: Buffer, hint: string): void {
  for (let at = 0; at < got.length; at += REPEATED)
    expectBytes(
      got.subarray(at, at + REPEATED),
      pattern.subarray(0, Math.min(REPEATED, got.length - at)),
      hint,
    );
}

forEachKind((make, defer, { first }) => {
  type Serve = (socket: Socket) => void;

  /** A receiver that is connected to what `serve` does. */
  async function connected(
    engine: Engine,
    serve: Serve,
    options: StreamConnectOptions & Partial<NetConnectOpts> = {},
    where: "127.0.0.1" | "::1" | "unix" = "127.0.0.1",
  ): Promise<StreamReceiver> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => {});
      defer(() => socket.destroy());
      serve(socket);
    });
    const path = freshPath();
    if (where === "unix") server.listen(path);
    else server.listen(0, where);
    await once(server, "listening");
    defer(() => server.close());
    const place =
      where === "unix" ? { path } : { host: where, port: (server.address() as { port: number }).port };
    const receiver = await StreamReceiver.connect(engine, { ...place, ...options });
    defer(async () => {
      receiver.abort();
      await receiver.close();
    });
    return receiver;
  }

  /** The same two ways: into pages of the pool, and by Node's buffers. */
  const WAYS = ["connect", "from"] as const;
  async function receiving(
    way: (typeof WAYS)[number],
    engine: Engine,
    serve: Serve,
    options: StreamConnectOptions = {},
  ): Promise<StreamReceiver> {
    if (way === "connect") return connected(engine, serve, options);
    const [near, far] = await connection(defer, "127.0.0.1");
    serve(near);
    const { chunk: _, ...rest } = options;
    const receiver = StreamReceiver.from(engine, far, rest);
    defer(async () => {
      receiver.abort();
      await receiver.close();
    });
    return receiver;
  }

  /** Writes bytes in parts of random length, some of them apart. */
  async function sliced(socket: Socket, bytes: Buffer, random: Random): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const some = random.below(5) === 0 ? 1 + random.below(4) : 1 + random.below(30_000);
      const part = bytes.subarray(at, at + some);
      at += part.length;
      // A receiver that has seen enough closes.
      if (!socket.write(part)) await once(socket, "drain").catch(() => {});
      if (socket.destroyed) return;
      if (random.below(3) === 0) await turn();
    }
    socket.end();
  }

  describe("packets", () => {
    it.each([
      ["connect", "length16"],
      ["connect", "length32"],
      ["from", "length16"],
      ["from", "length32"],
    ] as const)("of random size come out as they went in (%s, %s)", async (way, framing) => {
      const engine = await make();
      const random = new Random();
      const packets = Array.from({ length: 150 }, () => {
        const most = random.pick([2, 100, 3000, 30_000, framing === "length16" ? 65_536 : 200_000]);
        return [random.below(100_000), random.below(most)] as const;
      });
      const receiver = await receiving(
        way,
        engine,
        (socket) => sliced(socket, framed(framing, packets), random),
        {
          framing,
          chunk: random.pick([4096, 20_000, 65_536, 131_072]),
          backlog: random.pick([1, 5000, 1_000_000]),
          headroom: random.pick([0, 20]),
        },
      );
      let i = 0;
      for await (const skb of receiver) {
        const [at, n] = packets[i++] as [number, number];
        expect(skb.length, random.hint).toBe(n);
        expectBytes(skb.toBytes(), bytesAt(at, n), `packet ${i}, ${random.hint}`);
        skb.release();
        if (random.below(10) === 0) await turn();
      }
      expect(i, random.hint).toBe(150);
      expect(receiver.stats()).toMatchObject({ received: 150, queued: 0, queuedBytes: 0 });
      expect(receiver.stats().bytes).toBe(framed(framing, packets).length);
      await receiver.close();
      const { bytesCopied } = stats(engine);
      if (way === "connect") expect(bytesCopied, random.hint).toBe(0);
      else {
        // What Node reads into buffers of its own is copied once, and the little of a packet's that lies in a head once more.
        const body = packets.reduce((sum, [, n]) => sum + n, 0);
        expect(bytesCopied, random.hint).toBeGreaterThanOrEqual(body);
        expect(bytesCopied, random.hint).toBeLessThan(body * 1.5);
      }
    });

    it.each(["127.0.0.1", "::1", "unix"] as const)("there and back by %s, nothing copied", async (where) => {
      const engine = await make();
      const random = new Random();
      const w = new World(engine);
      const receiver = await connected(
        engine,
        (socket) => socket.pipe(socket),
        { framing: "length32" },
        where,
      );
      const sender = new StreamSender(engine, receiver.socket, { framing: "length32", inFlight: 300_000 });
      const wanted: [number, number][] = Array.from({ length: 100 }, () => [
        random.below(1000),
        random.below(random.pick([100, 5000, 100_000])),
      ]);
      let made = 0;
      const sending = (async () => {
        for (const [at, n] of wanted) {
          const { bytesCopied } = stats(engine);
          const skb = shaped(w, random, n, at);
          made += stats(engine).bytesCopied - bytesCopied;
          while (!sender.enqueue(skb)) await sender.waitWritableAsync();
        }
        await sender.close();
      })();
      let i = 0;
      for await (const skb of receiver) {
        const [at, n] = wanted[i++] as [number, number];
        expectBytes(skb.toBytes(), bytesAt(at, n), `packet ${i}, ${random.hint}`);
        skb.release();
      }
      await sending;
      expect(i).toBe(100);
      // What the packets were made of was copied into them, and nothing since.
      expect(stats(engine)).toMatchObject({ bytesCopied: made, copied: 0 });
      w.clean();
    });

    it("share the pages that they were read into, side by side, and nobody's are written again", async () => {
      const engine = await make();
      const packets: Packets = [
        [0, 100],
        [100, 200],
        [300, 0],
        [300, 900],
      ];
      let socket: Socket | undefined;
      const receiver = await connected(
        engine,
        (one) => {
          socket = one;
          one.write(framed("length16", packets));
        },
        { framing: "length16", headroom: 10 },
      );
      await until("packets", () => receiver.size === 4);
      const out: Skb[] = [];
      expect(receiver.dequeueBurst(out, 9)).toBe(4);
      expect(out.map((skb) => [skb.length, skb.headroom, skb.frags])).toEqual([
        [100, 10, 1],
        [200, 10, 1],
        [0, 10, 0],
        [900, 10, 1],
      ]);
      const place = (skb: Skb | undefined): number => skb?.segments()[0]?.byteOffset ?? 0;
      expect([place(out[1]) - place(out[0]), place(out[3]) - place(out[1])]).toEqual([102, 204]);
      expect(codeOf(() => out[0]?.writeU8(0, 7))).toBe("ERR_SKB_SHARED");
      out[0]?.unclone();
      out[0]?.writeU8(0, 7);
      // What comes later lies elsewhere.
      socket?.end(framed("length16", [[5000, 40_000]]));
      expectBytes(await drained(receiver), bytesAt(5000, 40_000), "later");
      for (const [i, [at, n]] of packets.entries())
        if (i > 0) expectBytes((out[i] as Skb).toBytes(), bytesAt(at, n), `packet ${i}`);
      engine.releaseBurst(out);
    });

    it("that came in parts are of one piece for each chunk", async () => {
      const engine = await make();
      const bytes = framed("length32", [[7, 6000]]);
      let socket: Socket | undefined;
      const receiver = await connected(
        engine,
        (one) => {
          socket = one;
        },
        { framing: "length32", chunk: 8192 },
      );
      await until("a connection", () => socket !== undefined);
      for (const frags of [1, 2]) {
        for (let at = 0; at < bytes.length; at += 500) {
          const { bytes: before } = receiver.stats();
          const part = bytes.subarray(at, at + 500);
          socket?.write(part);
          await until("a part", () => receiver.stats().bytes === before + part.length);
        }
        const skb = receiver.dequeue() as Skb;
        expect([skb.frags, skb.listLength]).toEqual([frags, 0]);
        expectBytes(skb.toBytes(), bytesAt(7, 6000), `${frags} pieces`);
        skb.release();
      }
      expect(stats(engine).bytesCopied).toBe(0);
    });

    it("without framing: a packet for each read, all bytes in order", async () => {
      const engine = await make();
      const random = new Random();
      for (const way of WAYS) {
        const bytes = Buffer.concat(Array.from({ length: 20 }, () => pattern));
        const receiver = await receiving(way, engine, (socket) => void sliced(socket, bytes, random), {
          chunk: 16_384,
        });
        const got = await drained(receiver);
        expect(got.length).toBe(bytes.length);
        expectPattern(got, `${way}, ${random.hint}`);
        await receiver.close();
      }
    });

    it("go on to a sender as they are", async () => {
      const engine = await make();
      const bytes = Buffer.concat(Array.from({ length: 30 }, () => pattern));
      const receiver = await connected(engine, (socket) => void socket.end(bytes));
      const [near, far] = await connection(defer, "unix");
      const got = collected(far);
      const sender = new StreamSender(engine, near, { inFlight: 200_000 });
      for await (const skb of receiver) while (!sender.enqueue(skb)) await sender.waitWritableAsync();
      await sender.close();
      expectPattern(await got, "through");
      expect((await got).length).toBe(bytes.length);
      expect(stats(engine).bytesCopied).toBe(0);
    });
  });

  describe("backlog", () => {
    it.each(WAYS)("nobody reads more than may wait (%s)", async (way) => {
      const engine = await make();
      const total = 5_000_000;
      let written = 0;
      const serve = (socket: Socket): void => {
        const more = (): void => {
          while (written < total) {
            written += REPEATED;
            if (!socket.write(pattern)) {
              socket.once("drain", more);
              return;
            }
          }
          socket.end();
        };
        more();
      };
      const receiver = await receiving(way, engine, serve, { backlog: 100_000, chunk: 16_384 });
      await until("a pause", () => receiver.stats().paused.full === 1);
      const { queuedBytes, bytes } = receiver.stats();
      await sleep(20);
      // At most one read above it: of a chunk, or of a buffer of Node's.
      expect(queuedBytes).toBeLessThan(100_000 + 70_000);
      expect(receiver.stats()).toMatchObject({ queuedBytes, bytes });
      // The first half is taken out before it reads again.
      receiver.dequeue()?.release();
      await sleep(5);
      expect(receiver.stats().paused.full).toBe(1);
      let most = 0;
      for await (const skb of receiver) {
        skb.release();
        most = Math.max(most, receiver.stats().queuedBytes);
        await sleep(1);
      }
      expect(receiver.stats().bytes).toBe(written);
      expect(most).toBeLessThan(100_000 + 70_000);
      expect(receiver.stats().paused.full).toBeGreaterThan(3);
    });

    it.each(WAYS)("packets of no bytes count, too (%s)", async (way) => {
      const engine = await make();
      const receiver = await receiving(way, engine, (socket) => socket.end(Buffer.alloc(40_000)), {
        framing: "length16",
        backlog: 10_000,
      });
      await until("a pause", () => receiver.stats().paused.full === 1);
      expect(receiver.size).toBe(Math.ceil(10_000 / 512));
      let n = 0;
      let bytes = 0;
      let most = 0;
      for await (const skb of receiver) {
        n++;
        bytes += skb.length;
        most = Math.max(most, receiver.size);
        skb.release();
      }
      expect([n, bytes]).toEqual([20_000, 0]);
      expect(most).toBeLessThanOrEqual(Math.ceil(10_000 / 512));
    });

    it("a packet longer than the backlog comes nevertheless", async () => {
      const engine = await make();
      for (const way of WAYS) {
        const packets: Packets = [
          [0, 300_000],
          [7, 5],
          [9, 250_000],
        ];
        const receiver = await receiving(way, engine, (socket) => socket.end(framed("length32", packets)), {
          framing: "length32",
          backlog: 1000,
        });
        const [got, error] = await fate(receiver);
        expect([got.length, error]).toEqual([3, null]);
        for (const [i, [at, n]] of packets.entries())
          expectBytes(got[i] as Buffer, bytesAt(at, n), `${way} ${i}`);
      }
    });
  });

  describe("memory", () => {
    it.each(WAYS)("reading pauses while there is none, and loses nothing (%s)", async (way) => {
      const engine = await make({ memory: 1024 * 1024 });
      const random = new Random();
      const bytes = Buffer.concat(Array.from({ length: 50 }, () => pattern));
      const framing: Framing = "length16";
      const packets: [number, number][] = [];
      for (let at = 0; at < bytes.length; ) {
        const n = Math.min(random.below(5000), bytes.length - at);
        packets.push([at % REPEATED, n]);
        at += n;
      }
      const expected = packets.map(([at, n]) => Buffer.concat([pattern, pattern]).subarray(at, at + n));
      const stream = Buffer.concat(
        expected.flatMap((part) => [Buffer.of(part.length >> 8, part.length & 255), part]),
      );
      const receiver = await receiving(way, engine, (socket) => socket.end(stream), {
        framing,
        backlog: 100_000_000,
        chunk: 32_768,
      });
      // Takes all that there is, and gives back some of it when nothing comes any more.
      const held: Skb[] = [];
      const giveBack = (): void => {
        const skb = held.shift() as Skb;
        expectBytes(skb.toBytes(), expected[i++] as Buffer, `packet ${i}, ${random.hint}`);
        skb.release();
      };
      let i = 0;
      for (;;) {
        const woken = await receiver.waitAsync({ timeout: 15 });
        if (woken === "ended") break;
        if (woken === "ready") held.push(receiver.dequeue() as Skb);
        // On a machine that is busy, nothing may have come yet.
        else for (let n = random.below(held.length); n >= 0 && held.length > 0; n--) giveBack();
      }
      while (held.length > 0) giveBack();
      expect(i, random.hint).toBe(expected.length);
      expect(receiver.stats().paused.exhausted, random.hint).toBeGreaterThan(0);
    });

    it.each(WAYS)("every allocation may fail (%s)", async (way) => {
      const engine = await make({ memory: 2 * 1024 * 1024 });
      const packets: Packets = [
        [0, 0],
        [1, 3],
        [4, 20_000],
        [7, 70_000],
        [3, 500],
      ];
      const bytes = framed("length32", packets);
      let nth = 0;
      let failed = true;
      while (failed) {
        nth++;
        const receiver = await receiving(
          way,
          engine,
          (socket) => {
            socket.write(bytes.subarray(0, 9));
            setTimeout(() => socket.end(bytes.subarray(9)), 3);
          },
          { framing: "length32", chunk: 8192, longest: 100_000 },
        );
        const stop = givesWhenWaited(engine);
        inside(engine).failAllocation(nth);
        const [got, error] = await fate(receiver);
        failed = inside(engine).failAllocation(0) === 0;
        stop();
        expect([got.length, error], `allocation ${nth}`).toEqual([packets.length, null]);
        for (const [i, [at, n]] of packets.entries())
          expectBytes(got[i] as Buffer, bytesAt(at, n), `allocation ${nth}, packet ${i}`);
        await receiver.close();
        expect(used(engine)).toEqual(NOTHING);
      }
      expect(nth).toBeGreaterThan(5);
    });

    it("is there again: reads go where nobody else looks, whoever meddles with the socket", async () => {
      const engine = await make({ memory: 1024 * 1024 });
      let socket: Socket | undefined;
      const receiver = await connected(
        engine,
        (one) => {
          socket = one;
        },
        { chunk: 4096, backlog: 100_000_000 },
      );
      await until("a connection", () => socket !== undefined);
      const hoard: Skb[] = [];
      for (let skb = engine.tryAlloc(0); skb !== null; skb = engine.tryAlloc(0)) hoard.push(skb);
      // One packet is left for what is read into the chunk that is there.
      hoard.pop()?.release();
      socket?.write(pattern.subarray(0, 100));
      const first = await (async () => {
        await receiver.waitAsync({ timeout: 5000 });
        return receiver.dequeue() as Skb;
      })();
      socket?.write(pattern.subarray(100, 50_000));
      await until("a pause", () => receiver.stats().paused.exhausted > 0);
      for (let i = 0; i < 20; i++) {
        receiver.socket.resume();
        receiver.socket.read(0);
        await turn();
      }
      expectBytes(first.toBytes(), pattern.subarray(0, 100), "meanwhile");
      engine.releaseBurst(hoard);
      socket?.end(pattern.subarray(50_000));
      const rest = await drained(receiver);
      expectBytes(rest, pattern.subarray(100), "afterwards");
      expectBytes(first.toBytes(), pattern.subarray(0, 100), "in the end");
      first.release();
    });

    it("chunks are smaller while there is no row of pages for larger ones", async () => {
      const engine = await make({ memory: 1024 * 1024 });
      const regions = [];
      for (let region = caughtRegion(engine); region !== null; region = caughtRegion(engine))
        regions.push(region);
      for (const [i, region] of regions.entries()) if (i % 3 === 0) region.release();
      const receiver = await connected(engine, (socket) => socket.end(pattern), { chunk: 131_072 });
      expectPattern(await drained(receiver), "scattered");
      for (const region of regions) if (!region.released) region.release();
    });

    it("that is not there for the first chunk", async () => {
      const engine = await make({ memory: 1024 * 1024 });
      const all: Skb[] = [];
      const connecting = (): Promise<unknown> =>
        connected(engine, () => {}).then(
          () => null,
          (error: unknown) => error,
        );
      for (let skb = engine.tryAlloc(0); skb !== null; skb = engine.tryAlloc(0)) all.push(skb);
      expect(await connecting()).toMatchObject({ code: "ERR_SKB_EXHAUSTED" });
      engine.releaseBurst(all);
      const regions = [];
      for (let region = caughtRegion(engine); region !== null; region = caughtRegion(engine))
        regions.push(region);
      expect(await connecting()).toMatchObject({ code: "ERR_SKB_EXHAUSTED" });
      for (const region of regions) region.release();
    });
  });

  describe("what the peer sends", () => {
    it.each(WAYS)("a length that nobody would send allocates nothing (%s)", async (way) => {
      const engine = await make();
      const start = framed("length32", [
        [0, 10],
        [5, 0],
      ]);
      for (const length of [1001, 0x7fffffff, 0x80000000, 0xffffffff]) {
        const bad = Buffer.alloc(40);
        bad.writeUInt32BE(length);
        const receiver = await receiving(way, engine, (socket) => socket.write(Buffer.concat([start, bad])), {
          framing: "length32",
          longest: 1000,
        });
        await until("the error", () => receiver.stats().received === 2 && receiver.socket.destroyed);
        expect([receiver.size, receiver.ended, await receiver.waitAsync()]).toEqual([2, false, "ready"]);
        const allocated = stats(engine).allocs;
        const [got, error] = await fate(receiver);
        expect(got.map((bytes) => bytes.length)).toEqual([10, 0]);
        expect(error).toMatchObject({ code: "ERR_SKB_FRAMING", offset: start.length });
        expect((error as Error).message).toBe(
          `"stream, byte 18" expected a length of 0..1000, got ${length}`,
        );
        expect(stats(engine).allocs).toBe(allocated);
        // It stays that way.
        expect(caught(() => receiver.dequeue())).toBe(error);
        expect(caught(() => receiver.dequeueBurst([], 4))).toBe(error);
        expect([await receiver.waitAsync(), receiver.ended]).toEqual(["ready", false]);
        await receiver.close();
        expect(used(engine)).toEqual(NOTHING);
      }
    });

    it.each(WAYS)("an end inside a packet, or its length (%s)", async (way) => {
      const engine = await make();
      const bytes = framed("length16", [
        [0, 10],
        [5, 0],
        [9, 30_000],
      ]);
      for (const cut of [1, 2, 3, 11, 12, 13, 14, 15, 16, 17, 5000, 30_015, 30_016]) {
        const receiver = await receiving(way, engine, (socket) => socket.end(bytes.subarray(0, cut)), {
          framing: "length16",
          chunk: 4096,
        });
        const [got, error] = await fate(receiver);
        const whole = [0, 12, 14, 30_016].filter((end) => end <= cut);
        expect(got.length, `cut at ${cut}`).toBe(whole.length - 1);
        if (whole.includes(cut)) expect(error).toBeNull();
        else expect(error, `cut at ${cut}`).toMatchObject({ code: "ERR_SKB_FRAMING", offset: whole.at(-1) });
        await receiver.close();
        expect(used(engine)).toEqual(NOTHING);
      }
      const short = await receiving(way, engine, (socket) => socket.end(Buffer.of(0, 9, 1, 2)), {
        framing: "length16",
      });
      const [, error] = await fate(short);
      expect((error as FramingError).message).toBe(
        '"stream, byte 0" expected a packet of 9 bytes, got the end after 2',
      );
    });

    it("noise", async () => {
      const engine = await make({ memory: 1024 * 1024 });
      const random = new Random();
      for (let round = 0; round < 25; round++) {
        const way = random.pick(WAYS);
        const framing = random.pick(["length16", "length32"] as const);
        const longest = random.pick([0, 100, 60_000]);
        const noise = Buffer.from(
          Array.from({ length: random.below(20_000) }, () => (random.below(3) > 0 ? 0 : random.below(256))),
        );
        const receiver = await receiving(way, engine, (socket) => void sliced(socket, noise, random), {
          framing,
          longest,
          backlog: 1 + random.below(30_000),
        });
        // The same, as it is written.
        const header = framing === "length16" ? 2 : 4;
        const wanted: Buffer[] = [];
        let at = 0;
        let bad = false;
        while (at + header <= noise.length) {
          const n = noise.readUIntBE(at, header);
          bad = n > longest;
          if (bad || at + header + n > noise.length) break;
          wanted.push(noise.subarray(at + header, at + header + n));
          at += header + n;
        }
        const [got, error] = await fate(receiver);
        expect(got.length, random.hint).toBe(wanted.length);
        for (const [i, packet] of wanted.entries()) expectBytes(got[i] as Buffer, packet, random.hint);
        if (at === noise.length) expect(error, random.hint).toBeNull();
        else expect(error, random.hint).toMatchObject({ code: "ERR_SKB_FRAMING", offset: at });
        await receiver.close();
        expect(used(engine), random.hint).toEqual(NOTHING);
      }
    });

    it.each(WAYS)("a reset, after what came before it (%s)", async (way) => {
      const engine = await make();
      let socket: Socket | undefined;
      const receiver = await receiving(
        way,
        engine,
        (one) => {
          socket = one;
          one.write(
            framed("length16", [
              [0, 100],
              [1, 200],
            ]),
          );
          one.write(Buffer.of(1, 0, 7));
        },
        { framing: "length16" },
      );
      await until("packets", () => receiver.stats().bytes === 307);
      socket?.resetAndDestroy();
      const [got, error] = await fate(receiver);
      expect(got.map((bytes) => bytes.length)).toEqual([100, 200]);
      expect(error).toBeInstanceOf(TransportError);
      expect(((error as TransportError).cause as NodeJS.ErrnoException).code).toBe("ECONNRESET");
      await receiver.close();
      expect(used(engine)).toEqual(NOTHING);
    });

    it("until it is killed", async () => {
      const engine = await make();
      const packets: Packets = [
        [0, 20_000],
        [5, 700],
        [6, 0],
      ];
      const bytes = JSON.stringify([...framed("length16", packets)]);
      const [child, { port }] = await killable(defer, "source", bytes);
      const receiver = await StreamReceiver.connect(engine, { host: "127.0.0.1", port, framing: "length16" });
      let n = 0;
      const error = await (async () => {
        for await (const skb of receiver) {
          const [at, length] = packets[n % 3] as [number, number];
          expectBytes(skb.toBytes(), bytesAt(at, length), `packet ${n}`);
          skb.release();
          if (++n === 1000) child.kill("SIGKILL");
        }
      })().catch((reason: unknown) => reason);
      expect(n).toBeGreaterThanOrEqual(1000);
      // In the middle of a packet, by chance between two; and what the system had not sent is lost with a reset.
      if (error !== undefined) expectTyped(error, "killed");
      expect(["ERR_SKB_FRAMING", "ERR_SKB_TRANSPORT", undefined]).toContain(
        (error as FramingError | undefined)?.code,
      );
      await receiver.close();
      expect(audit(engine).clean).toBe(true);
      expect(engine.close()).toEqual([]);
    });

    it("nothing at all, because nobody is there", async () => {
      const engine = await make();
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as { port: number };
      server.close();
      const refused = await failure(StreamReceiver.connect(engine, { host: "127.0.0.1", port }));
      expect((refused.cause as NodeJS.ErrnoException).code).toBe("ECONNREFUSED");
      expect((await failure(StreamReceiver.connect(engine, { path: freshPath() }))).message).toContain(
        "ENOENT",
      );
      await expect(StreamReceiver.connect(engine, { port: 99_999 })).rejects.toMatchObject({
        code: "ERR_SKB_RANGE",
      });
      await until("the sockets to close", () => stats(engine).skbs.used === 0);
    });
  });

  describe("the end", () => {
    it.each(WAYS)("closing leaves what is there to be taken out (%s)", async (way) => {
      const engine = await make();
      const receiver = await receiving(
        way,
        engine,
        (socket) =>
          socket.write(
            framed("length16", [
              [0, 10],
              [1, 20],
              [2, 30],
            ]).subarray(0, 60),
          ),
        {
          framing: "length16",
        },
      );
      await until("packets", () => receiver.stats().received === 2);
      const first = receiver.dequeue() as Skb;
      await receiver.close();
      await receiver.close();
      expect([receiver.size, receiver.ended, receiver.socket.destroyed]).toEqual([1, false, true]);
      expect((await drained(receiver)).length).toBe(20);
      expect([receiver.ended, receiver.dequeue(), await receiver.waitAsync()]).toEqual([true, null, "ended"]);
      expect(first.length).toBe(10);
      first.release();
    });

    it("aborting drops it", async () => {
      const engine = await make();
      const receiver = await connected(
        engine,
        (socket) =>
          socket.write(
            framed("length16", [
              [0, 10],
              [1, 20],
            ]),
          ),
        {
          framing: "length16",
        },
      );
      await until("packets", () => receiver.size === 2);
      receiver.abort();
      expect([receiver.size, receiver.ended, stats(engine).drops[DropReason.notSpecified]]).toEqual([
        0,
        false,
        2,
      ]);
      await receiver.close();
      expect(used(engine)).toEqual(NOTHING);
      expect(engine.close()).toEqual([]);
    });

    it("a wait ends with it, or with its time", async () => {
      const engine = await make();
      const receiver = await connected(engine, () => {});
      expect(await receiver.waitAsync({ timeout: 3 })).toBe("timed-out");
      const waiting = receiver.waitAsync();
      await receiver.close();
      expect(await waiting).toBe("ended");
    });

    it("of one direction is not that of the other", async () => {
      const engine = await make();
      let got: Promise<Buffer> | undefined;
      const receiver = await connected(
        engine,
        (socket) => {
          got = collected(socket);
          socket.end(pattern);
        },
        { allowHalfOpen: true },
      );
      expectPattern(await drained(receiver), "there");
      const sender = new StreamSender(engine, receiver.socket);
      sender.enqueue(engine.alloc(500).putData(bytesAt(3, 500)));
      await sender.close();
      expectBytes(await (got as Promise<Buffer>), bytesAt(3, 500), "back");
      await receiver.close();
    });

    it("of a socket that somebody destroys", async () => {
      const engine = await make();
      for (const cause of [undefined, new Error("enough")]) {
        const receiver = await connected(engine, (socket) => socket.write("abc"));
        await until("a packet", () => receiver.size === 1);
        receiver.socket.destroy(cause);
        const [got, error] = await fate(receiver);
        expect(String(got[0])).toBe("abc");
        expect(error).toBeInstanceOf(TransportError);
        expect((error as TransportError).cause).toBe(cause);
        await receiver.close();
      }
    });

    it.each(WAYS)("of an engine that was closed by force (%s)", async (way) => {
      const engine = await make();
      let socket: Socket | undefined;
      const receiver = await receiving(way, engine, (one) => {
        socket = one;
        one.write("abc");
      });
      await until("a packet", () => receiver.size === 1);
      engine.close({ force: true });
      socket?.write("def");
      await until("the socket to close", () => receiver.socket.destroyed);
      expect(codeOf(() => receiver.dequeue())).toBe("ERR_SKB_CLOSED");
      receiver.abort();
      await receiver.close();
    });
  });

  describe("other streams", () => {
    it("files, pipes, and what was read before", async () => {
      const engine = await make();
      const path = freshPath();
      writeFileSync(path, Buffer.concat([pattern, pattern]));
      const file = StreamReceiver.from(engine, createReadStream(path, { highWaterMark: 300_000 }));
      const got = await drained(file);
      expect(got.length).toBe(2 * REPEATED);
      expectPattern(got, "file");
      const packets: Packets = [
        [1, 300],
        [2, 90_000],
      ];
      const whole = Readable.from([framed("length32", packets)]);
      const [two, error] = await fate(StreamReceiver.from(engine, whole, { framing: "length32" }));
      expect([two.map((bytes) => bytes.length), error]).toEqual([[300, 90_000], null]);
      expectBytes(two[1] as Buffer, bytesAt(2, 90_000), "one buffer");
      const through = new PassThrough();
      const receiver = StreamReceiver.from(engine, through, { backlog: 1000 });
      through.write(Buffer.alloc(400, 1));
      through.write(Buffer.alloc(400, 2));
      through.end(Buffer.alloc(400, 3));
      await until("a pause", () => receiver.stats().paused.full === 1);
      expect([receiver.size, through.isPaused()]).toEqual([2, true]);
      expect((await drained(receiver)).length).toBe(1200);
      await receiver.close();
    });

    it("that have ended, failed, or do not give bytes", async () => {
      const engine = await make();
      const over = new PassThrough();
      over.end();
      over.resume();
      await once(over, "end");
      expect(await fate(StreamReceiver.from(engine, over))).toEqual([[], null]);
      const gone = new PassThrough();
      gone.destroy();
      await turn();
      expect((await fate(StreamReceiver.from(engine, gone)))[1]).toBeInstanceOf(TransportError);
      const failing = createReadStream(freshPath());
      const [, error] = await fate(StreamReceiver.from(engine, failing));
      expect((error as TransportError).message).toBe('"stream" expected bytes or the end, got ENOENT');
      for (const [bad, what] of [
        [new PassThrough({ encoding: "utf8" }).end("text"), "text"],
        [Readable.from([{ a: 1 }]), "what is no Uint8Array"],
      ] as const) {
        const [, wrong] = await fate(StreamReceiver.from(engine, bad));
        expect((wrong as TransportError).message).toContain(what);
        expect(bad.destroyed).toBe(true);
      }
    });

    it.runIf(first)("misuse", async () => {
      const engine = await make();
      const make2 = (options: object, stream: unknown = new PassThrough()): string | undefined =>
        codeOf(() => StreamReceiver.from(engine, stream as Readable, options as StreamReceiverOptions));
      expect(make2({ backlog: 0 })).toBe("ERR_SKB_RANGE");
      expect(make2({ framing: "lines" })).toBe("ERR_SKB_TYPE");
      expect(make2({ longest: -1 })).toBe("ERR_SKB_RANGE");
      expect(make2({ headroom: 5000 })).toBe("ERR_SKB_RANGE");
      expect(make2({}, null)).toBe("ERR_SKB_TYPE");
      expect(make2({}, {})).toBe("ERR_SKB_TYPE");
      expect(codeOf(() => StreamReceiver.from(7 as unknown as Engine, new PassThrough()))).toBe(
        "ERR_SKB_TYPE",
      );
      for (const chunk of [4095, 131_073, 5000.5])
        await expect(StreamReceiver.connect(engine, { port: 1, chunk })).rejects.toMatchObject({
          code: "ERR_SKB_RANGE",
        });
    });
  });
});

function caughtRegion(engine: Engine): UserRegion | null {
  try {
    return new UserRegion(engine, 4096);
  } catch {
    return null;
  }
}
