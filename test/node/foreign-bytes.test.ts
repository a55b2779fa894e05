// Bytes are bytes, wherever they come from: what `putData` takes, receivers take, too.

import { Readable } from "node:stream";
import { runInNewContext } from "node:vm";
import { Engine, type Skb } from "skbuff";
import { audit } from "skbuff/inspect";
import { StreamReceiver, UdpReceiver } from "skbuff/node";
import { WebSocketReceiver, WebStreamReceiver } from "skbuff/web";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesAt, caught, expectBytes } from "../packets.js";

/** Longer than a loop would copy, and in the middle of its buffer. */
const WANTED = bytesAt(7, 300);

function within(buffer: ArrayBufferLike): Uint8Array {
  const view = new Uint8Array(buffer, 3, 300);
  view.set(WANTED);
  return view;
}

class Liar extends Uint8Array {
  override get length(): number {
    return 5;
  }
}

const FORMS: Record<string, () => Uint8Array> = {
  "a Uint8Array": () => within(new ArrayBuffer(400)),
  "a Buffer": () => Buffer.from(WANTED),
  "one over shared memory": () => within(new SharedArrayBuffer(400)),
  "one of another realm": () =>
    runInNewContext("const a = new Uint8Array(400); a.set(w, 3); a.subarray(3, 303)", {
      w: WANTED,
    }) as Uint8Array,
  "one of another realm over shared memory": () =>
    runInNewContext("const a = new Uint8Array(new SharedArrayBuffer(400), 3, 300); a.set(w); a", {
      w: WANTED,
    }) as Uint8Array,
  "one whose class lies": () => {
    const liar = new Liar(300);
    Uint8Array.prototype.set.call(liar, WANTED);
    return liar;
  },
};

const NOT_BYTES: Record<string, () => unknown> = {
  "a DataView": () => new DataView(new ArrayBuffer(8)),
  words: () => new Uint16Array(4),
  "clamped bytes": () => new Uint8ClampedArray(4),
  numbers: () => [1, 2, 3],
  "a number": () => 5,
  "something that looks like it": () => ({ length: 3, buffer: new ArrayBuffer(3), byteOffset: 0 }),
};

type Waiting = { dequeue(): Skb | null; waitAsync(): Promise<string>; abort(): void };

/** A WebSocket of which only the messages matter. */
function socket(): { receive: (data: unknown) => void; close: () => void } & Record<string, unknown> {
  const listeners: Record<string, (event: unknown) => void> = {};
  return {
    binaryType: "nodebuffer",
    readyState: 1,
    bufferedAmount: 0,
    send: () => {},
    addEventListener: (type: string, listener: (event: unknown) => void) => {
      listeners[type] = listener;
    },
    removeEventListener: () => {},
    receive: (data: unknown) => listeners.message?.({ data }),
    close: () => listeners.close?.({ code: 1000, reason: "", wasClean: true }),
  };
}

/** Each gives what it was made of as a packet. */
const RECEIVERS: Record<string, (engine: Engine, chunk: unknown) => Waiting | Promise<Waiting>> = {
  StreamReceiver: (engine, chunk) => StreamReceiver.from(engine, Readable.from([chunk])),
  "WebStreamReceiver, without framing": (engine, chunk) =>
    new WebStreamReceiver(
      engine,
      new ReadableStream<Uint8Array>({
        start: (controller) => {
          controller.enqueue(chunk as Uint8Array);
          controller.close();
        },
      }),
    ),
  WebSocketReceiver: (engine, chunk) => {
    const near = socket();
    const receiver = new WebSocketReceiver(engine, near as never);
    near.receive(chunk);
    return receiver;
  },
};

let engine: Engine;
beforeEach(async () => {
  engine = await Engine.create({ memory: 1 << 20 });
});
afterEach(() => {
  expect(audit(engine).clean).toBe(true);
  expect(engine.close()).toEqual([]);
});

