// What fails half-way gives back what it took: packets, chunks, sockets, threads. Afterwards nothing is out, the engine
// closes, and no handle keeps the process alive.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { PassThrough, Readable, Writable } from "node:stream";
import { Engine, type EngineOptions, type Skb, UserRegion } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { type Inbox, StreamReceiver, StreamSender, UdpReceiver, UdpSender } from "skbuff/node";
import { WebSocketReceiver, WebSocketSender, WebStreamReceiver, WebStreamSender } from "skbuff/web";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { inside } from "../engines.js";
import { bytesAt, caught, expectBytes, expectTyped } from "../packets.js";
import { fakeSocket, State } from "./fake-socket.js";
import { cleaner, turn, until } from "./support.js";

const HERE = "127.0.0.1";
const defer = cleaner();

let engine: Engine;
const create = async (options?: EngineOptions): Promise<void> => {
  engine = await Engine.create({ memory: 1 << 20, threads: 1, ...options });
};
/** Handles that keep a process alive. */
const handles = (): string[] =>
  process.getActiveResourcesInfo().filter((name) => /UDP|TCP|Pipe|Send/.test(name));
let before: string[] = [];

beforeEach(async () => {
  before = handles();
  await create();
});
afterEach(async () => {
  if (!engine.closed) {
    expect(audit(engine)).toMatchObject({ problems: [], complete: true });
    expect(stats(engine).skbs.used).toBe(0);
    expect(engine.close()).toEqual([]);
  }
  await until("no handle is left", () => handles().length <= before.length, 5000);
});

async function rejection(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => new Error("opened"),
    (reason: unknown) => reason,
  );
  expectTyped(error, "a rejection");
  return (error as { code: string }).code;
}

/** A port that is in use, for UDP. */
async function taken(): Promise<number> {
  const socket = createSocket("udp4");
  socket.bind(0, HERE);
  await once(socket, "listening");
  before = handles();
  defer(() => socket.close());
  return socket.address().port;
}

describe("opening", () => {
  it("a port in use, an address of somebody else, a host that is not", async () => {
    const port = await taken();
    expect(await rejection(UdpReceiver.open(engine, { host: HERE, port }))).toBe("ERR_SKB_TRANSPORT");
    expect(await rejection(UdpReceiver.open(engine, { host: "192.0.2.1", port: 0 }))).toBe(
      "ERR_SKB_TRANSPORT",
    );
    for (const host of ["no-such-host.invalid", "256.1.1.1"]) {
      expect(await rejection(UdpReceiver.open(engine, { host, port: 0 }))).toBe("ERR_SKB_TRANSPORT");
      expect(await rejection(UdpSender.open(engine, { host, port: 9 }))).toBe("ERR_SKB_TRANSPORT");
    }
    const options = { host: HERE, port: 9, sendBuffer: 1, onError: {} as never };
    expect(await rejection(UdpSender.open(engine, options))).toBe("ERR_SKB_TYPE");
  });

  it("a connection that nobody takes", async () => {
    const server = createServer().listen(0, HERE);
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, "close");
    for (const options of [{ host: HERE, port }, { path: "/nowhere/at/all" }])
      expect(await rejection(StreamReceiver.connect(engine, options))).toBe("ERR_SKB_TRANSPORT");
    expect(await rejection(StreamReceiver.connect(engine, { host: HERE, port: 70_000 }))).toBe(
      "ERR_SKB_RANGE",
    );
  });

  it("without memory for a chunk, or for a part of one", async () => {
    for (let nth = 1; nth < 20; nth++) {
      inside(engine).failAllocation(nth);
      const opening = StreamReceiver.connect(engine, { path: "/nowhere/at/all" });
      const code = await rejection(opening);
      const left = inside(engine).failAllocation(0);
      expect(["ERR_SKB_EXHAUSTED", "ERR_SKB_TRANSPORT"]).toContain(code);
      expect(stats(engine).skbs.used).toBe(0);
      if (left > 0) break;
    }
    const hoard: Skb[] = [];
    for (let skb = engine.tryAlloc(60_000); skb !== null; skb = engine.tryAlloc(60_000)) hoard.push(skb);
    for (let skb = engine.tryAlloc(1); skb !== null; skb = engine.tryAlloc(1)) hoard.push(skb);
    expect(await rejection(StreamReceiver.connect(engine, { path: "/nowhere" }))).toBe("ERR_SKB_EXHAUSTED");
    engine.releaseBurst(hoard);
  });

  it("an engine that is closed meanwhile", async () => {
    const server = createServer((socket: Socket) => socket.destroy()).listen(0, HERE);
    await once(server, "listening");
    before = handles();
    defer(() => server.close());
    const { port } = server.address() as { port: number };
    const opening = [
      UdpReceiver.open(engine, { port: 0 }),
      UdpReceiver.open(engine, { host: "localhost", port: 0 }),
      UdpSender.open(engine, { host: "localhost", port: 9 }),
      StreamReceiver.connect(engine, { host: HERE, port }),
    ].map(rejection);
    engine.close({ force: true });
    expect(await Promise.all(opening)).toEqual(Array(4).fill("ERR_SKB_CLOSED"));
  });

  it("with arguments that are none: the stream or socket stays as it was", () => {
    const bad = { inFlight: -1, backlog: -1 };
    const readable = new Readable({ read: () => {} });
    const writable = new Writable();
    const web = new TransformStream<Uint8Array, Uint8Array>();
    let listeners = 0;
    const socket = {
      binaryType: "blob",
      readyState: 1,
      bufferedAmount: 0,
      send: () => {},
      close: () => {},
      addEventListener: () => listeners++,
      removeEventListener: () => listeners--,
    };
    const only = ({ inFlight, backlog }: typeof bad, sends: boolean): object =>
      sends ? { inFlight } : { backlog };
    for (const make of [
      () => StreamReceiver.from(engine, readable, only(bad, false)),
      () => new StreamSender(engine, writable, only(bad, true)),
      () => new WebSocketReceiver(engine, socket, only(bad, false)),
      () => new WebSocketSender(engine, socket, only(bad, true)),
      () => new WebStreamReceiver(engine, web.readable, only(bad, false)),
      () => new WebStreamSender(engine, web.writable, only(bad, true)),
    ])
      expect(caught(make)).toMatchObject({ code: "ERR_SKB_RANGE" });
    expect([listeners, socket.binaryType, web.readable.locked, web.writable.locked]).toEqual([
      0,
      "blob",
      false,
      false,
    ]);
    expect([readable.listenerCount("data"), writable.listenerCount("error")]).toEqual([0, 0]);
  });
});

