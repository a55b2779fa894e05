// Nothing that senders and receivers do starves the event loop, and nothing calls itself once for each packet.

import { PassThrough, Readable, Writable } from "node:stream";
import { Engine, Ring, type Skb, Ubuf, UserRegion } from "skbuff";
import { audit } from "skbuff/inspect";
import { StreamReceiver, StreamSender, UdpReceiver, UdpSender } from "skbuff/node";
import {
  readablePackets,
  WebSocketSender,
  WebStreamReceiver,
  WebStreamSender,
  writablePackets,
} from "skbuff/web";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fakeSocket, State } from "./fake-socket.js";
import { turn, until } from "./support.js";

let engine: Engine;
beforeEach(async () => {
  engine = await Engine.create({ memory: 8 << 20 });
});
afterEach(() => {
  expect(audit(engine).problems).toEqual([]);
  expect(engine.close()).toEqual([]);
});

/** Whether timers run while something goes on for ever; it is stopped by the timer. */
async function expectTurns(run: (over: () => boolean) => Promise<void>): Promise<void> {
  let timers = 0;
  let stop = false;
  const start = performance.now();
  const tick = (): void => {
    if (++timers === 5) stop = true;
    else setTimeout(tick, 1);
  };
  setTimeout(tick, 1);
  // Who starves the timers must come to an end, too.
  await run(() => stop || performance.now() - start > 5000);
  expect(stop).toBe(true);
}

describe("timers run while packets keep coming", () => {
  it("from a readable stream of packets, that a loop reads", () =>
    expectTurns(async (over) => {
      const ring = new Ring(engine, { capacity: 4 });
      const fill = (): boolean => ring.enqueue(engine.alloc(1));
      fill();
      for await (const skb of readablePackets(ring) as unknown as AsyncIterable<Skb>) {
        skb.release();
        if (over()) break;
        fill();
      }
      ring.release();
    }));

  it("into a writable stream of packets", () =>
    expectTurns(async (over) => {
      const ring = new Ring(engine, { capacity: 4 });
      const writer = writablePackets(ring).getWriter();
      while (!over()) {
        await writer.write(engine.alloc(1));
        ring.dequeue()?.release();
      }
      await writer.close();
      ring.release();
    }));

  it("through a pipe from one into the other", () =>
    expectTurns(async (over) => {
      const [there, back] = [new Ring(engine, { capacity: 64 }), new Ring(engine, { capacity: 64 })];
      for (let i = 0; i < 8; i++) there.enqueue(engine.alloc(1));
      const reflect = {
        enqueue: (skb: Skb) => {
          if (over()) there.close();
          return over() ? back.enqueue(skb) : there.enqueue(skb);
        },
        enqueueBurst: () => 0,
        waitWritableAsync: () => there.waitWritableAsync(),
      };
      await readablePackets(there).pipeTo(writablePackets(reflect));
      for (let skb = back.dequeue(); skb !== null; skb = back.dequeue()) skb.release();
      there.release();
      back.release();
    }));

  it("from a web stream that always has something, be it nothing", () =>
    expectTurns(async (over) => {
      const stream = new ReadableStream<Uint8Array>({
        pull: (controller) => (over() ? controller.close() : controller.enqueue(new Uint8Array(0))),
      });
      const receiver = new WebStreamReceiver(engine, stream, { framing: "length16", chunk: 4096 });
      expect(await receiver.waitAsync()).toBe("ended");
    }));

  it.each(["a web stream", "a stream"])("from %s that is always ready", (what) =>
    expectTurns(async (over) => {
      const bytes = (): Uint8Array => new Uint8Array(100);
      const receiver =
        what === "a stream"
          ? StreamReceiver.from(
              engine,
              new Readable({
                read() {
                  this.push(bytes());
                },
              }),
            )
          : new WebStreamReceiver(
              engine,
              new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(bytes()) }),
            );
      for await (const skb of receiver) {
        skb.release();
        if (over()) break;
      }
      receiver.abort();
      await receiver.close();
    }),
  );

  it.each(["a web stream", "a stream"])("into %s that takes everything at once", (what) =>
    expectTurns(async (over) => {
      const sender =
        what === "a stream"
          ? new StreamSender(engine, new Writable({ write: (_chunk, _encoding, done) => done() }), {
              inFlight: 2000,
            })
          : new WebStreamSender(engine, new WritableStream(), { inFlight: 2000 });
      while (!over()) {
        const skb = engine.alloc(100).putZeros(100);
        while (!sender.enqueue(skb)) await sender.waitWritableAsync();
      }
      await sender.close();
    }),
  );
});

describe("a chain has any length: each completion sends the next packet", () => {
  const LENGTH = 20_000;

  /** Sends packet after packet, each from the callback of the one before it. Returns how many were let go. */
  function chain(send: (skb: Skb) => boolean): { count: number; end: () => void } {
    const region = new UserRegion(engine, 4096);
    const state = { count: 0, end: () => region.release() };
    const next = (): void => {
      const skb = engine.alloc(0);
      const ubuf = new Ubuf(engine, () => {
        if (++state.count < LENGTH) next();
      });
      skb.addUserFrag(region, 0, 10, ubuf);
      if (send(skb)) return;
      // Others should have their turn; then it goes on.
      void retry(skb);
    };
    const retry = async (skb: Skb): Promise<void> => {
      do await turn();
      while (!send(skb));
    };
    next();
    return state;
  }

  it("over UDP", async () => {
    const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0, backlog: 1 });
    const sender = await UdpSender.open(engine, { host: "127.0.0.1", port: receiver.port, inFlight: 1 });
    const state = chain((skb) => sender.enqueue(skb));
    await until("the end of the chain", () => state.count === LENGTH);
    state.end();
    await sender.close();
    receiver.abort();
    await receiver.close();
  });

  it("over UDP, to a socket that somebody has closed, from what is told of the failure", async () => {
    const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0 });
    let told = 0;
    const sender = await UdpSender.open(engine, {
      host: "127.0.0.1",
      port: receiver.port,
      onError: () => {
        if (++told < LENGTH) send();
      },
    });
    const send = (): void => {
      const skb = engine.alloc(1);
      if (sender.enqueue(skb)) return;
      skb.release();
      void turn().then(send);
    };
    sender.socket.close();
    send();
    await until("the last failure", () => told === LENGTH);
    expect(sender.stats()).toMatchObject({ failed: LENGTH, inFlight: 0 });
    await sender.close();
    await receiver.close();
  });

  it("into a stream that calls back at once, copied or lent", async () => {
    for (const copy of [true, false]) {
      // Not one of Node's: it calls back within `write`.
      const listeners: Record<string, () => void> = {};
      const stream = {
        write: (_bytes: Uint8Array, done: () => void) => done(),
        on: (name: string, listener: () => void) => {
          listeners[name] = listener;
        },
        end: () => listeners.finish?.(),
      };
      const sender = new StreamSender(engine, stream as unknown as Writable, { copy, inFlight: 20 });
      const state = chain((skb) => sender.enqueue(skb));
      await until("the end of the chain", () => state.count === LENGTH);
      state.end();
      await sender.close();
    }
  });

  it("into a PassThrough, a web stream and a WebSocket", async () => {
    const socket = fakeSocket(State.open);
    for (const sender of [
      new StreamSender(engine, new PassThrough().resume()),
      new WebStreamSender(engine, new WritableStream()),
      new WebSocketSender(engine, socket, { end: false }),
    ]) {
      const state = chain((skb) => sender.enqueue(skb));
      await until("the end of the chain", () => state.count === LENGTH);
      state.end();
      await sender.close();
    }
  });
});
