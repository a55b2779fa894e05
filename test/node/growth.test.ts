// What waits for its turn costs the same however much waits before it: queues, backlogs, deframing, and those who wait.

import { PassThrough, Writable } from "node:stream";
import { Engine, type Skb } from "skbuff";
import { stats } from "skbuff/inspect";
import { type Outbox, StreamReceiver, StreamSender, UdpReceiver } from "skbuff/node";
import { WebSocketSender, WebStreamSender } from "skbuff/web";
import { describe, expect, it } from "vitest";
import { Fifo } from "../../src/io/fifo.js";
import { expectLinear, exponent, fastest, processorMs, timed } from "../exponent.js";
import { fakeSocket, State } from "./fake-socket.js";

const MANY = [1000, 10_000, 100_000, 1_000_000];

it("a queue keeps its order, whatever goes in and out", () => {
  const fifo = new Fifo<number>();
  const model: number[] = [];
  let state = 1;
  for (let i = 0; i < 20_000; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // By turns it grows and shrinks.
    if (state % 16 < (i % 5000 < 2500 ? 10 : 5)) {
      fifo.push(i);
      model.push(i);
    } else expect(fifo.shift()).toBe(model.shift());
    expect([fifo.length, fifo.peek(), fifo.last(), fifo.at(3), fifo.at(model.length)]).toEqual([
      model.length,
      model[0],
      model.at(-1),
      model[3],
      undefined,
    ]);
  }
});

it("a queue takes time in proportion to what goes through it, however long it is", () => {
  expectLinear((n) => {
    return fastest(n < 100_000 ? 20 : 2, () =>
      timed(() => {
        const fifo = new Fifo<object>();
        for (let i = 0; i < n; i++) fifo.push(fifo);
        for (let i = 0; i < n; i++) fifo.push(fifo.shift() as object);
        for (let i = 0; i < n; i++) fifo.shift();
      }),
    );
  }, MANY);
});

it("a backlog of datagrams costs as much a packet as a short one", async () => {
  const engine = await Engine.create({ memory: 128 << 20, threads: 1, skbs: 2 ** 18 - 64 });
  const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0, backlog: 2 ** 18 });
  const info = { address: "127.0.0.1", family: "IPv4", port: 9, size: 8 };
  const bytes = Buffer.alloc(8);
  const out: Skb[] = new Array(64);
  expectLinear(
    (n) =>
      fastest(n < 100_000 ? 5 : 1, () => {
        const time = timed(() => {
          for (let i = 0; i < n; i++) receiver.socket.emit("message", bytes, info);
          for (let i = 0; i < n; ) {
            const some = receiver.dequeueBurst(out, out.length, { reuse: true });
            engine.releaseBurst(out, some);
            i += some;
          }
        });
        expect([receiver.size, receiver.stats().dropped]).toEqual([0, { full: 0, exhausted: 0 }]);
        return time;
      }),
    [2000, 20_000, 200_000],
  );
  await receiver.close();
  expect(engine.close()).toEqual([]);
});

/** Milliseconds of processor time of something asynchronous. */
async function timedAsync(run: () => Promise<unknown>): Promise<number> {
  const start = processorMs();
  await run();
  return processorMs() - start;
}

/** As `expectLinear`, for what is asynchronous. */
async function expectLinearAsync(
  measure: (n: number) => Promise<number>,
  sizes: readonly number[],
): Promise<void> {
  const seen: number[] = [];
  for (let attempt = 0; attempt < 4; attempt++) {
    const times: number[] = [];
    for (const n of sizes) times.push(await measure(n));
    const slope = exponent(sizes, times);
    seen.push(slope);
    if (slope < 1.3) return;
  }
  expect(seen).toEqual("an exponent below 1.3");
}

