/// <reference lib="esnext.disposable" preserve="true" />
// UdpSocket: one port, which receives and sends.

import type { Socket } from "node:dgram";
import { MAX_LINEAR } from "../../assembly/layout.js";
import { checkFunction, checkInteger, checkOneOf, checkOptions, type Names } from "../check.js";
import { describes } from "../describe.js";
import type { Engine } from "../engine.js";
import type { TransportError } from "../io/errors.js";
import { checkEngine } from "../io/packets.js";
import type { Transmitter } from "../io/transmitter.js";
import type { PacketsOptions } from "../iteration.js";
import type { DequeueOptions } from "../ring.js";
import type { Skb } from "../skb.js";
import { checkSignal, type WaitOptions, type Wakeup } from "../wait.js";
import {
  BUFFER_MOST,
  checkHost,
  checkMulticast,
  find,
  type MulticastOptions,
  opened,
  type UdpType,
} from "./udp-open.js";
import { UdpReceiver, type UdpReceiverStats } from "./udp-receiver.js";
import { UdpSender, type UdpSenderStats } from "./udp-sender.js";

/** No datagram is longer. */
const LONGEST = 0xffff;

/** Where a socket is, whom it talks to, and how. */
export interface UdpSocketOptions {
  /** A name or an address of this machine. Default: all of its addresses. */
  host?: string;
  /** 0..65535; 0 for any that is free. Default: 0. */
  port?: number;
  /** Default: what `host`, or else `peer`, is or has first; `udp4` if there is neither. */
  type?: UdpType;
  /**
   * Whom it talks to, alone: packets go there, and what others send is not received. Default: nobody in particular, each packet
   * says where it is to go.
   */
  peer?: { host: string; port: number };
  /** Whether other sockets may be at the same address and port. Default: false. */
  reuseAddr?: boolean;
  /** Whether it may send to broadcast addresses. Default: false. */
  broadcast?: boolean;
  /** Groups to receive from, and how to send to them. Default: none. */
  multicast?: MulticastOptions;
  /** Routers that a datagram may pass, 1..255. Default: the system's. */
  ttl?: number;
  /** Bytes of the system's send buffer. Default: the system's. */
  sendBuffer?: number;
  /** Bytes of the system's receive buffer. Default: the system's. */
  receiveBuffer?: number;
  /** Packets that may wait to be taken out, 1..2^20; further ones are dropped. Default: 1024. */
  backlog?: number;
  /** Packets that may wait at a time for the system to take them, 1..65536. Default: 64. */
  inFlight?: number;
  /** Bytes in front of each packet for headers to come, 0..65537. Default: 0. */
  headroom?: number;
  /** Ends opening when it is aborted, which rejects with its reason. Default: none. */
  signal?: AbortSignal;
  /** Told of each datagram that could not be sent, and of errors that come from the network. Default: nobody. */
  onError?: (error: TransportError) => void;
}

const OPTIONS: Names<UdpSocketOptions> = {
  host: true,
  port: true,
  type: true,
  peer: true,
  reuseAddr: true,
  broadcast: true,
  multicast: true,
  ttl: true,
  sendBuffer: true,
  receiveBuffer: true,
  backlog: true,
  inFlight: true,
  headroom: true,
  signal: true,
  onError: true,
};

/** What happened to datagrams since the socket was opened. */
export interface UdpSocketStats {
  /** Of those that came. */
  readonly received: UdpReceiverStats;
  /** Of those that went. */
  readonly sent: UdpSenderStats;
}

/**
 * One port, which receives and sends, a datagram a packet. Each packet received knows its source (`sourceOf`), and each sent may
 * name its destination (`setDestination`); both stand in the arena, so that threads between can read and set them. It gives packets
 * as `UdpReceiver` does, and takes them as `UdpSender` does.
 *
 * @example
 * const server = await UdpSocket.open(engine, { host: "127.0.0.1", port: 0 });
 * const client = await UdpSocket.open(engine, { peer: { host: "127.0.0.1", port: server.port } });
 * client.enqueue(skb);
 * await server.waitAsync();
 * const packet = server.dequeue();
 * setDestination(packet, packet); // back to where it came from
 * server.enqueue(packet);
 * await client.waitAsync(); // → "ready"
 * client.dequeue().length; // → 100
 * await client.close();
 * await server.close();
 */
export class UdpSocket implements Transmitter {
  /** Node's socket, for settings of it. Do not close it. */
  readonly socket: Socket;
  /** The address that it is at; `0.0.0.0` or `::` for all. */
  readonly address: string;
  /** The port that it is at. */
  readonly port: number;
  readonly #in: UdpReceiver;
  readonly #out: UdpSender;

