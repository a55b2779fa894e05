// The tap: what it writes, and that nobody ever waits for it.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Completion, Engine, Mesh, Ring, type Skb, Ubuf, UserRegion } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { CaptureError, CaptureReader, originalLengthOf, Tap, UdpReceiver, UdpSender } from "skbuff/node";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesAt, caught, expectBytes } from "../packets.js";

const folder = mkdtempSync(join(tmpdir(), "skbuff-tap-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a capture holds, read by an engine of its own. */
async function contents(file: string): Promise<{ bytes: Uint8Array; time: bigint; original: number }[]> {
  const engine = await Engine.create({ memory: 4 << 20 });
  const reader = CaptureReader.open(engine, file);
  const found: { bytes: Uint8Array; time: bigint; original: number }[] = [];
  for (let skb = reader.read(); skb !== null; skb = reader.read()) {
    found.push({ bytes: skb.toBytes(), time: skb.timestamp, original: originalLengthOf(skb) });
    skb.release();
  }
  reader.close();
  expect(engine.close()).toEqual([]);
  return found;
}

describe("a tap", () => {
  let engine: Engine;
  let file: string;
  let n = 0;

  beforeEach(async () => {
    engine = await Engine.create({ memory: 8 << 20 });
    file = join(folder, `tap-${n++}.pcapng`);
  });

  afterEach(() => {
    expect(audit(engine).problems).toEqual([]);
    expect(engine.close()).toEqual([]);
  });

  const packet = (i: number, size = 100): Skb => engine.alloc(size).putData(bytesAt(i, size));

  it("writes what it was offered, and leaves it whose it is", async () => {
    const tap = await Tap.open(engine, file);
    for (let i = 0; i < 300; i++) {
      const skb = packet(i, i);
      skb.timestamp = 1_700_000_000_000_000_000n + BigInt(i);
      expect(tap.offer(skb)).toBe(true);
      expect(skb.alive).toBe(true);
      skb.release();
    }
    const stats = await tap.close();
    expect(stats).toMatchObject({
      offered: 300,
      written: 300,
      dropped: { full: 0, exhausted: 0, failed: 0 },
    });
    expect(stats.bytes).toBe(readFileSync(file).length);
    const found = await contents(file);
    expect(found.length).toBe(300);
    for (const [i, { bytes, time, original }] of found.entries()) {
      expectBytes(bytes, bytesAt(i, i), `packet ${i}`);
      expect([time, original]).toEqual([1_700_000_000_000_000_000n + BigInt(i), i]);
    }
  });

  it("stamps what has no time", async () => {
    const tap = await Tap.open(engine, file);
    const before = BigInt(Date.now() - 5) * 1_000_000n;
    const skb = packet(0);
    tap.offer(skb);
    expect(skb.timestamp).toBe(0n);
    skb.release();
    await tap.close();
    const [{ time } = { time: 0n }] = await contents(file);
    expect(time >= before && time <= BigInt(Date.now() + 5) * 1_000_000n).toBe(true);
  });

  it("cuts to its snap length, and keeps the length", async () => {
    const tap = await Tap.open(engine, file, { snapLength: 64 });
    const skb = packet(3, 1000);
    tap.offer(skb);
    skb.release();
    await tap.close();
    const [{ bytes, original } = { bytes: new Uint8Array(), original: 0 }] = await contents(file);
    expectBytes(bytes, bytesAt(3, 64), "cut");
    expect(original).toBe(1000);
  });

  it("lets lent memory go at once, as copied; what is sent is sent in place", async () => {
    const told: Completion[] = [];
    const region = new UserRegion(engine, 10_000);
    region.bytes.set(bytesAt(0, 10_000));
    const tap = await Tap.open(engine, file);
    const ring = new Ring(engine);
    const skb = engine.alloc(0);
    skb.addUserFrag(region, 0, 10_000, new Ubuf(engine, (completion) => told.push(completion), { desc: 5 }));
    expect(tap.on(ring).enqueue(skb)).toBe(true);
    // The tap has copied it, so the region may be written again although the packet is still under way.
    expect(told).toEqual([{ desc: 5, status: "copied" }]);
    region.bytes.fill(0);
    await tap.close();
    ring.dequeue()?.release();
    ring.release();
    region.release();
    const [{ bytes } = { bytes: new Uint8Array() }] = await contents(file);
    expectBytes(bytes, bytesAt(0, 10_000), "taped");
  });

  it("sees what any transmitter takes, and nothing that it refuses", async () => {
    const tap = await Tap.open(engine, file);
    const ring = new Ring(engine, { capacity: 4 });
    const out = tap.on(ring);
    const skbs = Array.from({ length: 6 }, (_, i) => packet(i));
    expect(out.enqueueBurst(skbs)).toBe(4);
    expect(skbs.map(({ alive }) => alive)).toEqual([false, false, false, false, true, true]);
    expect(tap.stats().offered).toBe(4);
    const mesh = new Mesh(engine, 1, 2, { capacity: 2 });
    const sender = mesh.sender(0);
    const receivers = [mesh.receiver(0), mesh.receiver(1)];
    // All of one flow: two fit, and what is refused moves to the front.
    const flow = [...skbs.slice(4), packet(6), packet(7)];
    for (const skb of flow) skb.hash = 1;
    expect(tap.on(sender).enqueueBurst(flow)).toBe(2);
    expect(flow.filter(({ alive }) => alive).length).toBe(2);
    await tap.close();
    expect((await contents(file)).map(({ bytes }) => bytes[0])).toEqual(
      [0, 1, 2, 3, 4, 5].map((i) => bytesAt(i, 1)[0]),
    );
    for (const skb of flow) if (skb.alive) skb.release();
    for (let skb = ring.dequeue(); skb !== null; skb = ring.dequeue()) skb.release();
    for (const receiver of receivers) {
      for (let skb = receiver.dequeue(); skb !== null; skb = receiver.dequeue()) skb.release();
      receiver.release();
    }
    sender.release();
    mesh.release();
    ring.release();
  });

  it("is on nothing but a transmitter", async () => {
    const tap = await Tap.open(engine, file);
    for (const out of [5, null, undefined, {}, engine])
      expect(() => tap.on(out as never)).toThrow('"out" expected a ring or sender, got ');
    await tap.close();
  });

  it("refuses what the transmitter refuses, and keeps nothing of it", async () => {
    const tap = await Tap.open(engine, file);
    const ring = new Ring(engine);
    const held = packet(0);
    const second = held.get();
    expect(caught(() => tap.on(ring).enqueue(held))).toMatchObject({ code: "ERR_SKB_HELD" });
    second.release();
    held.release();
    expect(caught(() => tap.on(ring).enqueue(held))).toMatchObject({ code: "ERR_SKB_STALE" });
    expect(caught(() => tap.offer(held))).toMatchObject({ code: "ERR_SKB_STALE" });
    ring.release();
    expect(await tap.close()).toMatchObject({ offered: 0, written: 0 });
  });

  it("on a UDP socket", async () => {
    const tap = await Tap.open(engine, file);
    const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0 });
    const sender = await UdpSender.open(engine, { host: "127.0.0.1", port: receiver.port });
    const out = tap.on(sender);
    for (let i = 0; i < 50; i++) {
      const skb = packet(i);
      while (!out.enqueue(skb)) await out.waitWritableAsync();
    }
    for (let i = 0; i < 50; i++) {
      await receiver.waitAsync({ timeout: 5000 });
      receiver.dequeue()?.release();
    }
    await sender.close();
    await receiver.close();
    await tap.close();
    const found = await contents(file);
    expect(found.length).toBe(50);
    for (const [i, { bytes }] of found.entries()) expectBytes(bytes, bytesAt(i, 100), `packet ${i}`);
  });

  // A pipe that nobody reads is the slowest of disks.
  it.runIf(process.platform !== "win32")(
    "drops and counts when it is behind, and holds nobody up",
    async () => {
      const pipe = join(folder, "pipe");
      execFileSync("mkfifo", [pipe]);
      const tap = await Tap.open(engine, pipe, { capacity: 8 });
      // If it waited, it would do so for ever.
      for (let i = 0; i < 1000; i++) {
        const skb = packet(i);
        tap.offer(skb);
        skb.release();
      }
      // Eight in the ring, and as many in the worker's hands at most.
      const { offered, waiting, dropped } = tap.stats();
      expect([offered, dropped.full]).toEqual([1000, 1000 - waiting]);
      expect(waiting >= 8 && waiting <= 16).toBe(true);
      // Now somebody reads it.
      const reader = spawn("cat", [pipe], { stdio: ["ignore", "ignore", "inherit"] });
      const ended = once(reader, "close");
      expect(await tap.close()).toMatchObject({
        written: waiting,
        waiting: 0,
        dropped: { full: 1000 - waiting },
      });
      expect(await ended).toEqual([0, null]);
    },
  );

  it("drops and counts when the pool is empty", async () => {
    const tap = await Tap.open(engine, file);
    const region = new UserRegion(engine, 1 << 20);
    const skb = engine.alloc(0);
    skb.addUserFrag(region, 0, 1 << 20, new Ubuf(engine));
    const hoard: Skb[] = [];
    for (let more = engine.tryAlloc(65536); more !== null; more = engine.tryAlloc(65536)) hoard.push(more);
    expect(tap.offer(skb)).toBe(false);
    expect(tap.stats().dropped.exhausted).toBe(1);
    engine.releaseBurst(hoard);
    skb.release();
    region.release();
    await tap.close();
  });

  it.runIf(process.platform === "linux")(
    "says that its disk is full, and is no further trouble",
    async () => {
      const tap = await Tap.open(engine, "/dev/full");
      const skb = packet(0, 1000);
      for (let i = 0; i < 3000; i++) {
        tap.offer(skb);
        if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      skb.release();
      const error = await tap.close().catch((failure: unknown) => failure);
      expect(error).toBeInstanceOf(CaptureError);
      expect((error as CaptureError).message).toMatch(/^"\/dev\/full, byte \d+" expected .*ENOSPC/);
      const { written, offered, dropped } = tap.stats();
      expect(written + dropped.full + dropped.exhausted + dropped.failed).toBe(offered);
    },
  );

  it("takes nothing after it was closed, and closes twice", async () => {
    const tap = await Tap.open(engine, file);
    const first = await tap.close();
    const skb = packet(0);
    expect(tap.offer(skb)).toBe(false);
    skb.release();
    expect(await tap.close()).toMatchObject({ ...first, offered: 1, dropped: { failed: 1 } });
  });

  it("offers a packet once, however often what it is on refuses it first", async () => {
    const tap = await Tap.open(engine, file, { capacity: 4 });
    const ring = new Ring(engine, { capacity: 1 });
    const out = tap.on(ring);
    const sums = (): number[] => {
      const { offered, written, waiting, dropped } = tap.stats();
      const { full, exhausted, failed } = dropped;
      expect(written + waiting + full + exhausted + failed).toBe(offered);
      return [offered, full, exhausted, failed];
    };
    ring.enqueue(packet(0));
    const skb = packet(1);
    for (let i = 0; i < 3; i++) expect(out.enqueue(skb)).toBe(false);
    for (let i = 0; i < 3; i++) expect(out.enqueueBurst([skb])).toBe(0);
    expect(sums()).toEqual([0, 0, 0, 0]);
    ring.dequeue()?.release();
    expect(out.enqueue(skb)).toBe(true);
    expect(sums()).toEqual([1, 0, 0, 0]);
    await tap.close();
    // Nor is it dropped more often, by a tap that takes nothing any more.
    const late = packet(2);
    for (let i = 0; i < 3; i++) expect(out.enqueue(late)).toBe(false);
    expect(sums()).toEqual([1, 0, 0, 0]);
    ring.dequeue()?.release();
    expect(out.enqueueBurst([late])).toBe(1);
    expect(sums()).toEqual([2, 0, 0, 1]);
    ring.release();
  });

  it.runIf(process.platform !== "win32")("copies nothing of what it has no room for", async () => {
    const pipe = join(folder, "stuck");
    execFileSync("mkfifo", [pipe]);
    const tap = await Tap.open(engine, pipe, { capacity: 1 });
    const ring = new Ring(engine, { capacity: 64 });
    const region = new UserRegion(engine, 4096);
    const skbs = Array.from({ length: 64 }, () => {
      const skb = engine.alloc(0);
      skb.addUserFrag(region, 0, 4096, new Ubuf(engine));
      return skb;
    });
    const { bytesCopied } = stats(engine);
    expect(tap.on(ring).enqueueBurst(skbs)).toBe(64);
    expect(stats(engine).bytesCopied - bytesCopied).toBe(4096);
    expect(tap.stats()).toMatchObject({ offered: 64, dropped: { full: 63 } });
    const reader = spawn("cat", [pipe], { stdio: ["ignore", "ignore", "inherit"] });
    const ended = once(reader, "close");
    await tap.close();
    await ended;
    for (let skb = ring.dequeue(); skb !== null; skb = ring.dequeue()) skb.release();
    ring.release();
    region.release();
  });

  it("writes nothing that a callback has let go before it was sent", async () => {
    const tap = await Tap.open(engine, file);
    const ring = new Ring(engine);
    const region = new UserRegion(engine, 100);
    const gone = packet(1);
    const lent = engine.alloc(0);
    // The tap's copy of the second packet is what completes it.
    lent.addUserFrag(region, 0, 100, new Ubuf(engine, () => gone.release()));
    expect(caught(() => tap.on(ring).enqueueBurst([gone, lent]))).toMatchObject({ code: "ERR_SKB_STALE" });
    expect(tap.stats().offered).toBe(0);
    lent.release();
    await tap.close();
    expect(await contents(file)).toEqual([]);
    ring.release();
    region.release();
  });

  describe("when the wall clock is set", () => {
    const real = Date.now;
    afterEach(() => {
      Date.now = real;
    });

    it("follows it, and goes evenly in between", async () => {
      const tap = await Tap.open(engine, file, { capacity: 4096 });
      const told: [number, number][] = [];
      for (const shift of [0, 3_600_000, -3_600_000]) {
        Date.now = () => real() + shift;
        for (let i = 0; i < 500; i++) {
          const before = Date.now();
          const skb = packet(0, 1);
          tap.offer(skb);
          skb.release();
          told.push([before, Date.now()]);
        }
      }
      Date.now = real;
      await tap.close();
      const found = await contents(file);
      expect(found.length).toBe(1500);
      for (const [i, { time }] of found.entries()) {
        const [before, after] = told[i] as [number, number];
        const ms = Number(time) / 1e6;
        expect(ms > before - 4 && ms < after + 5, `${ms} in ${before}..${after}`).toBe(true);
        if (i % 500 > 0) expect(time >= (found[i - 1]?.time ?? 0n)).toBe(true);
      }
    });
  });

  it("needs shared memory, and says so", async () => {
    const unshared = await Engine.create({ memory: 1 << 20, shared: false });
    const error = await Tap.open(unshared, file).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: "ERR_SKB_SHARED_MEMORY" });
    expect(unshared.close()).toEqual([]);
  });
});
