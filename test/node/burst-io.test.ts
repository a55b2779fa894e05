// Bursts at what makes objects for itself: sockets, streams, capture files and taps. What they do not take stays in the burst, in
// order, whatever callbacks do meanwhile.

import { PassThrough } from "node:stream";
import { Burst, type Engine, Ring, type Skb, Ubuf, UserRegion } from "skbuff";
import { audit } from "skbuff/inspect";
import { CaptureReader, CaptureWriter, StreamSender, Tap, UdpSocket } from "skbuff/node";
import { describe, expect, it } from "vitest";
import { codeOf, used } from "../packets.js";
import { Folder } from "./made.js";
import { forEachKind, NOTHING } from "./support.js";

const folder = new Folder();

/** A burst of packets whose four bytes say which they are. */
function numbered(engine: Engine, n: number): Burst {
  const burst = new Burst(engine, { capacity: n });
  engine.allocBurst(burst, 4);
  for (let i = 0; i < n; i++) {
    burst.putData(i, Uint8Array.of(0, 0, 0, i));
    burst.setMark(i, i);
  }
  return burst;
}

const marks = (burst: Burst): number[] => Array.from({ length: burst.length }, (_, i) => burst.markOf(i));

forEachKind((make, defer) => {
  describe("a sender", () => {
    it("takes the first of a burst, as many as there is room for", async () => {
      const engine = await make();
      const stream = new PassThrough({ highWaterMark: 1 });
      const sender = new StreamSender(engine, stream, { inFlight: 10 });
      defer(() => sender.abort());
      const burst = numbered(engine, 5);
      // Four bytes each, ten in flight.
      expect(sender.enqueueBurst(burst)).toBe(2);
      expect(marks(burst)).toEqual([2, 3, 4]);
      expect(sender.enqueueBurst(burst)).toBe(0);
      expect(marks(burst)).toEqual([2, 3, 4]);
      expect(audit(engine).problems).toEqual([]);
      stream.resume();
      while (burst.length > 0) {
        await sender.waitWritableAsync();
        sender.enqueueBurst(burst);
      }
      await sender.close();
      burst.release();
      expect(used(engine)).toEqual(NOTHING);
    });

    it("takes none if one is held, and says so", async () => {
      const engine = await make();
      const sender = new StreamSender(engine, new PassThrough().resume());
      defer(() => sender.abort());
      const burst = numbered(engine, 3);
      const second = burst.at(1).get();
      expect(codeOf(() => sender.enqueueBurst(burst))).toBe("ERR_SKB_HELD");
      expect(marks(burst)).toEqual([0, 1, 2]);
      second.release();
      expect(sender.enqueueBurst(burst)).toBe(3);
      await sender.close();
      burst.release();
      expect(used(engine)).toEqual(NOTHING);
    });

    it("leaves what it does not take where it was, though a callback fills or releases the burst", async () => {
      for (const what of ["fills", "releases"]) {
        const engine = await make();
        const writer = CaptureWriter.open(engine, folder.fresh(), { batch: 1 });
        const region = new UserRegion(engine, 100);
        const burst = new Burst(engine, { capacity: 4 });
        const ubuf = new Ubuf(engine, () => {
          if (what === "releases") burst.release();
          else engine.allocBurst(burst, 4);
        });
        const skb = engine.alloc(0);
        skb.addUserFrag(region, 0, 100, ubuf);
        burst.push(skb);
        engine.allocBurst(burst, 4);
        let taken = 0;
        try {
          taken = writer.enqueueBurst(burst);
        } finally {
          expect(audit(engine).problems).toEqual([]);
        }
        expect(taken).toBeGreaterThan(0);
        await writer.close();
        burst.release();
        region.release();
        expect(used(engine), what).toEqual(NOTHING);
      }
    });
  });

  it("a socket fills a burst with what has come", async () => {
    const engine = await make();
    const socket = await UdpSocket.open(engine, { host: "127.0.0.1" });
    defer(async () => socket[Symbol.asyncDispose]());
    const out = await UdpSocket.open(engine, { peer: { host: "127.0.0.1", port: socket.port } });
    defer(async () => out[Symbol.asyncDispose]());
    const burst = numbered(engine, 6);
    expect(out.enqueueBurst(burst)).toBe(6);
    const got = new Burst(engine, { capacity: 4 });
    const seen: number[] = [];
    while (seen.length < 6) {
      expect(await socket.waitAsync({ timeout: 10_000 })).toBe("ready");
      socket.dequeueBurst(got);
      for (let i = 0; i < got.length; i++) seen.push(got.readU32(i, 0));
      engine.releaseBurst(got);
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
    for (const one of [burst, got]) one.release();
  });

  it("a tap sees what a burst brings", async () => {
    const engine = await make({ threads: 2 });
    if (!engine.shared) return;
    const file = folder.fresh();
    const tap = await Tap.open(engine, file);
    const ring = new Ring(engine, { capacity: 2 });
    const tapped = tap.on(ring);
    const burst = numbered(engine, 3);
    expect(tapped.enqueueBurst(burst)).toBe(2);
    expect(marks(burst)).toEqual([2]);
    await tap.close();
    const reader = CaptureReader.open(engine, file);
    const packets: Skb[] = [];
    expect(reader.readBurst(packets, 10)).toBe(2);
    expect(packets.map((skb) => skb.readU32(0))).toEqual([0, 1]);
    engine.releaseBurst(packets);
    reader.close();
    burst.release();
    ring.release();
    expect(used(engine)).toEqual(NOTHING);
  });
});