  private constructor(
    engine: Engine,
    socket: Socket,
    type: UdpType,
    peer: { readonly address: string; readonly port: number } | null,
    options: Partial<UdpSocketOptions>,
  ) {
    this.socket = socket;
    this.#in = new UdpReceiver(engine, socket, options);
    this.#out = new UdpSender(engine, socket, type, peer, options);
    this.address = this.#in.address;
    this.port = this.#in.port;
  }

  /**
   * Opens a socket. Returns an owned one.
   *
   * @throws TransportError if that address or port cannot be had, or a host has no address; the reason of `signal`;
   * ArgumentRangeError, ArgumentTypeError (as rejections): then nothing is left open
   * @example
   * const multicast = { groups: ["239.1.2.3"], interface: "127.0.0.1" };
   * const socket = await UdpSocket.open(engine, { port: 0, reuseAddr: true, multicast });
   * setDestination(skb, { address: "239.1.2.3", port: socket.port });
   * socket.enqueue(skb);
   * await socket.waitAsync(); // → "ready"
   * await socket.close();
   */
  static async open(engine: Engine, options?: UdpSocketOptions): Promise<UdpSocket> {
    checkEngine(engine);
    const given = checkOptions(options, OPTIONS);
    const {
      host,
      port = 0,
      type,
      peer,
      reuseAddr,
      broadcast,
      ttl,
      sendBuffer,
      receiveBuffer,
      signal,
    } = given;
    checkHost(host ?? "any", type);
    checkInteger("port", port, 0, 0xffff);
    if (peer !== undefined) {
      const { host: there, port: theirs } = checkOptions(peer, { host: true, port: true });
      checkHost(there, type);
      checkInteger("peer port", theirs, 1, 0xffff);
    }
    if (reuseAddr !== undefined) checkOneOf("reuseAddr", reuseAddr, [true, false]);
    if (broadcast !== undefined) checkOneOf("broadcast", broadcast, [true, false]);
    const multicast = checkMulticast(given.multicast);
    if (ttl !== undefined) checkInteger("ttl", ttl, 1, 255);
    if (sendBuffer !== undefined) checkInteger("sendBuffer", sendBuffer, 1, BUFFER_MOST);
    if (receiveBuffer !== undefined) checkInteger("receiveBuffer", receiveBuffer, 1, BUFFER_MOST);
    checkInteger("backlog", given.backlog ?? 1, 1, 2 ** 20);
    checkInteger("inFlight", given.inFlight ?? 1, 1, 0x10000);
    checkInteger("headroom", given.headroom ?? 0, 0, MAX_LINEAR - LONGEST);
    checkFunction("onError", given.onError);
    checkSignal(signal);
    if (signal?.aborted === true) throw signal.reason;
    const here = host === undefined ? null : await find(host, type, signal);
    const there = peer === undefined ? null : await find(peer.host, type ?? here?.type, signal);
    const kind = here?.type ?? there?.type ?? type ?? "udp4";
    const target = there === null || peer === undefined ? null : { address: there.address, port: peer.port };
    const socket = await opened(
      engine,
      { type: kind, reuseAddr, broadcast, ttl, sendBuffer, receiveBuffer, multicast },
      { address: here?.address, port },
      target,
      `one at ${host ?? "any address"}, port ${port}${peer === undefined ? "" : `, connected to ${peer.host}, port ${peer.port}`}`,
      signal,
    );
    return new UdpSocket(engine, socket, kind, target, given);
  }

