// One port that receives and sends: whose a packet is and where it goes is said by the packet, wherever it goes between.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { Ring, type Skb } from "skbuff";
import {
  answerTo,
  destinationOf,
  setDestination,
  sourceOf,
  type TransportError,
  UdpSender,
  UdpSocket,
  type UdpSocketOptions,
} from "skbuff/node";
import { describe, expect, it } from "vitest";
import { bytesAt, codeOf, expectBytes, expectTyped } from "../packets.js";
import { forEachKind, until } from "./support.js";

const HOSTS = ["127.0.0.1", "::1"];

/** What a promise rejects with. */
async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
}

forEachKind((make, defer, { shared, first }) => {
  const open = async (
    engine: Parameters<typeof UdpSocket.open>[0],
    options?: UdpSocketOptions,
  ): Promise<UdpSocket> => {
    const socket = await UdpSocket.open(engine, options);
    defer(async () => socket[Symbol.asyncDispose]());
    return socket;
  };

  async function received(socket: UdpSocket): Promise<Skb> {
    expect(await socket.waitAsync({ timeout: 10_000 })).toBe("ready");
    return socket.dequeue() as Skb;
  }

  describe("an echo server", () => {
    it.each(HOSTS)("at %s answers two peers at once, each of them its own", async (host) => {
      const engine = await make();
      const server = await open(engine, { host, receiveBuffer: 1 << 20 });
      const echo = (async () => {
        for await (const skb of server) {
          answerTo(skb, skb);
          while (!server.enqueue(skb)) await server.waitWritableAsync();
        }
      })();
      const peers = [await open(engine, { host }), await open(engine, { host })];
      for (let i = 0; i < 50; i++) {
        for (const [p, peer] of peers.entries()) {
          const skb = engine.alloc(100).putData(bytesAt(i * 2 + p, 100));
          setDestination(skb, server);
          expect(peer.enqueue(skb)).toBe(true);
        }
        for (const [p, peer] of peers.entries()) {
          const answer = await received(peer);
          expectBytes(answer.toBytes(), bytesAt(i * 2 + p, 100), `${i}`);
          const { address, port } = server;
          expect(sourceOf(answer)).toEqual({ address, port, family: host === "::1" ? "IPv6" : "IPv4" });
          answer.release();
        }
      }
      await server.close();
      await echo;
      expect(server.ended).toBe(true);
      expect(server.stats()).toMatchObject({ receiver: { received: 100 }, sender: { sent: 100, failed: 0 } });
    });

    it.runIf(shared)(
      "may have another thread between: source and destination go with the packet",
      async () => {
        const engine = await make({ threads: 2 });
        const server = await open(engine, { host: "127.0.0.1" });
        const requests = new Ring(engine, { capacity: 16 });
        const answers = new Ring(engine, { capacity: 16 });
        const worker = new Worker(new URL("./answerer.mjs", import.meta.url), {
          workerData: { engine: engine.share(), requests: requests.share(), answers: answers.share() },
        });
        const told: unknown[] = [];
        worker.on("message", (message) => told.push(message));
        const gone = once(worker, "exit");
        const there = (async () => {
          for await (const skb of server) while (!requests.enqueue(skb)) await requests.waitWritableAsync();
          requests.close();
        })();
        const back = (async () => {
          for await (const skb of answers) while (!server.enqueue(skb)) await server.waitWritableAsync();
        })();
        const { address, port } = server;
        const peer = await open(engine, { host: "127.0.0.1", peer: { host: address, port } });
        const whose = { address: peer.address, port: peer.port, family: "IPv4" };
        for (let i = 0; i < 20; i++) {
          peer.enqueue(engine.alloc(50).putData(bytesAt(i, 50)));
          const answer = await received(peer);
          expectBytes(answer.toBytes(), bytesAt(i, 50), `${i}`);
          answer.release();
          expect(told[i]).toEqual({ source: whose, destination: whose });
        }
        requests.close();
        await back;
        await server.close();
        await there;
        await gone;
        requests.release();
        answers.release();
      },
    );
  });

  describe("a packet's destination", () => {
    it.each([
      ["192.0.2.7", "IPv4"],
      ["2001:db8::5", "IPv6"],
      ["fe80::1%eth0", "IPv6"],
    ])("%s takes the place of its source, and is in clones", async (address, family) => {
      const engine = await make();
      const skb = engine.alloc(1);
      expect([sourceOf(skb), destinationOf(skb)]).toEqual([null, null]);
      setDestination(skb, { address, port: 65_535 });
      const clone = skb.clone();
      for (const one of [skb, clone]) {
        expect([sourceOf(one), destinationOf(one)]).toEqual([null, { address, family, port: 65_535 }]);
        one.release();
      }
    });

    it("is remembered for more addresses than there is room for, each in its own form", async () => {
      const engine = await make();
      const skb = engine.alloc(1);
      for (let i = 0; i < 6000; i++) {
        const n = i % 3000;
        const address = n % 3 === 0 ? `10.1.${n >> 8}.${n & 0xff}` : `2001:db8::${(n + 1).toString(16)}`;
        setDestination(skb, { address, port: 1 + i });
        expect(destinationOf(skb)).toMatchObject({ address, port: 1 + i });
      }
      skb.release();
    });

    it("that is none is refused, and nothing has changed", async () => {
      const engine = await make();
      const skb = engine.alloc(1);
      setDestination(skb, { address: "192.0.2.7", port: 7 });
      const before = destinationOf(skb);
      const no = (destination: unknown): string | undefined =>
        codeOf(() => setDestination(skb, destination as Parameters<typeof setDestination>[1]));
      for (const address of ["", "localhost", "1.2.3", "::g", "1.2.3.4:5", 5, undefined])
        expect(no({ address, port: 7 })).toBe("ERR_SKB_TYPE");
      for (const port of [0, -1, 65_536, 1.5]) expect(no({ address: "::1", port })).toBe("ERR_SKB_RANGE");
      expect([no({ address: "::1", port: "7" }), no(null), no(undefined)]).toEqual(
        new Array(3).fill("ERR_SKB_TYPE"),
      );
      const other = engine.alloc(1);
      expect(codeOf(() => answerTo(skb, other))).toBe("ERR_SKB_TYPE");
      expect(codeOf(() => answerTo(skb, {} as Skb))).toBe("ERR_SKB_TYPE");
      expect(codeOf(() => destinationOf({} as Skb))).toBe("ERR_SKB_TYPE");
      // Where it goes is not where it came from.
      expect(codeOf(() => answerTo(other, skb))).toBe("ERR_SKB_TYPE");
      expect([destinationOf(skb), destinationOf(other)]).toEqual([before, null]);
      other.release();
      expect(codeOf(() => answerTo(skb, other))).toBe("ERR_SKB_STALE");
      expect(codeOf(() => answerTo(other, skb))).toBe("ERR_SKB_STALE");
      skb.release();
    });

    it("that the socket cannot send to is refused before anything is taken", async () => {
      const engine = await make();
      const four = await open(engine, { host: "127.0.0.1" });
      const six = await open(engine, { host: "::1" });
      const connected = await open(engine, {
        host: "127.0.0.1",
        peer: { host: "127.0.0.1", port: four.port },
      });
      const to = (address: string, port: number): Skb => {
        const skb = engine.alloc(3).putZeros(3);
        setDestination(skb, { address, port });
        return skb;
      };
      const nowhere = engine.alloc(3).putZeros(3);
      const portless = to("127.0.0.1", 7);
      portless.cb.fill(0, 2, 4);
      const wrong: [UdpSocket, Skb, string][] = [
        [four, nowhere, "ERR_SKB_TYPE"],
        [four, to("::1", 7), "ERR_SKB_TYPE"],
        [six, to("127.0.0.1", 7), "ERR_SKB_TYPE"],
        [four, portless, "ERR_SKB_RANGE"],
        [connected, to("127.0.0.1", 7), "ERR_SKB_TYPE"],
        [connected, to("127.0.0.2", four.port), "ERR_SKB_TYPE"],
      ];
      for (const [socket, skb, code] of wrong) {
        const good = to(socket.address, four.port);
        expect(codeOf(() => socket.enqueue(skb))).toBe(code);
        expect(codeOf(() => socket.enqueueBurst([good, skb]))).toBe(code);
        expect([good.length, skb.length, socket.stats().sender.inFlight]).toEqual([3, 3, 0]);
        good.release();
        skb.release();
      }
      // The peer by its name is the peer.
      expect(connected.enqueue(to("127.0.0.1", four.port))).toBe(true);
      (await received(four)).release();
    });

    it("is kept to by a connected sender, too", async () => {
      const engine = await make();
      const socket = await open(engine, { host: "127.0.0.1" });
      const sender = await UdpSender.open(engine, { host: "127.0.0.1", port: socket.port });
      defer(() => sender.close());
      const skb = engine.alloc(1);
      setDestination(skb, { address: "127.0.0.1", port: 9 });
      expect(codeOf(() => sender.enqueue(skb))).toBe("ERR_SKB_TYPE");
      setDestination(skb, socket);
      expect(sender.enqueue(skb)).toBe(true);
      (await received(socket)).release();
    });

    it("goes to the system at once: no bytes are read after the packet was released", async () => {
      const engine = await make();
      const server = await open(engine, { host: "127.0.0.1", receiveBuffer: 1 << 22 });
      const client = await open(engine, { host: "127.0.0.1", inFlight: 1 });
      for (let i = 0; i < 100; i++) {
        const skb = engine.alloc(600).putData(bytesAt(i, 600));
        setDestination(skb, server);
        expect(client.enqueue(skb)).toBe(true);
        // Whatever was released is given out again, and written.
        engine.alloc(600).putZeros(600).release();
      }
      for (let i = 0; i < 100; i++) {
        const skb = await received(server);
        expectBytes(skb.toBytes(), bytesAt(i, 600), `${i}`);
        skb.release();
      }
    });
  });

  describe("the connected peer", () => {
    it("gets what names no destination, and nobody else is heard", async () => {
      const engine = await make();
      const server = await open(engine, { host: "127.0.0.1" });
      const client = await open(engine, { peer: { host: "localhost", port: server.port }, type: "udp4" });
      const stranger = await open(engine, { host: "127.0.0.1" });
      client.enqueue(engine.alloc(1).putZeros(1));
      const request = await received(server);
      const answer = engine.alloc(2).putZeros(2);
      answerTo(answer, request);
      const noise = engine.alloc(3).putZeros(3);
      answerTo(noise, request);
      request.release();
      stranger.enqueue(noise);
      await until("the stranger's is sent", () => stranger.stats().sender.sent === 1);
      server.enqueue(answer);
      const got = await received(client);
      expect([got.length, client.size]).toEqual([2, 0]);
      got.release();
    });
  });

  describe("what reaches several", () => {
    it("a broadcast, if the socket may", async () => {
      const engine = await make();
      const server = await open(engine);
      const told: TransportError[] = [];
      const send = async (options: UdpSocketOptions): Promise<UdpSocket> => {
        const client = await open(engine, { ...options, onError: (error) => told.push(error) });
        const skb = engine.alloc(4).putData(bytesAt(0, 4));
        setDestination(skb, { address: "127.255.255.255", port: server.port });
        client.enqueue(skb);
        return client;
      };
      const may = await send({ broadcast: true });
      const skb = await received(server);
      expect(sourceOf(skb)?.port).toBe(may.port);
      skb.release();
      const mayNot = await send({});
      await until("an error", () => told.length === 1);
      expect(mayNot.stats().sender).toMatchObject({ sent: 0, failed: 1, inFlight: 0 });
      expect((told[0]?.cause as { code?: string } | undefined)?.code).toBe("EACCES");
    });

    it("a group, on the loopback interface", async () => {
      const engine = await make();
      const [group, on] = ["239.1.2.3", "127.0.0.1"];
      const multicast = { groups: [group], interface: on, ttl: 0, loopback: true };
      const one = await open(engine, { multicast, reuseAddr: true });
      const two = await open(engine, { multicast, reuseAddr: true, port: one.port });
      const sender = await open(engine, { multicast: { interface: on }, ttl: 3 });
      const skb = engine.alloc(9).putData(bytesAt(0, 9));
      setDestination(skb, { address: group, port: one.port });
      sender.enqueue(skb);
      for (const socket of [one, two]) {
        const got = await received(socket);
        expectBytes(got.toBytes(), bytesAt(0, 9), group);
        expect(sourceOf(got)?.port).toBe(sender.port);
        got.release();
      }
    });

    it.runIf(process.platform === "linux")("a group of IPv6 is joined, and left at the end", async () => {
      const engine = await make();
      // The loopback interface has no route for groups of IPv6; the system's table tells who is in one.
      const joined = (): boolean =>
        / lo .*ff01000000000000000000000000b00c /.test(readFileSync("/proc/net/igmp6", "utf8"));
      expect(joined()).toBe(false);
      const multicast = { groups: ["ff01::b00c"], interface: "::%lo", ttl: 3, loopback: false };
      const socket = await open(engine, { type: "udp6", multicast });
      expect(joined()).toBe(true);
      await socket.close();
      expect(joined()).toBe(false);
    });
  });

  describe("opening", () => {
    it("a port that is another's needs reuseAddr, on both sides", async () => {
      const engine = await make();
      const one = await open(engine, { host: "127.0.0.1", reuseAddr: true });
      const { address: host, port } = one;
      const error = await rejection(UdpSocket.open(engine, { host, port }));
      expectTyped(error, "a port that is taken");
      expect(((error as Error).cause as NodeJS.ErrnoException).code).toBe("EADDRINUSE");
      const two = await open(engine, { host, port, reuseAddr: true });
      expect(two.port).toBe(port);
    });

    it("is ended by its signal, before and while the name is looked up", async () => {
      const engine = await make();
      const reason = new Error("enough");
      const sockets = (): number =>
        process.getActiveResourcesInfo().filter((name) => name.startsWith("UDP")).length;
      await until("no socket is left of other tests", () => sockets() === 0);
      expect(await rejection(UdpSocket.open(engine, { signal: AbortSignal.abort(reason) }))).toBe(reason);
      const hosts: UdpSocketOptions[] = [
        { host: "localhost" },
        { peer: { host: "localhost", port: 9 } },
        { host: "127.0.0.1" },
      ];
      for (const options of hosts) {
        const controller = new AbortController();
        const opening = UdpSocket.open(engine, { ...options, signal: controller.signal });
        controller.abort(reason);
        expect(await rejection(opening)).toBe(reason);
      }
      await until("all sockets are closed", () => sockets() === 0);
      // Once it is open, the signal is not the socket's any more.
      const controller = new AbortController();
      const socket = await open(engine, { host: "127.0.0.1", signal: controller.signal });
      controller.abort(reason);
      expect(await socket.waitAsync({ timeout: 1 })).toBe("timed-out");
    });

    it.runIf(first).each<[string, object]>([
      ["ERR_SKB_TYPE", { prot: 5 }],
      ["ERR_SKB_RANGE", { port: 65_536 }],
      ["ERR_SKB_TYPE", { type: "udp5" }],
      ["ERR_SKB_TYPE", { host: "" }],
      ["ERR_SKB_TYPE", { peer: { port: 5 } }],
      ["ERR_SKB_TYPE", { peer: { host: "::1" } }],
      ["ERR_SKB_RANGE", { peer: { host: "::1", port: 0 } }],
      ["ERR_SKB_TYPE", { peer: { host: "::1", prot: 1 } }],
      ["ERR_SKB_RANGE", { ttl: 0 }],
      ["ERR_SKB_TYPE", { reuseAddr: 1 }],
      ["ERR_SKB_TYPE", { broadcast: "yes" }],
      ["ERR_SKB_TYPE", { multicast: { group: [] } }],
      ["ERR_SKB_TYPE", { multicast: { groups: "239.1.2.3" } }],
      ["ERR_SKB_TYPE", { multicast: { groups: ["all"] } }],
      ["ERR_SKB_TYPE", { multicast: { interface: "lo" } }],
      ["ERR_SKB_RANGE", { multicast: { ttl: 256 } }],
      ["ERR_SKB_TYPE", { multicast: { loopback: 0 } }],
      ["ERR_SKB_RANGE", { backlog: 0 }],
      ["ERR_SKB_RANGE", { inFlight: 0 }],
      ["ERR_SKB_RANGE", { headroom: -1 }],
      ["ERR_SKB_RANGE", { sendBuffer: 0 }],
      ["ERR_SKB_TYPE", { signal: {} }],
      ["ERR_SKB_TYPE", { onError: 1 }],
      ["ERR_SKB_TRANSPORT", { host: "no such host" }],
      ["ERR_SKB_TRANSPORT", { host: "192.0.2.1" }],
      ["ERR_SKB_TRANSPORT", { host: "127.0.0.1", peer: { host: "::1", port: 9 } }],
      ["ERR_SKB_TRANSPORT", { multicast: { groups: ["127.0.0.1"] } }],
    ])("is refused, %s: %o", async (code, options) => {
      const engine = await make();
      const error = await rejection(UdpSocket.open(engine, options));
      expectTyped(error, "a rejection");
      expect((error as TransportError).code).toBe(code);
    });
  });

  describe("the end", () => {
    it("waits for what was taken, hears nothing more, and leaves what was received", async () => {
      const engine = await make();
      const server = await open(engine, { host: "127.0.0.1" });
      const client = await open(engine, {
        host: "127.0.0.1",
        peer: { host: "127.0.0.1", port: server.port },
      });
      const burst = Array.from({ length: 30 }, (_, i) => engine.alloc(8).putData(bytesAt(i, 8)));
      expect(client.enqueueBurst(burst)).toBe(30);
      const waiting = client.waitAsync();
      await client.close();
      expect(await waiting).toBe("ended");
      expect(client.stats().sender).toMatchObject({ sent: 30, inFlight: 0, untold: 0 });
      expect([client.ended, await client.waitWritableAsync()]).toEqual([true, "ended"]);
      const late = engine.alloc(1);
      expect(codeOf(() => client.enqueue(late))).toBe("ERR_SKB_TRANSPORT");
      late.release();
      await until("all of them", () => server.size === 30);
      await server.close();
      expect(server.ended).toBe(false);
      const out: (Skb | null)[] = [];
      expect(server.dequeueBurst(out, 10)).toBe(10);
      engine.releaseBurst(out);
      let n = 0;
      for await (const skb of server.packets({ timeout: 1000 })) {
        skb.release();
        n++;
      }
      expect([n, server.ended]).toEqual([20, true]);
      await server.close();
    });

    it("by abort gives everything back, in both directions, and tells why", async () => {
      const engine = await make();
      const server = await open(engine, { host: "127.0.0.1" });
      const client = await open(engine, {
        host: "127.0.0.1",
        peer: { host: "127.0.0.1", port: server.port },
      });
      client.enqueueBurst([1, 2, 3].map((n) => engine.alloc(n).putZeros(n)));
      await until("all of them", () => server.size === 3);
      // What the system has not got by then comes back all the same.
      server.socket.getSendQueueCount = () => 1;
      const request = server.dequeue() as Skb;
      answerTo(request, request);
      expect(server.enqueue(request)).toBe(true);
      const reason = new Error("no time left");
      const waiting = rejection(client.waitAsync());
      const writing = rejection(server.waitWritableAsync(64));
      client.abort(reason);
      server.abort(reason);
      server.abort(new Error("later"));
      expect([await waiting, await writing, server.size]).toEqual([reason, reason, 0]);
      expect([await rejection(server.close()), await rejection(client.close())]).toEqual([reason, reason]);
      const { sent, failed, inFlight, untold } = server.stats().sender;
      expect([sent + failed, inFlight, untold]).toEqual([1, 0, 0]);
      const late = engine.alloc(1);
      expect(() => client.enqueue(late)).toThrow(reason);
      expect(() => server.dequeue()).toThrow(reason);
      late.release();
      await server[Symbol.asyncDispose]();
    });

    it("by `await using` releases what nobody took", async () => {
      const engine = await make();
      const server = await UdpSocket.open(engine, { host: "127.0.0.1", headroom: 40 });
      const skb = engine.alloc(1).putZeros(1);
      setDestination(skb, server);
      server.enqueue(skb);
      expect(await server.waitAsync()).toBe("ready");
      expect(`${server}`).toContain(`port: ${server.port}`);
      await server[Symbol.asyncDispose]();
      expect([server.size, server.ended]).toEqual([0, true]);
    });
  });
});