describe.each(Object.entries(FORMS))("%s", (form, make) => {
  it("is taken by putData", () => {
    const skb = engine.alloc(300).putData(make());
    expectBytes(skb.toBytes(), WANTED, form);
    skb.release();
  });

  it.each(Object.entries(RECEIVERS))("is taken by %s", async (_, receive) => {
    const receiver = await receive(engine, make());
    expect(await receiver.waitAsync()).toBe("ready");
    const skb = receiver.dequeue() as Skb;
    expectBytes(skb.toBytes(), WANTED, form);
    skb.release();
    receiver.abort();
  });

  it("is taken by UdpReceiver", async () => {
    const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0 });
    receiver.socket.emit("message", make() as Buffer, { address: "::1", family: "IPv6", port: 9, size: 300 });
    const skb = receiver.dequeue() as Skb;
    expectBytes(skb.toBytes(), WANTED, form);
    skb.release();
    await receiver.close();
  });
});

describe.each(Object.entries(NOT_BYTES))("%s", (_form, make) => {
  it("is taken by nobody", async () => {
    const skb = engine.alloc(300);
    expect(caught(() => skb.putData(make() as Uint8Array))).toMatchObject({ code: "ERR_SKB_TYPE" });
    skb.release();
    for (const receive of Object.values(RECEIVERS)) {
      const receiver = await receive(engine, make());
      await receiver.waitAsync();
      if (!Array.isArray(make()))
        expect(caught(() => receiver.dequeue())).toMatchObject({ code: "ERR_SKB_TRANSPORT" });
      receiver.abort();
    }
  });
});

const blobOf = (parts: readonly Uint8Array[]): Blob => new Blob([...parts] as BlobPart[]);

describe("a WebSocket's messages", () => {
  const PARTS = [WANTED.subarray(0, 100), WANTED.subarray(100, 100), WANTED.subarray(100)];

  it.each([
    ["an ArrayBuffer", () => WANTED.slice().buffer],
    ["a SharedArrayBuffer", () => within(new SharedArrayBuffer(303)).buffer.slice(3)],
    [
      "an ArrayBuffer of another realm",
      () => runInNewContext("new Uint8Array(w).buffer", { w: WANTED }) as unknown,
    ],
    ["parts", () => PARTS],
    ["a Blob", () => blobOf(PARTS)],
  ])("may come as %s", async (form, make) => {
    const near = socket();
    const receiver = new WebSocketReceiver(engine, near as never);
    near.receive(make());
    await receiver.waitAsync();
    const skb = receiver.dequeue() as Skb;
    expectBytes(skb.toBytes(), WANTED, form);
    skb.release();
    near.close();
    expect(await receiver.waitAsync()).toBe("ended");
    expect(receiver.stats()).toMatchObject({ received: 1, bytes: 300, queuedBytes: 0 });
  });

  it("keep their order behind a blob, and their backlog", async () => {
    const near = socket();
    const texts: string[] = [];
    const receiver = new WebSocketReceiver(engine, near as never, {
      backlog: 2800,
      onText: (text) => texts.push(`${text} behind ${receiver.stats().received}`),
    });
    near.receive(blobOf([WANTED]));
    near.receive("text");
    near.receive(WANTED.subarray(0, 2));
    near.receive(blobOf([WANTED.subarray(0, 3)]));
    near.receive(WANTED.subarray(0, 4));
    near.receive(WANTED.subarray(0, 5));
    near.receive(WANTED.subarray(0, 6));
    near.close();
    const lengths: number[] = [];
    for await (const skb of receiver) {
      lengths.push(skb.length);
      skb.release();
    }
    expect(lengths).toEqual([300, 2, 3, 4, 5]);
    expect(texts).toEqual(["text behind 1"]);
    expect(receiver.stats()).toMatchObject({ received: 5, dropped: { full: 1 }, queued: 0, queuedBytes: 0 });
  });

  it("fail with a blob that cannot be read", async () => {
    const near = socket();
    const receiver = new WebSocketReceiver(engine, near as never);
    const cause = new Error("gone");
    near.receive({ size: 3, arrayBuffer: () => Promise.reject(cause) });
    await receiver.waitAsync();
    expect(caught(() => receiver.dequeue())).toMatchObject({ code: "ERR_SKB_TRANSPORT", cause });
  });
});

it("errors of another realm say what they are", async () => {
  const stream = new Readable({ read: () => {} });
  const receiver = StreamReceiver.from(engine, stream);
  stream.destroy(runInNewContext("Object.assign(new Error('no'), { code: 'ENO' })") as Error);
  await receiver.waitAsync();
  expect((caught(() => receiver.dequeue()) as Error).message).toContain("ENO");
});