/** Takes all memory but `pages`. Returns what gives it back. */
function starved(pages: number): () => void {
  const regions: UserRegion[] = [];
  const page = (): UserRegion | null => {
    try {
      return new UserRegion(engine, 4096);
    } catch {
      return null;
    }
  };
  for (let region = page(); region !== null; region = page()) regions.push(region);
  for (const region of regions.splice(0, pages)) region.release();
  return () => {
    for (const region of regions) region.release();
  };
}

describe("receiving, with too little memory", () => {
  const LONG = 90_000;

  it.each([
    ["one buffer", () => bytesAt(0, LONG)],
    ["parts", () => [bytesAt(0, 70_000), bytesAt(70_000, 10), bytesAt(70_010, LONG - 70_010)]],
  ])("messages in %s are whole, or dropped and counted", (_, make) => {
    let receive: (data: unknown) => void = () => {};
    const receiver = new WebSocketReceiver(engine, {
      binaryType: "arraybuffer",
      readyState: 1,
      bufferedAmount: 0,
      send: () => {},
      close: () => {},
      addEventListener: (type: string, listener: (event: unknown) => void) => {
        if (type === "message") receive = (data) => listener({ data });
      },
      removeEventListener: () => {},
    } as never);
    let dropped = 0;
    for (let pages = 0; pages < 40; pages++) {
      const end = starved(pages);
      receive(make());
      const skb = receiver.dequeue();
      if (skb === null) dropped++;
      else {
        expectBytes(skb.toBytes(), bytesAt(0, LONG), `${pages} pages`);
        skb.release();
      }
      end();
      expect(stats(engine).skbs.used).toBe(0);
      expect(receiver.stats()).toMatchObject({
        received: pages + 1 - dropped,
        dropped: { exhausted: dropped },
        queuedBytes: 0,
      });
    }
    expect(dropped > 10 && dropped < 40).toBe(true);
  });

  it("datagrams are whole, or dropped and counted", async () => {
    const receiver = await UdpReceiver.open(engine, { host: HERE, port: 0 });
    const info = { address: HERE, family: "IPv4", port: 9, size: 1 };
    let dropped = 0;
    for (let pages = 0; pages < 40; pages++) {
      const end = starved(pages);
      receiver.socket.emit("message", Buffer.from(bytesAt(0, 60_000)), info);
      const skb = receiver.dequeue();
      if (skb === null) dropped++;
      else {
        expectBytes(skb.toBytes(), bytesAt(0, 60_000), `${pages} pages`);
        skb.release();
      }
      end();
      expect(stats(engine).skbs.used).toBe(0);
      expect(receiver.stats()).toMatchObject({
        received: pages + 1 - dropped,
        dropped: { exhausted: dropped },
      });
    }
    expect(dropped > 10 && dropped < 40).toBe(true);
    await receiver.close();
  });

  it.each(["copied", "in chunks"])("streams lose nothing (%s)", async (how) => {
    const frame = Buffer.concat([Buffer.from([0x75, 0x30]), bytesAt(0, 30_000)]);
    let receiver: Inbox;
    let write: (bytes: Uint8Array) => unknown;
    if (how === "copied") {
      const stream = new PassThrough();
      receiver = StreamReceiver.from(engine, stream, { framing: "length16" });
      write = (bytes) => stream.write(bytes);
    } else {
      let controller: ReadableByteStreamController | undefined;
      const stream = new ReadableStream({
        type: "bytes",
        start: (one) => {
          controller = one;
        },
      });
      receiver = new WebStreamReceiver(engine, stream, { framing: "length16", chunk: 8192 });
      write = (bytes) => controller?.enqueue(new Uint8Array(bytes));
    }
    let failures = 0;
    for (let nth = 1; nth < 40; nth++) {
      inside(engine).failAllocation(nth);
      write(frame.subarray(0, 10_000));
      await turn();
      write(frame.subarray(10_000));
      await turn();
      if (inside(engine).failAllocation(0) === 0) failures++;
      expect(await receiver.waitAsync({ timeout: 10_000 })).toBe("ready");
      const skb = receiver.dequeue() as Skb;
      expectBytes(skb.toBytes(), bytesAt(0, 30_000), `allocation ${nth}`);
      skb.release();
    }
    expect(failures).toBeGreaterThan(0);
    receiver.abort();
    await receiver.close();
  });
});

