// How senders and receivers end: close, abort and `await using` mean the same for all of them, over real sockets, files, pipes,
// WebSockets and streams of the web.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, createWriteStream, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { Engine, Ubuf, UserRegion } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import {
  StreamReceiver,
  StreamSender,
  type Transmitter,
  UdpReceiver,
  UdpSender,
  UdpSocket,
} from "skbuff/node";
import { WebSocketReceiver, WebSocketSender, WebStreamReceiver, WebStreamSender } from "skbuff/web";
import { beforeEach, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { connection, freshPath } from "./sockets.js";
import { cleaner } from "./support.js";

const defer = cleaner();
let engine: Engine;

beforeEach(async () => {
  engine = await Engine.create({ memory: 16 << 20 });
  defer(() => {
    expect(audit(engine).problems).toEqual([]);
    expect(engine.close()).toEqual([]);
  });
});

interface Ending {
  close(): Promise<unknown>;
  abort(reason?: unknown): void;
}

interface Sending {
  readonly sender: Transmitter & Ending;
  /** Whether the peer never reads, so that the sender fills up. */
  readonly stuck: boolean;
}

/** A WebSocket whose peer reads nothing. */
async function deaf(): Promise<WebSocket> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  await once(server, "listening");
  server.on("connection", (socket, { socket: below }) => {
    socket.on("error", () => {});
    below.pause();
  });
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  client.on("error", () => {});
  await once(client, "open");
  defer(() => {
    client.terminate();
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return client;
}

const SENDERS: Record<string, () => Promise<Sending>> = {
  "StreamSender, TCP": async () => {
    const [near] = await connection(defer, "127.0.0.1");
    return { sender: new StreamSender(engine, near, { inFlight: 100_000 }), stuck: true };
  },
  "StreamSender, a Unix socket": async () => {
    const [near] = await connection(defer, "unix");
    return {
      sender: new StreamSender(engine, near, { inFlight: 100_000, framing: "length16" }),
      stuck: true,
    };
  },
  "StreamSender, the input of a process that does not read": async () => {
    const child = spawn("sleep", ["600"], { stdio: ["pipe", "ignore", "ignore"] });
    defer(() => child.kill("SIGKILL"));
    return { sender: new StreamSender(engine, child.stdin, { inFlight: 100_000 }), stuck: true };
  },
  "StreamSender, a stream that nobody reads": async () => ({
    sender: new StreamSender(engine, new PassThrough({ highWaterMark: 1000 }), { inFlight: 100_000 }),
    stuck: true,
  }),
  "StreamSender, a file": async () => ({
    sender: new StreamSender(engine, createWriteStream(freshPath())),
    stuck: false,
  }),
  UdpSender: async () => {
    const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0 });
    defer(() => receiver.abort());
    return {
      sender: await UdpSender.open(engine, { host: "127.0.0.1", port: receiver.port }),
      stuck: false,
    };
  },
  UdpSocket: async () => {
    const peer = await UdpSocket.open(engine, { host: "127.0.0.1" });
    defer(() => peer.abort());
    const { port } = peer;
    return { sender: await UdpSocket.open(engine, { peer: { host: "127.0.0.1", port } }), stuck: false };
  },
  WebSocketSender: async () => ({
    sender: new WebSocketSender(engine, await deaf(), { inFlight: 100_000 }),
    stuck: true,
  }),
  WebStreamSender: async () => ({
    sender: new WebStreamSender(engine, new WritableStream({ write: () => new Promise(() => {}) }), {
      inFlight: 100_000,
    }),
    stuck: true,
  }),
};

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => ["resolved", value],
    (reason: unknown) => reason,
  );
}

/** Whether something is so soon: within the turns of the event loop that a closed socket takes to call back. */
async function soon(what: () => boolean): Promise<boolean> {
  const end = performance.now() + 10_000;
  while (!what() && performance.now() < end) await new Promise(setImmediate);
  return what();
}

describe.each(Object.entries(SENDERS))("%s", (_, open) => {
  let lent = 0;
  let back = 0;

  /** Sends as much as there is room for, lent memory too. */
  async function fill({ sender, stuck }: Sending): Promise<void> {
    const region = new UserRegion(engine, 1000);
    lent = 0;
    back = 0;
    for (let i = 0; i < (stuck ? 10_000 : 30); i++) {
      const skb = engine.alloc(100).putZeros(100);
      const ubuf = new Ubuf(engine, () => back++);
      skb.addUserFrag(region, 0, 900, ubuf);
      if (!sender.enqueue(skb)) {
        const woken = await sender.waitWritableAsync(1, { timeout: 60 });
        if (woken !== "ready" || !sender.enqueue(skb)) {
          skb.release();
          back--;
          if (woken !== "ready") break;
          continue;
        }
      }
      lent++;
    }
    region.release();
  }

  it("closed twice, and aborted after it", async () => {
    const { sender, stuck } = await open();
    if (stuck) {
      // A peer may not answer even to that.
      const closing = Promise.all([rejection(sender.close()), rejection(sender.close())]);
      sender.abort();
      const [first, second] = await closing;
      expect(first).toEqual(second);
    } else {
      await fill({ sender, stuck });
      await Promise.all([sender.close(), sender.close()]);
      expect(await soon(() => back === lent)).toBe(true);
      sender.abort("too late");
      await sender.close();
    }
    const skb = engine.alloc(1);
    expect(() => sender.enqueue(skb)).toThrow();
    skb.release();
    expect(await sender.waitWritableAsync()).toBe("ended");
  });

  it("aborted twice, though the peer does not read: all comes back", async () => {
    const sending = await open();
    const { sender } = sending;
    await fill(sending);
    if (sending.stuck) expect(back).toBeLessThan(lent + 1);
    const reason = new Error("enough");
    sender.abort(reason);
    sender.abort(new Error("again"));
    expect(await rejection(sender.close())).toBe(reason);
    expect(await soon(() => back === lent)).toBe(true);
    const skb = engine.alloc(1);
    expect(() => sender.enqueue(skb)).toThrow(reason);
    skb.release();
    expect(await sender.waitWritableAsync()).toBe("ended");
  });

  it("aborted while it is waited for", async () => {
    const sending = await open();
    const { sender, stuck } = sending;
    await fill(sending);
    const waiting = stuck ? rejection(sender.waitWritableAsync()) : null;
    sender.abort("enough");
    if (waiting !== null) expect(await waiting).toBe("enough");
    expect(await rejection(sender.close())).toBe("enough");
    expect(await soon(() => back === lent)).toBe(true);
  });

  it("aborted after close has begun", async () => {
    const sending = await open();
    const { sender, stuck } = sending;
    await fill(sending);
    const closing = rejection(sender.close());
    sender.abort("enough");
    expect(await closing).toBe("enough");
    if (stuck) expect(await soon(() => back === lent)).toBe(true);
    expect(await soon(() => back === lent)).toBe(true);
  });

  it("left by `await using`, after abort, too", async () => {
    const sending = await open();
    const sender = sending.sender as unknown as Record<symbol, () => Promise<void>> & Ending;
    await fill(sending);
    if (sending.stuck) sender.abort();
    await sender[Symbol.asyncDispose]?.();
    await sender[Symbol.asyncDispose]?.();
    expect(await soon(() => back === lent)).toBe(true);
  });
});

