// Packets into and out of WebSockets: every byte once and in order, or every packet back.

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { DropReason, type Engine } from "skbuff";
import { stats } from "skbuff/inspect";
import {
  TransportError,
  type WebSocketLike,
  WebSocketReceiver,
  type WebSocketReceiverOptions,
  WebSocketSender,
  type WebSocketSenderOptions,
} from "skbuff/web";
import { describe, expect, it, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { fakeSocket, State } from "../node/fake-socket.js";
import { failure } from "../node/sockets.js";
import { forEachKind, NOTHING, Random, shaped, turn, turnsWhile, until } from "../node/support.js";
import { bytesAt, caught, codeOf, expectBytes, expectTyped, used, World } from "../packets.js";

forEachKind((make, defer, { first }) => {
  /** Two ends of a connection. */
  async function connection(): Promise<[WebSocket, WebSocket]> {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, maxPayload: 2 ** 28 });
    await once(server, "listening");
    const near = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const [[far]] = (await Promise.all([once(server, "connection"), once(near, "open")])) as [
      [WebSocket],
      unknown,
    ];
    server.close();
    for (const socket of [near, far]) {
      socket.on("error", () => {});
      defer(() => socket.terminate());
    }
    return [near, far];
  }

  function sending(
    engine: Engine,
    socket: WebSocket,
    options?: WebSocketSenderOptions,
  ): WebSocketSender<WebSocket> {
    const sender = new WebSocketSender(engine, socket, options);
    defer(() => sender.close().catch(() => {}));
    defer(() => socket.terminate());
    return sender;
  }

  function receiving(
    engine: Engine,
    socket: WebSocket,
    options?: WebSocketReceiverOptions,
  ): WebSocketReceiver<WebSocket> {
    const receiver = new WebSocketReceiver(engine, socket, options);
    defer(() => receiver.abort());
    return receiver;
  }

  /** The messages that come to a socket. */
  function heard(socket: WebSocket): Buffer[] {
    const messages: Buffer[] = [];
    socket.on("message", (data) => messages.push(data as Buffer));
    return messages;
  }

  describe("packets", () => {
    it.each(["nodebuffer", "arraybuffer"] as const)(
      "of every shape come out as they went in (%s)",
      async (type) => {
        const engine = await make({ memory: 16 * 1024 * 1024 });
        const w = new World(engine);
        const random = new Random();
        const [near, far] = await connection();
        near.binaryType = type;
        // One engine at both ends: what the far one gets goes back from where it landed.
        const out = sending(engine, near, { inFlight: random.pick([1, 10_000, 1_000_000]), end: false });
        const back = sending(engine, far, { inFlight: random.pick([1, 10_000, 1_000_000]), end: false });
        const there = receiving(engine, far);
        const here = receiving(engine, near, { headroom: 20 });
        const lengths = Array.from({ length: 150 }, () =>
          random.below(random.pick([2, 100, 3000, 70_000, 200_000])),
        );
        const send = async (): Promise<void> => {
          for (const [i, n] of lengths.entries()) {
            const skb = shaped(w, random, n, i);
            while (!out.enqueue(skb)) await out.waitWritableAsync();
            // The room of both ends, so that nothing is dropped.
            while (here.stats().received < i - 3) await turn();
          }
        };
        const reflect = async (): Promise<void> => {
          for await (const skb of there) while (!back.enqueue(skb)) await back.waitWritableAsync();
        };
        const check = async (): Promise<void> => {
          let i = 0;
          for await (const skb of here) {
            expectBytes(skb.toBytes(), bytesAt(i, lengths[i] as number), `packet ${i}, ${random.hint}`);
            expect(skb.headroom).toBeGreaterThanOrEqual(20);
            skb.release();
            if (++i === lengths.length) near.close();
          }
        };
        await Promise.all([send(), reflect(), check()]);
        expect(here.stats().dropped).toEqual({ full: 0, exhausted: 0, tooLong: 0 });
        expect(here.stats().bytes).toBe(out.stats().bytes);
        w.clean();
        expect(w.completions.every(({ status }) => status === "sent")).toBe(true);
      },
    );

    it("that are lent complete as sent, at once", async () => {
      const engine = await make();
      const w = new World(engine);
      const [near, far] = await connection();
      const messages = heard(far);
      const sender = sending(engine, near);
      const skb = w.lend(w.linear(20), 5000, w.ubuf());
      expect(sender.enqueue(skb)).toBe(true);
      expect([skb.alive, w.completions.map(({ status }) => status)]).toEqual([false, ["sent"]]);
      await sender.close();
      await until("the message", () => messages.length === 1);
      expectBytes(messages[0] as Buffer, bytesAt(0, 5020), "lent");
      w.clean();
    });

    it("of no bytes arrive", async () => {
      const engine = await make();
      const [near, far] = await connection();
      const sender = sending(engine, near);
      const receiver = receiving(engine, far);
      sender.enqueueBurst([engine.alloc(0), engine.alloc(10)]);
      await receiver.waitAsync();
      const skb = receiver.dequeue();
      expect(skb?.length).toBe(0);
      skb?.release();
      await sender.close();
    });
  });

  describe("a sender", () => {
    it("keeps packets as they are until the socket is open", async () => {
      const engine = await make();
      const w = new World(engine);
      const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
      defer(() => server.close());
      await once(server, "listening");
      const peer = once(server, "connection");
      const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
      const sender = sending(engine, socket, { inFlight: 250 });
      expect(sender.enqueueBurst([w.linear(100), w.linear(100, { at: 100 })])).toBe(2);
      const third = w.linear(100, { at: 200 });
      expect(sender.enqueue(third)).toBe(false);
      expect(sender.stats()).toMatchObject({ sent: 0, waiting: 2, inFlightBytes: 200 });
      const [far] = (await peer) as [WebSocket];
      const messages = heard(far);
      while (!sender.enqueue(third)) expect(await sender.waitWritableAsync()).toBe("ready");
      await sender.close();
      await until("all", () => messages.length === 3);
      expectBytes(Buffer.concat(messages), bytesAt(0, 300), "in order");
      expect(sender.stats()).toEqual({ sent: 3, bytes: 300, failed: 0, waiting: 0, inFlightBytes: 0 });
    });

    it("closes in order also before the socket is open", async () => {
      const engine = await make();
      const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
      defer(() => server.close());
      await once(server, "listening");
      const peer = once(server, "connection");
      const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
      const sender = sending(engine, socket);
      sender.enqueue(engine.alloc(10).putData(bytesAt(0, 10)));
      const closed = sender.close();
      const [far] = (await peer) as [WebSocket];
      const messages = heard(far);
      await closed;
      expectBytes(Buffer.concat(messages), bytesAt(0, 10), "what was taken");
    });

    it("gives packets back when there is nobody to connect to", async () => {
      const engine = await make();
      const w = new World(engine);
      const sender = sending(engine, new WebSocket("ws://127.0.0.1:1"));
      sender.enqueueBurst([w.lend(w.linear(20), 100, w.ubuf()), w.linear(100)]);
      expect(await sender.waitWritableAsync(1024 * 1024)).toBe("ended");
      expect(w.completions.length).toBe(1);
      const error = await failure(sender.close());
      expect(error.cause).toBeInstanceOf(Error);
      expect(sender.stats()).toEqual({ sent: 0, bytes: 0, failed: 2, waiting: 0, inFlightBytes: 0 });
      expect(stats(engine).drops[DropReason.notSpecified]).toBe(2);
      w.clean();
      expect(used(engine)).toEqual(NOTHING);
    });

    it("holds no more than may be in flight while the peer does not read", async () => {
      const engine = await make();
      const [near, far] = await connection();
      const sender = sending(engine, near, { inFlight: 300_000 });
      far.pause();
      const payload = bytesAt(0, 60_000);
      let sent = 0;
      let most = 0;
      // Until the system's buffers are full, and the socket's, too. A wait can end in vain before: it waits for half of the room.
      for (let stuck = false; !stuck; ) {
        const skb = engine.alloc(60_000).putData(payload);
        if (sender.enqueue(skb)) sent++;
        else {
          skb.release();
          const woken = await sender.waitWritableAsync(undefined, { timeout: 300 });
          stuck = woken === "timed-out" && near.bufferedAmount > 300_000 - 60_000;
        }
        most = Math.max(most, near.bufferedAmount);
      }
      // Some bytes in front of each message are the protocol's.
      expect(most).toBeGreaterThan(200_000);
      expect(most).toBeLessThan(300_000 + 60_000);
      expect(sender.stats().inFlightBytes).toBe(near.bufferedAmount);
      const messages = heard(far);
      far.resume();
      expect(await sender.waitWritableAsync()).toBe("ready");
      await sender.close();
      await until("all", () => messages.length === sent);
      expect(messages.every((message) => message.equals(payload))).toBe(true);
    });

    it("gives the event loop its turns though the system takes everything at once", async () => {
      const engine = await make();
      const [near, far] = await connection();
      far.on("message", () => {});
      const sender = sending(engine, near, { inFlight: 10_000 });
      const turned = await turnsWhile(async (i) => {
        const skb = engine.alloc(1000).putData(bytesAt(i, 1000));
        while (!sender.enqueue(skb)) await sender.waitWritableAsync();
      });
      expect(turned).toBe(true);
      await sender.close();
    });

    it("fails when the peer dies, and gives everything back", async () => {
      const engine = await make();
      const w = new World(engine);
      const [near, far] = await connection();
      const sender = sending(engine, near, { inFlight: 500_000 });
      far.pause();
      while (sender.enqueue(w.linear(50_000))) await turn();
      const waiting = sender.waitWritableAsync(500_000);
      far.terminate();
      expect(await waiting).toBe("ended");
      const late = w.linear(10);
      const error = caught(() => sender.enqueue(late));
      expect(error).toBeInstanceOf(TransportError);
      expectTyped(error, "after the end");
      expect(late.alive).toBe(true);
      await failure(sender.close());
      w.clean();
      expect(used(engine)).toEqual(NOTHING);
    });

    it("looks at what the socket still has only while somebody waits for it", async () => {
      const engine = await make();
      const socket = fakeSocket(State.open);
      const sender = new WebSocketSender(engine, socket, { inFlight: 100, end: false });
      const timers = vi.spyOn(globalThis, "setTimeout");
      defer(() => timers.mockRestore());
      sender.enqueue(engine.alloc(100).putZeros(100));
      socket.bufferedAmount = 100;
      expect(timers).not.toHaveBeenCalled();
      const waiting = sender.waitWritableAsync(100);
      expect(timers).toHaveBeenCalled();
      socket.bufferedAmount = 0;
      expect(await waiting).toBe("ready");
      socket.bufferedAmount = 100;
      const closing = sender.close();
      socket.bufferedAmount = 0;
      await closing;
    });

    it("leaves the socket open with end: false, when all is sent", async () => {
      const engine = await make();
      const [near, far] = await connection();
      const messages = heard(far);
      const sender = sending(engine, near, { end: false });
      for (let i = 0; i < 20; i++) sender.enqueue(engine.alloc(50_000).putData(bytesAt(i, 50_000)));
      await sender.close();
      expect([near.readyState, near.bufferedAmount]).toEqual([WebSocket.OPEN, 0]);
      near.send("still here");
      await until("all", () => messages.length === 21);
      const late = engine.alloc(1);
      expect(codeOf(() => sender.enqueue(late))).toBe("ERR_SKB_TRANSPORT");
      late.release();
      for (const message of messages.slice(0, 20)) expect(message.length).toBe(50_000);
    });

    it("refuses what it cannot take, and the packets stay", async () => {
      const engine = await make();
      const w = new World(engine);
      const [near] = await connection();
      const sender = sending(engine, near);
      const held = w.linear(10);
      w.keep(held.get());
      expect(codeOf(() => sender.enqueue(held))).toBe("ERR_SKB_HELD");
      const twice = w.linear(10);
      expect(codeOf(() => sender.enqueueBurst([twice, twice]))).toBe("ERR_SKB_STALE");
      expect(twice.alive).toBe(true);
      for (const socket of [null, {}, "ws://"] as unknown as WebSocketLike[]) {
        expect(codeOf(() => new WebSocketSender(engine, socket))).toBe("ERR_SKB_TYPE");
        expect(codeOf(() => new WebSocketReceiver(engine, socket))).toBe("ERR_SKB_TYPE");
      }
      expect(codeOf(() => new WebSocketSender(engine, near, { inFlight: 0 }))).toBe("ERR_SKB_RANGE");
      expect(codeOf(() => new WebSocketReceiver(engine, near, { headroom: 4097 }))).toBe("ERR_SKB_RANGE");
      w.clean();
    });

    it("ends well when the peer closes in order, and takes nothing after", async () => {
      const engine = await make();
      const [near, far] = await connection();
      const sender = sending(engine, near);
      sender.enqueue(engine.alloc(10).putData(bytesAt(0, 10)));
      far.close(1000);
      await once(near, "close");
      const late = engine.alloc(1);
      expect(codeOf(() => sender.enqueue(late))).toBe("ERR_SKB_TRANSPORT");
      late.release();
      await sender.close();
    });
  });

  describe("a receiver", () => {
    it("drops what comes while too much waits, and counts it", async () => {
      const engine = await make();
      const [near, far] = await connection();
      const receiver = receiving(engine, near, { backlog: 3000 });
      for (let i = 0; i < 10; i++) far.send(bytesAt(i, 1000));
      far.close();
      await once(near, "close");
      expect(receiver.stats()).toEqual({
        received: 2,
        bytes: 2000,
        dropped: { full: 8, exhausted: 0, tooLong: 0 },
        queued: 2,
        queuedBytes: 3024,
      });
      let i = 0;
      for await (const skb of receiver) {
        expectBytes(skb.toBytes(), bytesAt(i++, 1000), `packet ${i}`);
        skb.release();
      }
      expect([i, receiver.ended, receiver.stats().queuedBytes]).toEqual([2, true, 0]);
    });

    it("drops what the pool has no room for, and goes on", async () => {
      const engine = await make({ memory: 1024 * 1024 });
      const [near, far] = await connection();
      const receiver = receiving(engine, near, { backlog: 2 ** 30, longest: 2 ** 24 });
      const before = used(engine);
      far.send(bytesAt(0, 4_000_000));
      far.send(bytesAt(0, 1000));
      await receiver.waitAsync();
      expect(receiver.stats().dropped).toEqual({ full: 0, exhausted: 1, tooLong: 0 });
      const skb = receiver.dequeue();
      expectBytes(skb?.toBytes() as Uint8Array, bytesAt(0, 1000), "the next");
      skb?.release();
      expect(used(engine)).toEqual(before);
    });

    it("drops what is longer than it may be", async () => {
      const engine = await make();
      const [near, far] = await connection();
      const receiver = receiving(engine, near, { longest: 100 });
      for (const n of [101, 100, 0]) far.send(bytesAt(0, n));
      far.close();
      const lengths: number[] = [];
      for await (const skb of receiver) {
        lengths.push(skb.length);
        skb.release();
      }
      expect([lengths, receiver.stats().dropped.tooLong]).toEqual([[100, 0], 1]);
    });

    it("ends with an error at a text, after all packets before it; or tells it", async () => {
      const engine = await make();
      for (const told of [false, true]) {
        const [near, far] = await connection();
        const texts: string[] = [];
        const onText = (text: string): unknown => texts.push(text);
        const receiver = receiving(engine, near, told ? { onText } : {});
        far.send(bytesAt(0, 10));
        far.send("text");
        far.send(bytesAt(10, 10));
        far.close();
        await once(near, "close");
        receiver.dequeue()?.release();
        if (told) receiver.dequeue()?.release();
        else {
          const error = caught(() => receiver.dequeue());
          expect(error).toBeInstanceOf(TransportError);
          expect((error as Error).message).toBe('"message" expected a binary one, got text');
        }
        expect(texts).toEqual(told ? ["text"] : []);
        expect(receiver.ended).toBe(told);
      }
    });

    it("tells how the peer went, after all packets before it", async () => {
      const engine = await make();
      for (const [leave, message] of [
        [(far: WebSocket) => far.terminate(), "one that broke off (code 1006)"],
        [(far: WebSocket) => far.close(1011, "on fire"), "a closed one (code 1011, on fire)"],
        [(far: WebSocket) => far.close(1001), null],
        [(far: WebSocket) => far.close(), null],
      ] as const) {
        const [near, far] = await connection();
        const receiver = receiving(engine, near);
        far.send(bytesAt(0, 10));
        await receiver.waitAsync();
        leave(far);
        await once(near, "close");
        receiver.dequeue()?.release();
        if (message === null) expect(receiver.dequeue()).toBe(null);
        else expect((caught(() => receiver.dequeue()) as Error).message).toContain(message);
      }
    });

    it("closes the socket, and what is there can still be taken out", async () => {
      const engine = await make();
      const [near, far] = await connection();
      const receiver = receiving(engine, near);
      far.send(bytesAt(0, 10));
      await receiver.waitAsync();
      await receiver.close();
      expect(near.readyState).toBe(WebSocket.CLOSED);
      receiver.dequeue()?.release();
      expect(receiver.ended).toBe(true);
      // One that is closed already.
      const late = receiving(engine, near);
      expect((await failure(late[Symbol.asyncIterator]().next())).message).toContain("a closed one");
    });
  });

  it.runIf(first)("an engine that was closed by force ends both", async () => {
    const engine = await make();
    const [near, far] = await connection();
    const sender = new WebSocketSender(engine, near);
    const receiver = new WebSocketReceiver(engine, far);
    sender.enqueue(engine.alloc(10).putData(bytesAt(0, 10)));
    engine.close({ force: true });
    await Promise.all([once(near, "close"), once(far, "close")]);
    await sender.close();
    receiver.abort();
  });
});