describe("sending, without memory for a copy", () => {
  /** Lets no buffer be made while something runs. */
  async function withoutBuffers(run: () => unknown): Promise<void> {
    const { allocUnsafeSlow } = Buffer;
    const { Uint8Array: real } = globalThis;
    const refuse = (): never => {
      throw new RangeError("Array buffer allocation failed");
    };
    Buffer.allocUnsafeSlow = refuse;
    globalThis.Uint8Array = new Proxy(real, {
      construct: (target, args, newTarget) =>
        typeof args[0] === "number" ? refuse() : (Reflect.construct(target, args, newTarget) as object),
    });
    try {
      await run();
    } finally {
      Buffer.allocUnsafeSlow = allocUnsafeSlow;
      globalThis.Uint8Array = real;
    }
  }

  it.each(["a stream", "a web stream", "a web stream with framing", "a WebSocket"])(
    "%s fails",
    async (what) => {
      const sender =
        what === "a stream"
          ? new StreamSender(engine, new PassThrough().resume())
          : what === "a WebSocket"
            ? new WebSocketSender(engine, fakeSocket(State.open))
            : new WebStreamSender(
                engine,
                new WritableStream(),
                what.endsWith("framing") ? { framing: "length16" } : {},
              );
      const skbs = [1, 2, 3].map((n) => engine.alloc(n).putZeros(n));
      let n = 0;
      await withoutBuffers(async () => {
        n = sender.enqueueBurst(skbs);
        for (let i = 0; i < 3; i++) await turn();
      });
      for (const skb of skbs) if (skb.alive) skb.release();
      expect(sender.stats()).toMatchObject({ sent: 0, failed: n });
      expect(stats(engine).skbs.used).toBe(0);
      const late = engine.alloc(1);
      expect(caught(() => sender.enqueue(late))).toMatchObject({ code: "ERR_SKB_TRANSPORT" });
      late.release();
    },
  );

  it("a UDP socket goes on", async () => {
    engine.close();
    await create({ memory: 4 << 20 });
    const told: string[] = [];
    const receiver = await UdpReceiver.open(engine, { host: HERE, port: 0 });
    const { port } = receiver;
    const sender = await UdpSender.open(engine, {
      host: HERE,
      port,
      onError: ({ message }) => told.push(message),
    });
    const skb = engine.alloc(0);
    for (let i = 0; i < 1100; i++) skb.addFragList(engine.alloc(2).putZeros(2));
    await withoutBuffers(async () => {
      expect(sender.enqueue(skb)).toBe(true);
      await turn();
    });
    expect(sender.stats()).toMatchObject({ sent: 0, failed: 1, inFlight: 0 });
    expect(told.length).toBe(1);
    sender.enqueue(engine.alloc(1));
    await receiver.waitAsync();
    receiver.abort();
    await sender.close();
  });
});