interface Receiving extends Ending {
  readonly size: number;
  readonly ended: boolean;
  dequeue(): unknown;
  waitAsync(options?: { timeout?: number }): Promise<string>;
}

/** Each with a packet that waits in it. */
const RECEIVERS: Record<string, () => Promise<Receiving>> = {
  "StreamReceiver.connect": async () => {
    const { createServer } = await import("node:net");
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.write("hello");
      defer(() => socket.destroy());
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    defer(() => server.close());
    const { port } = server.address() as AddressInfo;
    return StreamReceiver.connect(engine, { host: "127.0.0.1", port });
  },
  "StreamReceiver.from, TCP": async () => {
    const [near, far] = await connection(defer, "127.0.0.1");
    far.write("hello");
    return StreamReceiver.from(engine, near);
  },
  "StreamReceiver.from, a file": async () => {
    const path = freshPath();
    writeFileSync(path, "hello");
    return StreamReceiver.from(engine, createReadStream(path));
  },
  UdpReceiver: async () => {
    const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0 });
    receiver.socket.send("hello", receiver.port, "127.0.0.1");
    return receiver;
  },
  UdpSocket: async () => {
    const socket = await UdpSocket.open(engine, { host: "127.0.0.1" });
    socket.socket.send("hello", socket.port, "127.0.0.1");
    return socket;
  },
  WebSocketReceiver: async () => {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    await once(server, "listening");
    server.on("connection", (socket, { socket: below }) => {
      socket.on("error", () => {});
      socket.send(Buffer.from("hello"), () => below.pause());
    });
    const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    client.on("error", () => {});
    const receiver = new WebSocketReceiver(engine, client);
    defer(() => {
      client.terminate();
      for (const socket of server.clients) socket.terminate();
      server.close();
    });
    return receiver;
  },
  "WebStreamReceiver, of a stream that cannot be cancelled": async () =>
    new WebStreamReceiver(
      engine,
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(5)),
        cancel: () => new Promise(() => {}),
      }),
    ),
};

describe.each(Object.entries(RECEIVERS))("%s", (name, open) => {
  /** What never answers to a close must be aborted. */
  const answers = !name.includes("cannot") && name !== "WebSocketReceiver";

  async function filled(): Promise<Receiving> {
    const receiver = await open();
    expect(await receiver.waitAsync({ timeout: 30_000 })).toBe("ready");
    return receiver;
  }

  it("closed twice: what is there can still be taken out", async () => {
    const receiver = await filled();
    const closing = [receiver.close(), receiver.close()];
    if (answers) await Promise.all(closing);
    expect(receiver.size).toBe(1);
    (receiver.dequeue() as { release(): void }).release();
    expect([receiver.ended, receiver.dequeue(), await receiver.waitAsync()]).toEqual([true, null, "ended"]);
    receiver.abort();
    expect(receiver.ended).toBe(true);
  });

  it("aborted twice: what is there is released, and whoever asks hears why", async () => {
    const receiver = await filled();
    const reason = new Error("enough");
    receiver.abort(reason);
    receiver.abort(new Error("again"));
    expect([receiver.size, stats(engine).skbs.used <= 1]).toEqual([0, true]);
    expect(() => receiver.dequeue()).toThrow(reason);
    await rejection(receiver.close());
  });

  it("aborted while it is waited for", async () => {
    const receiver = await filled();
    (receiver.dequeue() as { release(): void }).release();
    if (receiver.ended || name.includes("file")) {
      receiver.abort();
      return;
    }
    const waiting = rejection(receiver.waitAsync());
    receiver.abort("enough");
    expect(await waiting).toBe("enough");
    await rejection(receiver.close());
  });

  it("aborted after close has begun", async () => {
    const receiver = await filled();
    const closing = rejection(receiver.close());
    receiver.abort("enough");
    expect(receiver.size).toBe(0);
    if (answers) await closing;
  });

  it("left by `await using`", async () => {
    const receiver = (await filled()) as unknown as Record<symbol, () => Promise<void>> & Receiving;
    await receiver[Symbol.asyncDispose]?.();
    await receiver[Symbol.asyncDispose]?.();
    expect(receiver.size).toBe(0);
  });
});