  /**
   * What happened so far.
   *
   * @example
   * const socket = await UdpSocket.open(engine, { port: 0 });
   * socket.stats().received.dropped; // → { full: 0, exhausted: 0 }
   * await socket.close();
   */
  stats(): UdpSocketStats {
    return { received: this.#in.stats(), sent: this.#out.stats() };
  }

  // ─── Packets in ──────────────────────────────────────────────────────────────────────────────────────

  /** Packets that wait to be taken out. */
  get size(): number {
    return this.#in.size;
  }

  /** Whether nothing comes any more, and all was taken out. */
  get ended(): boolean {
    return this.#in.ended;
  }

  /**
   * Takes the oldest packet out. Returns an owned one; or null if there is none.
   *
   * @throws EngineClosedError, the reason of `abort`
   * @example
   * const socket = await UdpSocket.open(engine, { port: 0 });
   * socket.dequeue(); // → null
   * await socket.close();
   */
  dequeue(): Skb | null {
    return this.#in.dequeue();
  }

  /**
   * Takes up to `count` packets out, into `out[0]` and on. Returns how many. Default of `count`: `out.length`.
   *
   * @throws as `dequeue`, ArgumentTypeError, ArgumentRangeError
   * @example
   * const socket = await UdpSocket.open(engine, { port: 0 });
   * socket.dequeueBurst(new Array(32)); // → 0
   * await socket.close();
   */
  dequeueBurst(out: (Skb | null | undefined)[], count?: number, options?: DequeueOptions): number {
    return this.#in.dequeueBurst(out, count, options);
  }

  /**
   * Waits until there is a packet, as `Inbox.waitAsync`.
   *
   * @throws ArgumentRangeError, ArgumentTypeError, EngineClosedError, the reason of `signal` or `abort` (as rejections)
   * @example
   * const socket = await UdpSocket.open(engine, { port: 0 });
   * await socket.waitAsync({ timeout: 1 }); // → "timed-out"
   * await socket.close();
   */
  waitAsync(options?: WaitOptions): Promise<Wakeup> {
    return this.#in.waitAsync(options);
  }

  /**
   * The packets as they come, until there will never be one. Each is an owned one.
   *
   * @throws as `dequeue`; TimeoutError if none came for `timeout` milliseconds; the reason of `signal`
   * @example
   * const socket = await UdpSocket.open(engine, { port: 0 });
   * await socket.close();
   * for await (const packet of socket.packets({ timeout: 1000 })) packet.release();
   */
  packets(options?: PacketsOptions): AsyncGenerator<Skb, void, undefined> {
    return this.#in.packets(options);
  }

  /**
   * `packets()` without options.
   *
   * @throws as `dequeue`
   * @example
   * const socket = await UdpSocket.open(engine, { port: 0 });
   * await socket.close();
   * for await (const packet of socket) packet.release();
   */
  [Symbol.asyncIterator](): AsyncGenerator<Skb, void, undefined> {
    return this.packets();
  }

  // ─── Packets out ─────────────────────────────────────────────────────────────────────────────────────

  /**
   * Sends a packet to the destination that it names, or to the peer. Takes it and returns true; or returns false if as much is in
   * flight as may be, and the packet stays yours.
   *
   * @throws TransportError if it has no destination and the socket no peer, or another one than the peer; as `Outbox.enqueue`; the
   * packet stays yours
   * @example
   * const socket = await UdpSocket.open(engine, { host: "127.0.0.1", port: 0 });
   * setDestination(skb, { address: "127.0.0.1", port: socket.port });
   * socket.enqueue(skb); // → true
   * await socket.close();
   */
  enqueue(skb: Skb): boolean {
    return this.#out.enqueue(skb);
  }

  /**
   * Sends `skbs[0]` to `skbs[count - 1]`, as many as there is room for. Takes those, and returns how many. Default of `count`:
   * `skbs.length`.
   *
   * @throws as `enqueue`, for whichever packet; all stay yours
   * @example
   * const socket = await UdpSocket.open(engine, { peer: { host: "127.0.0.1", port } });
   * socket.enqueueBurst([skb, other]); // → 2
   * await socket.close();
   */
  enqueueBurst(skbs: readonly (Skb | null | undefined)[], count?: number): number {
    return this.#out.enqueueBurst(skbs, count);
  }

  /**
   * Waits until there is room for `room` more packets, as `Outbox.waitWritableAsync`.
   *
   * @throws ArgumentRangeError, ArgumentTypeError, EngineClosedError, the reason of `signal` or `abort` (as rejections)
   * @example
   * const socket = await UdpSocket.open(engine, { port: 0 });
   * await socket.waitWritableAsync(); // → "ready"
   * await socket.close();
   */
  waitWritableAsync(room?: number, options?: WaitOptions): Promise<Wakeup> {
    return this.#out.waitWritableAsync(room, options);
  }

  // ─── The end ─────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Takes nothing any more, waits until the system has all that was taken, and closes the socket. What came can still be taken out.
   * Closing again does nothing.
   *
   * @throws the reason of `abort` (as a rejection)
   * @example
   * const socket = await UdpSocket.open(engine, { port: 0 });
   * await socket.close();
   * socket.ended; // → true
   */
  async close(): Promise<void> {
    this.#in._finish(null);
    try {
      await this.#out.close();
    } finally {
      await this.#in.close();
    }
  }

  /**
   * Gives everything back now, in both directions, and closes the socket. Default of `reason`: a TransportError. Does nothing once
   * closed, nor the second time.
   *
   * @example
   * const socket = await UdpSocket.open(engine, { port: 0 });
   * socket.abort();
   * await socket.close().catch((error) => error.code); // → "ERR_SKB_TRANSPORT"
   */
  abort(reason?: unknown): void {
    this.#out.abort(reason);
    this.#in.abort(reason);
  }

  /**
   * `close()`, and releases what nobody has taken out.
   *
   * @example
   * const socket = await UdpSocket.open(engine, { port: 0 });
   * await socket[Symbol.asyncDispose]();
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#out[Symbol.asyncDispose]();
    await this.#in[Symbol.asyncDispose]();
  }
}

describes(UdpSocket, "UdpSocket", ({ address, port, size, ended }) => ({ address, port, size, ended }));