it("those who wait for a packet are woken for one each", async () => {
  const engine = await Engine.create({ memory: 32 << 20, threads: 1, skbs: 2 ** 16 - 64 });
  const stream = new PassThrough();
  const receiver = StreamReceiver.from(engine, stream, { framing: "length16", backlog: 2 ** 31 });
  const consume = async (): Promise<void> => {
    for (;;) {
      const skb = receiver.dequeue();
      if (skb !== null) {
        skb.release();
        return;
      }
      await receiver.waitAsync();
    }
  };
  await expectLinearAsync(
    (n) =>
      timedAsync(async () => {
        const consumers = Array.from({ length: n }, consume);
        for (let i = 0; i < n; i++) {
          stream.write(Buffer.alloc(2));
          await new Promise(setImmediate);
        }
        await Promise.all(consumers);
      }),
    [250, 1000, 4000],
  );
  await receiver.close();
  expect(engine.close()).toEqual([]);
});

it("those who wait for room are woken as there is some", async () => {
  const engine = await Engine.create({ memory: 64 << 20, threads: 1, skbs: 2 ** 16 - 64 });
  const sink = new Writable({ write: (_chunk, _encoding, done) => setImmediate(done) });
  const sender = new StreamSender(engine, sink, { inFlight: 1600 });
  const produce = async (): Promise<void> => {
    const skb = engine.alloc(100).putZeros(100);
    while (!sender.enqueue(skb)) await sender.waitWritableAsync();
  };
  await expectLinearAsync(
    (n) => timedAsync(() => Promise.all(Array.from({ length: n }, produce))),
    [250, 1000, 4000, 16_000],
  );
  await sender.close();
  expect(engine.close()).toEqual([]);
});

it("a stream's packets cost the same however many it is cut from, and into", async () => {
  const engine = await Engine.create({ memory: 128 << 20, threads: 1, skbs: 2 ** 18 - 64 });
  await expectLinearAsync(
    (n) =>
      timedAsync(async () => {
        // Neither a length nor a packet is ever whole in one piece.
        const stream = new PassThrough({ highWaterMark: 2 ** 30 });
        const receiver = StreamReceiver.from(engine, stream, { framing: "length16", backlog: 2 ** 31 });
        const bytes = Buffer.from([0, 5, 1, 2, 3, 4, 5]);
        for (let i = 0; i < n; i++) {
          const at = (i * 3) % 7;
          stream.write(Buffer.concat([bytes.subarray(at), bytes]).subarray(0, 3));
        }
        await receiver.waitAsync();
        while (receiver.stats().bytes < 3 * n) await new Promise(setImmediate);
        receiver.abort();
        await receiver.close();
      }),
    [1000, 8000, 64_000],
  );
  expect(engine.close()).toEqual([]);
});

describe("a packet costs the same however many wait", () => {
  const inFlight = 2 ** 31;

  /** A sender that sends nothing, and what makes it fail. */
  const SENDERS: Record<string, (engine: Engine) => [Outbox, () => void]> = {
    "in a StreamSender": (engine) => {
      const never = new Writable({ write: () => {} });
      return [new StreamSender(engine, never, { inFlight, framing: "length16" }), () => never.destroy()];
    },
    "for a WebSocket to open": (engine) => {
      const socket = fakeSocket(State.connecting);
      const sender = new WebSocketSender(engine, socket, { inFlight });
      return [
        sender,
        () => {
          socket.readyState = State.closed;
          void sender.waitWritableAsync();
        },
      ];
    },
    "in a WebStreamSender": (engine) => {
      const never = new WritableStream({ write: () => new Promise<void>(() => {}) });
      const sender = new WebStreamSender(engine, never, { inFlight });
      return [sender, () => sender.abort()];
    },
  };

  it.each(Object.entries(SENDERS))("%s", async (_, make) => {
    const engine = await Engine.create({ memory: 256 << 20, threads: 1, skbs: 2 ** 18 - 64 });
    const skbs: Skb[] = new Array(100);
    await expectLinearAsync(
      async (n) => {
        const [sender, fail] = make(engine);
        const time = await timedAsync(async () => {
          for (let i = 0; i < n; ) {
            engine.allocBurst(skbs, 0, skbs.length, { reuse: true });
            const taken = sender.enqueueBurst(skbs);
            engine.releaseBurst(skbs.slice(taken));
            i += taken;
            await sender.waitWritableAsync(1);
          }
        });
        fail();
        while (stats(engine).skbs.used > 0) await new Promise(setImmediate);
        return time;
      },
      [1000, 8000, 64_000],
    );
    expect(engine.close()).toEqual([]);
  });
});
