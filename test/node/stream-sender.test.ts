// Packets into sockets, files and other streams: every byte once and in order, and no memory given back that somebody reads.

import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, createWriteStream, openSync, readFileSync, readSync } from "node:fs";
import { connect, createServer, Socket } from "node:net";
import { join } from "node:path";
import { PassThrough, Transform, Writable } from "node:stream";
import { connect as connectTls, createServer as createTlsServer, TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { createGunzip, createGzip } from "node:zlib";
import { DropReason, type Engine, Ring, type Skb, SkbQueue, Ubuf } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { StreamSender, type StreamSenderOptions } from "skbuff/node";
import { describe, expect, it } from "vitest";
import { bytesAt, caught, codeOf, expectBytes, SHAPES, snapshot, used, World } from "../packets.js";
import { collected, connection, failure, framed, freshPath, killable, script } from "./sockets.js";
import { forEachKind, NOTHING, Random, shaped, sleep, turn, turnsWhile, until } from "./support.js";

const unix = process.platform !== "win32";

/** Keeps each view that it is given, as it is, and calls back when it is told to. */
class Keeper extends Writable {
  readonly views: Uint8Array[] = [];
  readonly batches: number[] = [];
  readonly calls: (() => void)[] = [];
  held = false;

  override _writev(chunks: { chunk: Buffer }[], callback: () => void): void {
    this.batches.push(chunks.length);
    this.views.push(...chunks.map(({ chunk }) => chunk));
    if (this.held) this.calls.push(callback);
    else callback();
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this._writev([{ chunk }], callback);
  }
}

forEachKind((make, defer, { first }) => {
  const send = async (sender: StreamSender, skb: Skb): Promise<void> => {
    while (!sender.enqueue(skb)) expect(await sender.waitWritableAsync()).toBe("ready");
  };

  /** A packet of `n` bytes that are lent, and the number of completions so far. */
  function lent(w: World, n: number): Skb {
    return w.lend(w.linear(0), n, w.ubuf());
  }

  describe("bytes", () => {
    it.each(["127.0.0.1", "::1", "unix"] as const)("of all shapes go by %s without a copy", async (where) => {
      const engine = await make();
      const [near, far] = await connection(defer, where);
      const sender = new StreamSender(engine, near, { framing: "length32" });
      expect(sender.copies).toBe(false);
      const got = collected(far);
      const w = new World(engine);
      const wanted: [number, number][] = [];
      for (const build of Object.values(SHAPES)) {
        const skb = build(w);
        wanted.push([0, skb.length]);
        expect(sender.enqueue(skb)).toBe(true);
        expect(skb.alive).toBe(false);
      }
      const { bytesCopied } = stats(engine);
      await sender.close();
      expect(stats(engine).bytesCopied).toBe(bytesCopied);
      const bytes = framed("length32", wanted);
      expectBytes(await got, bytes, where);
      const n = wanted.length;
      expect(sender.stats()).toEqual({
        sent: n,
        bytes: bytes.length,
        failed: 0,
        inFlight: 0,
        inFlightBytes: 0,
      });
      w.clean();
    });

    it.each(["none", "length16", "length32"] as const)(
      "of random size and shape, framing %s",
      async (framing) => {
        const engine = await make();
        const random = new Random();
        const path = freshPath();
        const [near, far] = await connection(defer, "unix");
        const w = new World(engine);
        const got = collected(far);
        const copy = createWriteStream(path);
        const senders = [
          new StreamSender(engine, near, { framing, inFlight: 100_000 }),
          new StreamSender(engine, copy, { framing, inFlight: 100_000 }),
        ];
        const wanted: [number, number][] = [];
        for (let i = 0; i < 120; i++) {
          const n = random.below(4) === 0 ? random.below(65_536) : random.below(3000);
          const at = random.below(100_000);
          wanted.push([at, n]);
          for (const sender of senders) {
            const skb = shaped(w, random, n, at);
            if (random.below(5) === 0) skb.linearLength > 0 && skb.headroom > 0 && w.keep(skb.clone());
            await send(sender, skb);
          }
          if (random.below(8) === 0) await turn();
        }
        for (const sender of senders) await sender.close();
        const bytes = framed(framing, wanted);
        expectBytes(await got, bytes, random.hint);
        expectBytes(readFileSync(path), bytes, random.hint);
        w.clean();
        expect(senders.map((sender) => sender.stats())).toEqual(
          senders.map(() => ({ sent: 120, bytes: bytes.length, failed: 0, inFlight: 0, inFlightBytes: 0 })),
        );
      },
    );

    it("of one turn go by one writev, those side by side as one piece", async () => {
      const engine = await make();
      const keeper = new Keeper();
      const sender = new StreamSender(engine, keeper, { copy: false });
      const chunk = engine.alloc(0);
      chunk.addPageFrag(4000).set(bytesAt(0, 4000));
      const parts = [0, 1000, 1700].map((at, i) => chunk.extract(at, [1000, 700, 2300][i] as number));
      chunk.release();
      expect(sender.enqueueBurst(parts)).toBe(3);
      sender.enqueue(engine.alloc(0));
      sender.enqueue(engine.alloc(8).putData(bytesAt(4000, 8)));
      expect([keeper.batches, sender.stats().inFlight]).toEqual([[], 5]);
      await until("all written", () => sender.stats().inFlight === 0);
      expect([keeper.batches, keeper.views.map((view) => view.length)]).toEqual([[2], [4000, 8]]);
      expect(sender.stats()).toMatchObject({ sent: 5, bytes: 4008 });
      sender.enqueue(engine.alloc(8).putData(bytesAt(4000, 8)));
      await sender.close();
      expect(keeper.batches).toEqual([2, 1]);
    });

    it("a packet is released with its last piece, also where they are written one by one", async () => {
      const engine = await make();
      const w = new World(engine);
      const calls: (() => void)[] = [];
      const stream = new Writable({ write: (_chunk, _encoding, callback) => calls.push(callback) });
      const sender = new StreamSender(engine, stream, { copy: false });
      sender.enqueue(w.grow(w.lend(w.linear(10), 100, w.ubuf()), 50));
      for (let i = 0; i < 3; i++) {
        await until("a write", () => calls.length === i + 1);
        expect([w.completions.length, sender.stats().inFlight]).toEqual([0, 1]);
        calls[i]?.();
      }
      await sender.close();
      expect([w.completions.length, sender.stats().sent]).toEqual([1, 1]);
      w.clean();
    });

    it("lengths go into headroom, unless a clone could see them", async () => {
      const engine = await make();
      const keeper = new Keeper();
      const sender = new StreamSender(engine, keeper, { copy: false, framing: "length16" });
      const alone = engine.alloc(9, { headroom: 2 }).putData(bytesAt(0, 9));
      const shared = engine.alloc(9, { headroom: 2 }).putData(bytesAt(9, 9));
      const tight = engine.alloc(9, { headroom: 1 }).putData(bytesAt(18, 9));
      const clone = shared.clone();
      keeper.held = true;
      sender.enqueueBurst([alone, shared, tight]);
      await until("the write", () => keeper.calls.length === 1);
      expect(keeper.views.map((view) => view.length)).toEqual([11, 2, 9, 2, 9]);
      const all: [number, number][] = [
        [0, 9],
        [9, 9],
        [18, 9],
      ];
      expectBytes(Buffer.concat(keeper.views), framed("length16", all), "in place");
      expect(clone.headroom).toBe(2);
      clone.release();
      keeper.calls[0]?.();
      await sender.close();
    });

    it("everybody else has turns of the event loop, though the system takes everything at once", async () => {
      const engine = await make();
      const [near, far] = await connection(defer, "127.0.0.1");
      far.resume();
      const sender = new StreamSender(engine, near, { inFlight: 4000 });
      const turned = await turnsWhile(() => send(sender, engine.alloc(1000).putZeros(1000)));
      expect(turned).toBe(true);
      await sender.close();
    });

    it.each([1000, 60_000])(
      "of %d bytes are taken while the system takes them, in whatever loop",
      async (size) => {
        const engine = await make();
        const [near, far] = await connection(defer, "127.0.0.1");
        far.resume();
        // With room for all that the system does not take at once, as the far end has no turn before the loop has.
        const sender = new StreamSender(engine, near);
        const ring = new Ring(engine, { capacity: 16 });
        const n = 400;
        let refused = 0;
        let most = 0;
        const relay = (async () => {
          for await (const skb of ring) {
            if (sender.enqueue(skb)) most = Math.max(most, sender.stats().inFlight);
            else {
              refused++;
              skb.release();
            }
            while (sender.stats().inFlightBytes > 500_000) await sender.waitWritableAsync();
          }
        })();
        for (let i = 0; i < n; i++) {
          const skb = engine.alloc(size).putZeros(size);
          while (!ring.enqueue(skb)) await ring.waitWritableAsync();
        }
        ring.close();
        await relay;
        ring.release();
        await sender.close();
        expect([refused, sender.stats().sent]).toEqual([0, n]);
      },
    );

    it("that the system has are done with, without a turn of the event loop", async () => {
      const engine = await make();
      const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
      const sender = new StreamSender(engine, sink, { inFlight: 4000 });
      const skbs = Array.from({ length: 300 }, () => engine.alloc(1000).putZeros(1000));
      expect(sender.enqueueBurst(skbs)).toBe(300);
      const { sent, failed, inFlight, inFlightBytes } = sender.stats();
      expect([sent + failed + inFlight, inFlightBytes]).toEqual([300, inFlight * 1000]);
      expect(inFlightBytes).toBeLessThan(4000);
      await sender.close();
      expect(sender.stats()).toMatchObject({ sent: 300, bytes: 300_000 });
    });

    it("by TLS", async () => {
      const [key, cert] = [freshPath(), freshPath()];
      const subject = ["-subj", "/CN=localhost", "-days", "2", "-nodes"];
      const request = ["req", "-x509", "-newkey", "rsa:2048", "-keyout", key, "-out", cert, ...subject];
      try {
        execFileSync("openssl", request, { stdio: "ignore" });
      } catch {
        return; // No openssl here to make a certificate.
      }
      const engine = await make();
      const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as { port: number };
      const accepted = once(server, "secureConnection") as Promise<[TLSSocket]>;
      const near = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
      const sender = new StreamSender(engine, near, { framing: "length16", inFlight: 50_000 });
      expect(sender.copies).toBe(false);
      const w = new World(engine);
      // Before the handshake, too.
      sender.enqueue(lent(w, 3000));
      const [far] = await accepted;
      server.close();
      const got = collected(far);
      for (let i = 1; i < 60; i++) await send(sender, lent(w, 3000));
      await sender.close();
      expectBytes(
        await got,
        framed(
          "length16",
          Array.from({ length: 60 }, () => [0, 3000] as const),
        ),
        "TLS",
      );
      expect(w.completions.length).toBe(60);
      w.clean();
      // And once more, broken off.
      const again = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
      const broken = new StreamSender(engine, again);
      for (let i = 0; i < 10; i++) broken.enqueue(lent(w, 3000));
      again.destroy();
      await failure(broken.close());
      expect([broken.stats().failed, w.completions.length]).toEqual([10, 70]);
      w.clean();
    });
  });

  describe("copies", () => {
    it("go to streams that may keep what they get, so that packets can be used again", async () => {
      const engine = await make();
      for (const copy of ["auto", false] as const) {
        const kept: Buffer[] = [];
        const through = new PassThrough();
        through.on("data", (part) => kept.push(part));
        const sender = new StreamSender(engine, through, { copy, inFlight: 5000, framing: "length16" });
        expect(sender.copies).toBe(copy === "auto");
        const wanted: [number, number][] = [];
        for (let i = 0; i < 300; i++) {
          wanted.push([i * 1000, 1000]);
          await send(sender, engine.alloc(1000, { headroom: 2 }).putData(bytesAt(i * 1000, 1000)));
        }
        await sender.close();
        const right = Buffer.concat(kept).equals(framed("length16", wanted));
        // Lent, the same stream shows what later packets are: this test can fail.
        expect(right).toBe(copy === "auto");
        expect(sender.stats()).toMatchObject({ sent: 300, failed: 0, inFlight: 0 });
      }
    });

    it("are released at once, and still count as on their way", async () => {
      const engine = await make();
      const keeper = new Keeper();
      keeper.held = true;
      const w = new World(engine);
      const sender = new StreamSender(engine, keeper, { inFlight: 10_000, framing: "length32" });
      expect(sender.copies).toBe(true);
      for (let i = 0; i < 3; i++) expect(sender.enqueue(lent(w, 3000))).toBe(true);
      const more = lent(w, 3000);
      expect(sender.enqueue(more)).toBe(false);
      // The first two are half of what may be in flight, which goes at once.
      expect(w.completions.length).toBe(2);
      await until("the third one", () => w.completions.length === 3);
      expect([sender.stats().inFlight, sender.stats().inFlightBytes]).toEqual([3, 9012]);
      expect(keeper.views.map((view) => view.length)).toEqual([3004, 3004]);
      expect(await sender.waitWritableAsync(1, { timeout: 5 })).toBe("ready");
      expect(await sender.waitWritableAsync(4000, { timeout: 5 })).toBe("timed-out");
      keeper.held = false;
      keeper.calls[0]?.();
      await send(sender, more);
      await sender.close();
      expect(sender.stats()).toMatchObject({ sent: 4, bytes: 12_016 });
      w.clean();
    });

    it.runIf(first)("which streams get them", async () => {
      const engine = await make();
      const [near, far] = await connection(defer, "127.0.0.1");
      const copies = (stream: Writable, options?: StreamSenderOptions): boolean =>
        new StreamSender(engine, stream, options).copies;
      expect([copies(near), copies(near, { copy: true })]).toEqual([false, true]);
      expect(copies(createWriteStream(freshPath()))).toBe(false);
      expect(copies(new TLSSocket(new Socket()))).toBe(false);
      expect([copies(new PassThrough()), copies(new PassThrough(), { copy: false })]).toEqual([true, false]);
      expect(copies(createGzip())).toBe(true);
      expect(copies(new Keeper())).toBe(true);
      class Listening extends Socket {
        override _write(chunk: Buffer, encoding: BufferEncoding, callback: () => void): void {
          super._write(chunk, encoding, callback);
        }
      }
      expect(copies(new Listening())).toBe(true);
      const patched = far;
      const { write } = patched;
      patched.write = ((...values: Parameters<typeof write>) => write.apply(patched, values)) as typeof write;
      expect(copies(patched)).toBe(true);
    });

    it("through gzip", async () => {
      const engine = await make();
      const gzip = createGzip();
      const got = collected(gzip.pipe(createGunzip()));
      const sender = new StreamSender(engine, gzip, { framing: "length16", inFlight: 30_000 });
      const wanted: [number, number][] = [];
      for (let i = 0; i < 100; i++) {
        wanted.push([i, 2000]);
        await send(sender, engine.alloc(2000).putData(bytesAt(i, 2000)));
      }
      await sender.close();
      expectBytes(await got, framed("length16", wanted), "gzip");
    });
  });

  describe("room", () => {
    it("is in bytes; what is larger than all of it goes alone, and is waited for", async () => {
      const engine = await make();
      const keeper = new Keeper();
      keeper.held = true;
      const sender = new StreamSender(engine, keeper, { copy: false, inFlight: 1000 });
      const of = (n: number): Skb => engine.alloc(n).putZeros(n);
      const [large, small, middle] = [of(5000), of(1), of(900)];
      expect(sender.enqueueBurst([large, small, middle])).toBe(1);
      expect([large, small, middle].map((skb) => skb.alive)).toEqual([false, true, true]);
      expect(sender.stats()).toMatchObject({ inFlight: 1, inFlightBytes: 5000 });
      // Nothing fits until the large one is through.
      const waiting = sender.waitWritableAsync();
      await until("the write", () => keeper.calls.length === 1);
      keeper.calls[0]?.();
      expect(await waiting).toBe("ready");
      expect([sender.enqueue(of(200)), sender.enqueue(middle)]).toEqual([true, false]);
      // There is room for half, but not for what was refused.
      expect(await sender.waitWritableAsync(undefined, { timeout: 5 })).toBe("timed-out");
      expect(await sender.waitWritableAsync(800, { timeout: 5 })).toBe("ready");
      expect(sender.enqueue(small)).toBe(true);
      expect(await sender.waitWritableAsync(undefined, { timeout: 5 })).toBe("ready");
      keeper.held = false;
      await until("the write", () => keeper.calls.length === 2);
      keeper.calls[1]?.();
      await send(sender, middle);
      await sender.close();
      expect(sender.stats()).toMatchObject({ sent: 4, bytes: 6101 });
    });

    it("a reader who is slow bounds what is on its way, and what is lent", async () => {
      const engine = await make();
      const [near, far] = await connection(defer, "unix");
      const sender = new StreamSender(engine, near, { inFlight: 200_000 });
      const w = new World(engine);
      const region = w.region(10_000);
      region.bytes.set(bytesAt(0, 10_000));
      let completed = 0;
      let most = 0;
      let n = 0;
      const packet = (): Skb => {
        const skb = engine.alloc(0);
        skb.addUserFrag(region, 0, 10_000, new Ubuf(engine, () => completed++));
        return skb;
      };
      const writer = (async () => {
        for (; n < 300; n++) {
          await send(sender, packet());
          most = Math.max(most, sender.stats().inFlightBytes);
        }
        await sender.close();
      })();
      await sleep(50);
      const stuck = [n, completed];
      await sleep(50);
      // Nobody reads: what the system has no room for stays lent.
      expect([n, completed]).toEqual(stuck);
      expect(completed).toBeLessThan(n);
      expect(stats(engine).skbs.used).toBe(n - completed + 1);
      let read = 0;
      for await (const part of far) {
        const bytes = part as Buffer;
        for (let done = 0; done < bytes.length; ) {
          const at = (read + done) % 10_000;
          const some = Math.min(bytes.length - done, 10_000 - at);
          expectBytes(bytes.subarray(done, done + some), bytesAt(at, some), "slowly");
          done += some;
        }
        read += bytes.length;
        if (read % 3 === 0) await turn();
      }
      await writer;
      expect([read, completed, sender.stats().sent]).toEqual([3_000_000, 300, 300]);
      expect(most).toBeLessThanOrEqual(200_000);
      w.clean();
    });
  });

  describe("misuse", () => {
    it("takes nothing", async () => {
      const engine = await make();
      const stranger = await make();
      const w = new World(engine);
      const sender = new StreamSender(engine, new Keeper(), { framing: "length16" });
      const good = w.linear(10);
      const before = snapshot(good);
      const long = w.grow(w.linear(1), 0xffff);
      const longest = w.grow(w.linear(1), 0xfffe);
      const queue = new SkbQueue(engine);
      const queued = w.linear(1);
      queue.pushTail(queued);
      const held = w.linear(1);
      w.keep(held.get());
      const foreign = stranger.alloc(1);
      const wrong: [unknown, string][] = [
        [long, "ERR_SKB_RANGE"],
        [queued, "ERR_SKB_QUEUED"],
        [held, "ERR_SKB_HELD"],
        [foreign, "ERR_SKB_FOREIGN"],
        [undefined, "ERR_SKB_TYPE"],
      ];
      for (const [skb, code] of wrong) {
        expect(codeOf(() => sender.enqueue(skb as Skb))).toBe(code);
        expect(codeOf(() => sender.enqueueBurst([good, skb as Skb]))).toBe(code);
      }
      expect([snapshot(good), long.length]).toEqual([before, 0x10000]);
      expect(sender.enqueueBurst([longest, good])).toBe(2);
      queue.purge();
      foreign.release();
      await sender.close();
      expect(codeOf(() => sender.enqueue(long))).toBe("ERR_SKB_TRANSPORT");
      w.clean();
    });

    it("options and streams that are none", async () => {
      const engine = await make();
      const made = (options: object, stream: unknown = new Keeper()): string | undefined =>
        codeOf(() => new StreamSender(engine, stream as Writable, options as StreamSenderOptions));
      expect(made({ inFlight: 0 })).toBe("ERR_SKB_RANGE");
      expect(made({ inFlight: "1" })).toBe("ERR_SKB_TYPE");
      expect(made({ framing: "length8" })).toBe("ERR_SKB_TYPE");
      expect(made({ copy: "never" })).toBe("ERR_SKB_TYPE");
      expect(made({ end: 1 })).toBe("ERR_SKB_TYPE");
      expect(made({}, null)).toBe("ERR_SKB_TYPE");
      expect(made({}, {})).toBe("ERR_SKB_TYPE");
      expect(codeOf(() => new StreamSender({} as Engine, new Keeper()))).toBe("ERR_SKB_TYPE");
      expect(caught(() => new StreamSender(engine, new Keeper(), {}))).toBeUndefined();
    });
  });

  describe("the end", () => {
    it("of a stream that is not to end", async () => {
      const engine = await make();
      const keeper = new Keeper();
      const listeners = (): number[] =>
        ["error", "finish", "close"].map((event) => keeper.listenerCount(event));
      const before = listeners();
      for (let i = 0; i < 2; i++) {
        const sender = new StreamSender(engine, keeper, { end: false });
        sender.enqueue(engine.alloc(1).putZeros(1));
        await sender.close();
        await sender.close();
        expect([sender.stats().sent, keeper.writable, listeners()]).toEqual([1, true, before]);
      }
    });

    it("that somebody else has brought about", async () => {
      const engine = await make();
      const w = new World(engine);
      const keeper = new Keeper();
      const sender = new StreamSender(engine, keeper, { inFlight: 10 });
      sender.enqueue(w.linear(10));
      await until("the write", () => sender.stats().sent === 1);
      keeper.end();
      const skb = w.linear(5);
      expect(codeOf(() => sender.enqueue(skb))).toBe("ERR_SKB_TRANSPORT");
      expect([skb.length, await sender.waitWritableAsync()]).toEqual([5, "ended"]);
      // What was taken went through.
      await sender.close();
      const late = new StreamSender(engine, keeper);
      expect(codeOf(() => late.enqueue(skb))).toBe("ERR_SKB_TRANSPORT");
      // In the same turn, after the packet was taken.
      const other = new Keeper();
      const last = new StreamSender(engine, other);
      last.enqueue(w.linear(3));
      other.end();
      expect((await failure(last.close())).message).toContain("one that has ended");
      expect(last.stats()).toMatchObject({ failed: 1, inFlight: 0 });
      w.clean();
    });

    it("of a stream that was destroyed: packets come back, waits end, and it is told why", async () => {
      const engine = await make();
      const w = new World(engine);
      const [near] = await connection(defer, "unix");
      const sender = new StreamSender(engine, near, { inFlight: 1_000_000 });
      for (let i = 0; i < 50; i++) expect(sender.enqueue(lent(w, 20_000))).toBe(true);
      await until("the buffers to be full", () => sender.stats().sent > 0 || near.writableLength > 0);
      await sleep(5);
      const { sent, inFlight } = sender.stats();
      expect(inFlight).toBeGreaterThan(0);
      expect(sent + inFlight).toBe(50);
      // And some that were not written yet.
      const later = [lent(w, 1), lent(w, 1)];
      const waiting = sender.waitWritableAsync(1_000_000);
      const enqueued = sender.enqueueBurst(later);
      near.destroy(new Error("enough"));
      expect(codeOf(() => sender.enqueue(w.linear(1)))).toBe("ERR_SKB_TRANSPORT");
      expect(await waiting).toBe("ended");
      const error = await failure(sender.close());
      expect((error.cause as Error).message).toBe("enough");
      expect(sender.stats()).toMatchObject({
        sent,
        failed: inFlight + enqueued,
        inFlight: 0,
        inFlightBytes: 0,
      });
      expect(w.completions.length).toBe(50 + enqueued);
      expect(stats(engine).drops[DropReason.notSpecified]).toBe(inFlight + enqueued);
      expect((caught(() => sender.enqueue(w.linear(1))) as Error).message).toContain("closed");
      w.clean();
    });

    it.runIf(unix)(
      "of a file that is being written: not before the thread pool has done with it",
      async () => {
        const engine = await make();
        const w = new World(engine);
        const path = freshPath();
        execFileSync("mkfifo", [path]);
        // Both ends in one, so that opening does not block.
        const reader = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
        const stream = createWriteStream(path);
        const sender = new StreamSender(engine, stream);
        expect(sender.copies).toBe(false);
        // Together, so that one write has them all.
        const sizes = [10_000, 20_000, 170_000];
        for (const n of sizes) sender.enqueue(lent(w, n));
        await until("the write", () => stream.writableLength > 0 && !stream.pending);
        await sleep(50);
        stream.destroy(new Error("enough"));
        expect(codeOf(() => sender.enqueue(w.linear(1)))).toBe("ERR_SKB_TRANSPORT");
        await sleep(50);
        // The pipe is full, and a thread is waiting to read on.
        expect([sender.stats().inFlight, w.completions.length]).toEqual([3, 0]);
        const got = Buffer.alloc(200_000);
        let done = 0;
        while (done < got.length) {
          try {
            done += readSync(reader, got, done, got.length - done, null);
          } catch {
            await sleep(1);
          }
        }
        closeSync(reader);
        let at = 0;
        for (const n of sizes) {
          expectBytes(got.subarray(at, at + n), bytesAt(0, n), `packet of ${n}`);
          at += n;
        }
        await failure(sender.close());
        expect(w.completions.length).toBe(3);
        w.clean();
      },
    );

    it.runIf(process.platform === "linux")("of a disk that is full", async () => {
      const engine = await make();
      const w = new World(engine);
      const sender = new StreamSender(engine, createWriteStream("/dev/full"));
      for (let i = 0; i < 5; i++) sender.enqueue(lent(w, 5000));
      const error = await failure(sender.close());
      expect((error.cause as NodeJS.ErrnoException).code).toBe("ENOSPC");
      expect(error.message).toContain("ENOSPC");
      expect([sender.stats().failed, w.completions.length]).toEqual([5, 5]);
      w.clean();
      const nowhere = new StreamSender(engine, createWriteStream(join(freshPath(), "no", "such", "folder")));
      nowhere.enqueue(w.linear(5));
      expect(((await failure(nowhere.close())).cause as NodeJS.ErrnoException).code).toBe("ENOENT");
      w.clean();
    });

    it("of a socket that is destroyed before it is connected", async () => {
      const engine = await make();
      const w = new World(engine);
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      const socket = connect((server.address() as { port: number }).port, "127.0.0.1");
      const sender = new StreamSender(engine, socket);
      for (let i = 0; i < 3; i++) sender.enqueue(lent(w, 1000));
      const closing = failure(sender.close());
      await null;
      await null;
      expect([socket.connecting, socket.writableLength]).toEqual([true, 3000]);
      socket.destroy();
      expect(w.completions.length).toBe(0);
      expect((await closing).message).toContain("a closed one");
      expect([sender.stats().failed, w.completions.length]).toEqual([3, 3]);
      server.close();
      w.clean();
    });

    it("of a stream that fails and never calls back", async () => {
      const engine = await make();
      const w = new World(engine);
      for (const copy of [true, false]) {
        const keeper = new Keeper();
        keeper.held = true;
        const sender = new StreamSender(engine, keeper, { copy });
        sender.enqueueBurst([w.linear(5), w.linear(5)]);
        await until("the write", () => keeper.calls.length === 1);
        keeper.destroy(new Error("gone"));
        expect(((await failure(sender.close())).cause as Error).message).toBe("gone");
        expect(sender.stats()).toEqual({ sent: 0, bytes: 0, failed: 2, inFlight: 0, inFlightBytes: 0 });
        expect(used(engine)).toEqual(NOTHING);
        // Too late.
        keeper.calls[0]?.();
        await turn();
        expect(sender.stats().failed).toBe(2);
      }
    });

    it.each([true, false])("of a stream that throws (copies: %s)", async (copy) => {
      const engine = await make();
      const stream = new Transform({
        transform() {
          throw new Error("no");
        },
      });
      const sender = new StreamSender(engine, stream, { copy });
      sender.enqueueBurst([engine.alloc(3).putZeros(3), engine.alloc(4).putZeros(4)]);
      await turn();
      expect(((await failure(sender.close())).cause as Error).message).toBe("no");
      expect(sender.stats()).toMatchObject({ sent: 0, failed: 2, inFlight: 0, inFlightBytes: 0 });
    });

    it.each(["tcp", "unix"])("of a peer that is killed in the middle (%s)", async (where) => {
      const engine = await make({ memory: 16 * 1024 * 1024 });
      const w = new World(engine);
      const path = freshPath();
      const [child, { port }] = await killable(defer, "sink", ...(where === "unix" ? [path] : []));
      const socket = where === "unix" ? connect(path) : connect(port, "127.0.0.1");
      const sender = new StreamSender(engine, socket, { framing: "length32", inFlight: 9_000_000 });
      const region = w.region(20_000);
      let completed = 0;
      let n = 0;
      let refused = 0;
      const more = (): boolean => {
        const skb = engine.alloc(30);
        skb.putZeros(30).addUserFrag(region, 0, 20_000, new Ubuf(engine, () => completed++));
        const taken = sender.enqueue(skb);
        if (taken) n++;
        else {
          refused++;
          skb.release();
        }
        return taken;
      };
      await until("more than the system takes", () => {
        while (more());
        return sender.stats().inFlightBytes > 5_000_000;
      });
      await until("something to arrive", () => sender.stats().sent > 0 || socket.bytesWritten > 10_000);
      await sleep(20);
      const { inFlight } = sender.stats();
      expect(inFlight).toBeGreaterThan(0);
      const waiting = sender.waitWritableAsync(9_000_000);
      child.kill("SIGKILL");
      expect(await waiting).toBe("ended");
      const error = await failure(sender.close());
      expect(["ECONNRESET", "EPIPE"]).toContain((error.cause as NodeJS.ErrnoException).code);
      expect(sender.stats()).toMatchObject({ inFlight: 0, inFlightBytes: 0 });
      expect(sender.stats().sent + sender.stats().failed).toBe(n);
      expect(completed).toBe(n + refused);
      w.clean();
      expect(audit(engine).clean).toBe(true);
      expect(engine.close()).toEqual([]);
    });

    it("of an engine that was closed by force", async () => {
      const engine = await make();
      const [near, far] = await connection(defer, "unix");
      const sender = new StreamSender(engine, near);
      sender.enqueue(engine.alloc(60_000).putZeros(60_000));
      await turn();
      await turn();
      sender.enqueue(engine.alloc(100).putZeros(100));
      engine.close({ force: true });
      far.resume();
      await failure(sender.close());
      expect(sender.stats()).toMatchObject({ inFlight: 0, failed: 1 });
    });
  });

  describe.runIf(first)("standard output", () => {
    it.each([
      ["of a process", [], false],
      ["of a worker", ["in a worker"], true],
    ] as const)("%s", async (_name, args, copies) => {
      const { stdout } = await promisify(execFile)(process.execPath, [script, "print", ...args], {
        encoding: "buffer",
        maxBuffer: 1e8,
        timeout: 20_000,
      });
      const wanted = Buffer.concat(
        Array.from({ length: 3000 }, (_, i) =>
          Buffer.concat([Buffer.of(0, i % 200), Buffer.alloc(i % 200, i)]),
        ),
      );
      expectBytes(stdout.subarray(0, wanted.length), wanted, "stdout");
      expect(JSON.parse(stdout.subarray(wanted.length).toString())).toMatchObject({
        ...{ clean: true, copies, sent: 3000, bytes: wanted.length, failed: 0, inFlight: 0 },
      });
    });

    it("into a file", async () => {
      const path = freshPath();
      const file = openSync(path, "w");
      const child = spawn(process.execPath, [script, "print"], { stdio: ["ignore", file, "inherit"] });
      await once(child, "close");
      closeSync(file);
      const text = readFileSync(path).toString("latin1");
      expect(JSON.parse(text.slice(text.lastIndexOf("{")))).toMatchObject({
        clean: true,
        copies: false,
        sent: 3000,
      });
    });
  });
});
