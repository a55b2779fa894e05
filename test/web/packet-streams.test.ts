// Rings and sockets as streams of packets: every packet arrives, or goes back, once.

import { type Engine, Ring, type Skb } from "skbuff";
import {
  readablePackets,
  TransportError,
  WebStreamReceiver,
  WebStreamSender,
  writablePackets,
} from "skbuff/web";
import { expect, it } from "vitest";
import { forEachKind, NOTHING, turn } from "../node/support.js";
import { bytesAt, codeOf, expectBytes, used, World } from "../packets.js";

/** What types of streams are without, and Node's streams have. */
const iterated = (readable: ReadableStream<Skb>): AsyncIterable<Skb> =>
  readable as unknown as AsyncIterable<Skb>;

forEachKind((make) => {
  const packet = (engine: Engine, i: number, n = 100): Skb => engine.alloc(n).putData(bytesAt(i, n));

  /** What a promise rejects with. */
  const rejection = (promise: Promise<unknown>): Promise<Error & { code?: string }> =>
    promise.then(
      () => Promise.reject(new Error("it resolved")),
      (error) => error,
    );

  it("pipes from ring to ring, with backpressure", async () => {
    const engine = await make();
    const from = new Ring(engine, { capacity: 8 });
    const to = new Ring(engine, { capacity: 2 });
    const piped = readablePackets(from).pipeTo(writablePackets(to));
    const send = async (): Promise<void> => {
      for (let i = 0; i < 200; i++) {
        const skb = packet(engine, i);
        while (!from.enqueue(skb)) await from.waitWritableAsync(1);
      }
      from.close();
    };
    let i = 0;
    const receive = async (): Promise<void> => {
      for await (const skb of to) {
        expectBytes(skb.toBytes(), bytesAt(i++, 100), `packet ${i}`);
        skb.release();
      }
    };
    await Promise.all([send(), receive(), piped]);
    expect([i, to.closed]).toEqual([200, true]);
    from.release();
    to.release();
  });

  it("pipes through bytes and back", async () => {
    const engine = await make();
    const from = new Ring(engine, { capacity: 8 });
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const sender = new WebStreamSender(engine, writable, { framing: "length32" });
    const receiver = new WebStreamReceiver(engine, readable, { framing: "length32" });
    const piped = readablePackets(from).pipeTo(writablePackets(sender));
    for (let i = 0; i < 5; i++) from.enqueue(packet(engine, i, 1000 * i));
    from.close();
    let i = 0;
    for await (const skb of iterated(readablePackets(receiver))) {
      expectBytes(skb.toBytes(), bytesAt(i, 1000 * i), `packet ${i++}`);
      skb.release();
    }
    await piped;
    expect(i).toBe(5);
    from.release();
  });

  it("takes nothing out before it is asked", async () => {
    const engine = await make();
    const ring = new Ring(engine);
    ring.enqueueBurst([packet(engine, 0), packet(engine, 1)]);
    const reader = readablePackets(ring).getReader();
    await turn();
    expect(ring.size).toBe(2);
    const { value } = await reader.read();
    expect(ring.size).toBe(1);
    value?.release();
    // Who waits is told that there will be nothing.
    const pending = [reader.read(), reader.read()] as const;
    (await pending[0]).value?.release();
    await reader.cancel();
    expect(await pending[1]).toEqual({ value: undefined, done: true });
    expect(ring.closed).toBe(true);
    ring.release();
  });

  it("releases what is in the source when it is cancelled", async () => {
    const engine = await make();
    const w = new World(engine);
    const ring = new Ring(engine);
    ring.enqueueBurst([packet(engine, 0), w.lend(w.linear(10), 100, w.ubuf())]);
    await readablePackets(ring).cancel();
    expect(w.completions.length).toBe(1);
    ring.release();
    w.clean();
    expect(used(engine)).toEqual(NOTHING);
  });

  it("fails as its source does, behind the last packet", async () => {
    const engine = await make();
    let n = 0;
    const receiver = new WebStreamReceiver(
      engine,
      new ReadableStream({
        pull(controller) {
          if (n++ < 2) controller.enqueue(bytesAt(n, 10));
          else controller.error(new Error("broken"));
        },
      }),
    );
    const reader = readablePackets(receiver).getReader();
    for (let i = 0; i < 2; i++) (await reader.read()).value?.release();
    expect(await rejection(reader.read())).toBeInstanceOf(TransportError);
    receiver.abort();
  });

  it("gives back all that a stream has which is aborted, also what waits in it", async () => {
    const engine = await make();
    const w = new World(engine);
    const ring = new Ring(engine, { capacity: 2 });
    const writable = writablePackets(ring);
    const writer = writable.getWriter();
    const writes: Promise<void>[] = [];
    for (let i = 0; i < 40; i++) {
      const skb = w.lend(w.linear(10), 100, w.ubuf());
      writes.push(writer.write(skb));
      expect(skb.alive).toBe(false);
    }
    await Promise.all(writes.slice(0, 2));
    expect(writer.desiredSize).toBeLessThanOrEqual(0);
    // One waits for room in the ring, the rest in the stream.
    const results = Promise.allSettled(writes);
    await writer.abort(new Error("enough"));
    expect(w.completions.length).toBe(38);
    expect((await results).filter(({ status }) => status === "rejected").length).toBe(37);
    expect(ring.closed).toBe(true);
    for (let skb = ring.dequeue(); skb !== null; skb = ring.dequeue()) skb.release();
    ring.release();
    w.clean();
    expect(used(engine)).toEqual(NOTHING);
  });

  it("gives back all when the transmitter takes no more", async () => {
    const engine = await make();
    const ring = new Ring(engine, { capacity: 2 });
    const writer = writablePackets(ring).getWriter();
    writer.closed.catch(() => {});
    const writes = Array.from({ length: 10 }, (_, i) => writer.write(packet(engine, i)));
    const results = Promise.allSettled(writes);
    await turn();
    ring.close();
    const failed = (await results).filter((result) => result.status === "rejected");
    expect(failed.length).toBe(8);
    expect((failed[0] as PromiseRejectedResult).reason.code).toBe("ERR_SKB_RING_CLOSED");
    // One that a stream refuses which has failed stays the caller's.
    const late = packet(engine, 0);
    await rejection(writer.write(late));
    expect(late.alive).toBe(true);
    late.release();
    for (let skb = ring.dequeue(); skb !== null; skb = ring.dequeue()) skb.release();
    ring.release();
    expect(used(engine)).toEqual(NOTHING);
  });

  it("fails by what is no packet to give away, which stays as it is", async () => {
    const engine = await make();
    const held = packet(engine, 0);
    const twin = held.get();
    const ended = packet(engine, 0);
    ended.release();
    for (const [wild, code] of [
      [held, "ERR_SKB_HELD"],
      [ended, "ERR_SKB_STALE"],
      [null, "ERR_SKB_TYPE"],
      [bytesAt(0, 10), "ERR_SKB_TYPE"],
    ] as [Skb, string][]) {
      const ring = new Ring(engine, { capacity: 2 });
      const writer = writablePackets(ring).getWriter();
      writer.closed.catch(() => {});
      const before = Array.from({ length: 5 }, (_, i) => writer.write(packet(engine, i)));
      const results = Promise.allSettled(before);
      expect((await rejection(writer.write(wild))).code).toBe(code);
      ring.close();
      await results;
      for (let skb = ring.dequeue(); skb !== null; skb = ring.dequeue()) skb.release();
      ring.release();
    }
    held.release();
    twin.release();
    expect(used(engine)).toEqual(NOTHING);
  });

  it("takes what is written after close(), and gives it back", async () => {
    const engine = await make();
    const ring = new Ring(engine, { capacity: 1 });
    const writer = writablePackets(ring).getWriter();
    const writes = [writer.write(packet(engine, 0)), writer.write(packet(engine, 1))];
    const closed = writer.close();
    const late = packet(engine, 2);
    const refused = rejection(writer.write(late));
    ring.dequeue()?.release();
    while (ring.size === 0) await turn();
    ring.dequeue()?.release();
    await Promise.all([...writes, closed]);
    await refused;
    late[Symbol.dispose]();
    ring.release();
    expect(used(engine)).toEqual(NOTHING);
  });

  it("refuses what gives or takes no packets", async () => {
    for (const wild of [null, {}, new TransformStream()]) {
      expect(codeOf(() => readablePackets(wild as never))).toBe("ERR_SKB_TYPE");
      expect(codeOf(() => writablePackets(wild as never))).toBe("ERR_SKB_TYPE");
    }
  });
});
