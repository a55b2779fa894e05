/// <reference lib="esnext.disposable" preserve="true" />
// UdpSocket: one port, which receives and sends datagrams.

import type { Socket, SocketOptions } from "node:dgram";
import { isIP } from "node:net";
import type { AbortSignalLike } from "../abort.js";
import type { Burst } from "../burst.js";
import { checkInteger, checkOneOf, checkOptions, checkString, type Names } from "../check.js";
import { describes } from "../describe.js";
import { checkEngine } from "../driver.js";
import type { Engine } from "../engine.js";
import { ArgumentTypeError } from "../errors.js";
import type { TransportError } from "../io/errors.js";
import type { PacketSource } from "../io/packet-source.js";
import type { Transmitter } from "../io/transmitter.js";
import { type PacketsOptions, packetsOf } from "../iteration.js";
import type { DequeueOptions } from "../ring.js";
import type { Skb } from "../skb.js";
import type { Packets, SkbArray } from "../staging.js";
import { checkSignal, type WaitOptions, type Wakeup } from "../wait.js";
import { attempted, checkHost, find, opened, reached, type UdpType } from "./udp-open.js";
import { checkReceiving, UdpReceiver, type UdpReceiverStats } from "./udp-receiver.js";
import { checkSending, connected, type UdpPeer, UdpSender, type UdpSenderStats } from "./udp-sender.js";

/** Where datagrams are received and sent, and how. */
export interface UdpSocketOptions {
  /** Where to listen: a name or an address of this machine. Default: all of them. */
  host?: string;
  /** 0..65535; 0 for any that is free. Default: 0. */
  port?: number;
  /** The socket's family. Default: that of `host`, or of the peer without one, `udp4` without both. */
  type?: UdpType;
  /**
   * Connects the socket (connect(2)): packets that name no destination go there, others are refused, and only what comes from
   * there is received. `host` is a name, which is looked up once, or an address; `port` is 1..65535. Default: none.
   */
  peer?: {
    /** A name, which is looked up once, or an address. */
    readonly host: string;
    /** 1..65535. */
    readonly port: number;
  };
  /** Whether other sockets may have the same port (SO_REUSEADDR). Default: false. */
  reuseAddr?: boolean;
  /** Whether datagrams may go to broadcast addresses (SO_BROADCAST). Default: false. */
  broadcast?: boolean;
  /** What concerns multicast. Default: no groups. */
  multicast?: UdpMulticastOptions;
  /** Routers that a datagram may pass, 1..255 (IP_TTL). Default: the system's. */
  ttl?: number;
  /** Bytes of the system's send buffer. Default: the system's. */
  sendBuffer?: number;
  /** Bytes of the system's receive buffer. Default: the system's. */
  receiveBuffer?: number;
  /** Packets that may wait to be taken out, 1..2^20; further ones are dropped. Default: 1024. */
  backlog?: number;
  /** Packets that may wait at a time for the system to take them, 1..65536. Default: 64. */
  inFlight?: number;
  /** Bytes in front of each packet received for headers to come, 0..65537. Default: 0. */
  headroom?: number;
  /** Ends the opening when it is aborted: it rejects with its reason, and nothing is left open. Default: none. */
  signal?: AbortSignalLike;
  /** Called with the error of each datagram that could not be sent, and with errors that come from the network. Default: none. */
  onError?: (error: TransportError) => void;
}

/** Groups, and how datagrams go to them. */
export interface UdpMulticastOptions {
  /** Addresses of the groups whose datagrams are received (IP_ADD_MEMBERSHIP). Default: none. */
  groups?: readonly string[];
  /** Routers that a datagram to a group may pass, 0..255 (IP_MULTICAST_TTL). Default: 1. */
  ttl?: number;
  /** Whether this machine gets what it sends to a group (IP_MULTICAST_LOOP). Default: true. */
  loopback?: boolean;
  /** Address of the interface for groups: `127.0.0.1`, or `::%eth0` for IPv6. Default: the system's. */
  interface?: string;
}

const SOCKET_OPTIONS: Names<UdpSocketOptions> = {
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
const MULTICAST_OPTIONS: Names<UdpMulticastOptions> = {
  groups: true,
  ttl: true,
  loopback: true,
  interface: true,
};
const PEER: Names<NonNullable<UdpSocketOptions["peer"]>> = { host: true, port: true };
const YES_NO = [true, false];

/** What happened since the socket was opened. Errors of the socket are counted in both. */
export interface UdpSocketStats {
  /** To datagrams that came. */
  readonly receiver: UdpReceiverStats;
  /** To packets that it took. */
  readonly sender: UdpSenderStats;
}

/**
 * Receives and sends datagrams by one port. Each packet received knows its source (`sourceOf`); each packet sent goes to the
 * destination that it names (`setDestination`, `answerTo`), or to the connected peer. Both stand in the packet, so that other
 * threads can read and write them. Node has each datagram in a buffer of its own, which is copied once; what is sent is not
 * copied, as with a `UdpSender`.
 *
 * @example
 * const server = await UdpSocket.open(engine, { host: "127.0.0.1" });
 * const client = await UdpSocket.open(engine, { host: "127.0.0.1" });
 * setDestination(skb, server);
 * client.enqueue(skb);
 * for await (const request of server) {
 *   answerTo(request, request);
 *   server.enqueue(request);
 *   break;
 * }
 * await client.waitAsync();
 * const answer = client.dequeue();
 * sourceOf(answer).port === server.port; // → true
 * answer.release();
 */
export class UdpSocket implements Transmitter, PacketSource {
  /** Node's socket, for settings that there is no option for. Do not close it. */
  readonly socket: Socket;
  /** The address that it listens to; `0.0.0.0` or `::` for all. */
  readonly address: string;
  /** The port that it listens to. */
  readonly port: number;
  readonly #receiver: UdpReceiver;
  readonly #sender: UdpSender;

  private constructor(receiver: UdpReceiver, sender: UdpSender) {
    this.socket = receiver.socket;
    this.address = receiver.address;
    this.port = receiver.port;
    this.#receiver = receiver;
    this.#sender = sender;
  }

  /**
   * Opens a socket. Returns an owned one.
   *
   * @throws TransportError if there is no such address, or the system refuses it or an option; ArgumentRangeError,
   * ArgumentTypeError, the reason of `signal` (as rejections); nothing is left open
   * @example
   * const socket = await UdpSocket.open(engine, { host: "::1", receiveBuffer: 1 << 20 });
   * socket.address; // → "::1"
   */
  static async open(engine: Engine, options?: UdpSocketOptions): Promise<UdpSocket> {
    checkEngine(engine);
    const given = checkOptions(options, SOCKET_OPTIONS);
    checkSettings(given);
    const { host, port = 0, signal } = given;
    if (signal?.aborted === true) throw signal.reason;
    let { type } = given;
    const place = host === undefined ? undefined : await find(host, type, signal);
    type ??= place?.type;
    let peer: UdpPeer | null = null;
    if (given.peer !== undefined) {
      const found = await find(given.peer.host, type, signal);
      type ??= found.type;
      peer = { ...given.peer, address: found.address };
    }
    type ??= "udp4";
    const wanted = `one at ${host ?? "any address"}, port ${port}`;
    const socket = await opened(engine, socketOptions(given, type), async (one) => {
      await reached(one, "listening", wanted, () => one.bind(port, place?.address), signal);
      await attempted("one that takes its options", signal, async () => set(one, given));
      if (peer !== null) await connected(one, peer, signal);
    });
    const sender = UdpSender._of(engine, socket, type, peer, given);
    return new UdpSocket(UdpReceiver._of(engine, socket, given), sender);
  }

  // ─── Sending ─────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Sends a packet where it says, or to the peer. Takes it and returns true; or returns false if as much is in flight as may
   * be, or others should have their turn of the event loop, and the packet stays yours. It is released once the system has its
   * bytes.
   *
   * @throws ArgumentTypeError if it names no destination and there is no peer, or names one of another family or not the peer;
   * ArgumentRangeError for port 0; TransportError after `close()`, HeldSkbError if somebody else holds it through `get()`,
   * StaleSkbError, QueuedSkbError, ForeignSkbError; the packet stays yours
   * @example
   * const socket = await UdpSocket.open(engine);
   * setDestination(skb, { address: "127.0.0.1", port });
   * socket.enqueue(skb); // → true
   */
  enqueue(skb: Skb): boolean {
    return this.#sender.enqueue(skb);
  }

  /**
   * Sends `skbs[0]` to `skbs[count - 1]`, in order, as many as there is room for. Takes those, and returns how many; the rest
   * stay yours. Default: `count` is `skbs.length`.
   *
   * @throws as `enqueue`, for whichever packet; all stay yours
   * @example
   * const socket = await UdpSocket.open(engine, { peer: { host: "127.0.0.1", port } });
   * socket.enqueueBurst([skb, other]); // → 2
   */
  enqueueBurst(skbs: SkbArray | Burst, count?: number): number {
    return this.#sender.enqueueBurst(skbs, count);
  }

  /**
   * Waits until there is room for `room` more packets: `ready`; until there will never be: `ended`; or `timed-out`; or, with
   * `completions`, until callbacks of ubufs were run: `completed`. Default: `room` is half of `inFlight`.
   *
   * @throws ArgumentRangeError, ArgumentTypeError, EngineClosedError, the reason of `signal` or `abort` (as rejections)
   * @example
   * const socket = await UdpSocket.open(engine, { peer: { host: "127.0.0.1", port } });
   * while (!socket.enqueue(skb)) await socket.waitWritableAsync();
   */
  waitWritableAsync(room?: number, options?: WaitOptions): Promise<Wakeup> {
    return this.#sender.waitWritableAsync(room, options);
  }

  // ─── Receiving ───────────────────────────────────────────────────────────────────────────────────────

  /** Packets that wait to be taken out. */
  get size(): number {
    return this.#receiver.size;
  }

  /** Whether nothing comes any more, and all was taken out. */
  get ended(): boolean {
    return this.#receiver.ended;
  }

  /**
   * Takes the oldest packet out. Returns an owned one; or null if there is none, for now or, if `ended`, for ever.
   *
   * @throws EngineClosedError, the reason of `abort`
   * @example
   * const socket = await UdpSocket.open(engine);
   * socket.dequeue(); // → null
   */
  dequeue(): Skb | null {
    return this.#receiver.dequeue();
  }

  /**
   * Takes up to `count` packets out, into `out[0]` and on. Returns how many; the rest of `out` stays as it is. Default: `count`
   * is `out.length`; for more, `out` grows.
   *
   * @throws EngineClosedError, ArgumentTypeError, ArgumentRangeError
   * @example
   * const socket = await UdpSocket.open(engine);
   * socket.dequeueBurst(new Array(32)); // → 0
   */
  dequeueBurst(out: Packets, count?: number, options?: DequeueOptions): number {
    return this.#receiver.dequeueBurst(out, count, options);
  }

  /**
   * Waits until there is a packet: `ready`; until there will never be one: `ended`; or `timed-out`; or, with `completions`,
   * until callbacks of ubufs were run: `completed`.
   *
   * @throws ArgumentRangeError, ArgumentTypeError, EngineClosedError, the reason of `signal` or `abort` (as rejections)
   * @example
   * const socket = await UdpSocket.open(engine);
   * await socket.waitAsync({ timeout: 1 }); // → "timed-out"
   */
  waitAsync(options?: WaitOptions): Promise<Wakeup> {
    return this.#receiver.waitAsync(options);
  }

  /**
   * The packets as they come, until the socket is closed. Each is an owned one. Breaking out of the loop leaves the rest where
   * they are.
   *
   * @throws TimeoutError if none came for `timeout` milliseconds; the reason of `signal`; EngineClosedError,
   * ArgumentTypeError, ArgumentRangeError
   * @example
   * const socket = await UdpSocket.open(engine);
   * setDestination(skb, { address: "127.0.0.1", port: socket.port });
   * socket.enqueue(skb);
   * for await (const packet of socket.packets({ timeout: 5000 })) {
   *   packet.release();
   *   await socket.close();
   * }
   */
  packets(options?: PacketsOptions): AsyncGenerator<Skb, void, undefined> {
    return packetsOf(this, options);
  }

  /**
   * `packets()` without options.
   *
   * @throws EngineClosedError, the reason of `abort`
   * @example
   * const socket = await UdpSocket.open(engine);
   * await socket.close();
   * for await (const packet of socket) packet.release();
   */
  [Symbol.asyncIterator](): AsyncGenerator<Skb, void, undefined> {
    return this.packets();
  }

  // ─── Life ────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * What happened so far.
   *
   * @example
   * const socket = await UdpSocket.open(engine, { peer: { host: "127.0.0.1", port } });
   * socket.enqueue(skb);
   * await socket.close();
   * socket.stats().sender.sent; // → 1
   */
  stats(): UdpSocketStats {
    return { receiver: this.#receiver.stats(), sender: this.#sender.stats() };
  }

  /**
   * Takes nothing any more and receives nothing, waits until the system has all that was taken, and closes the socket. What it
   * has received can still be taken out. Closing again does nothing.
   *
   * @throws the reason of `abort` (as a rejection)
   * @example
   * const socket = await UdpSocket.open(engine);
   * await socket.close();
   * await socket.waitAsync(); // → "ended"
   */
  async close(): Promise<void> {
    this.#receiver._finish(null);
    try {
      await this.#sender.close();
    } finally {
      await this.#receiver.close();
    }
  }

  /**
   * Gives everything back now, in both directions, and closes the socket. Default: `reason` is a TransportError. Does nothing once
   * closed, nor the second time.
   *
   * @example
   * const socket = await UdpSocket.open(engine);
   * socket.abort();
   * await socket.close().catch((error) => error.code); // → "ERR_SKB_TRANSPORT"
   */
  abort(reason?: unknown): void {
    this.#sender.abort(reason);
    this.#receiver.abort(reason);
  }

  /**
   * `close()`, and what was received and not taken out is released.
   *
   * @example
   * const socket = await UdpSocket.open(engine);
   * await socket[Symbol.asyncDispose]();
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#receiver._finish(null);
    await this.#sender[Symbol.asyncDispose]();
    await this.#receiver[Symbol.asyncDispose]();
  }
}

describes(UdpSocket, "UdpSocket", ({ address, port, size, ended }) => ({ address, port, size, ended }));

/** @throws ArgumentRangeError, ArgumentTypeError */
function checkSettings(given: Partial<UdpSocketOptions>): void {
  const { host, port, type, peer, ttl, multicast, reuseAddr, broadcast, signal } = given;
  checkHost(host ?? "any", type);
  if (port !== undefined) checkInteger("port", port, 0, 0xffff);
  if (peer !== undefined) {
    const to = checkOptions(peer, PEER);
    checkString("peer.host", to.host);
    checkInteger("peer.port", to.port, 1, 0xffff);
  }
  if (ttl !== undefined) checkInteger("ttl", ttl, 1, 255);
  if (reuseAddr !== undefined) checkOneOf("reuseAddr", reuseAddr, YES_NO);
  if (broadcast !== undefined) checkOneOf("broadcast", broadcast, YES_NO);
  const to = checkOptions(multicast, MULTICAST_OPTIONS);
  if (to.ttl !== undefined) checkInteger("multicast.ttl", to.ttl, 0, 255);
  if (to.loopback !== undefined) checkOneOf("multicast.loopback", to.loopback, YES_NO);
  if (to.interface !== undefined) checkAddress("multicast.interface", to.interface);
  if (to.groups !== undefined && !Array.isArray(to.groups))
    throw new ArgumentTypeError("multicast.groups", "an array", to.groups);
  for (const group of to.groups ?? []) checkAddress("multicast.groups", group);
  checkSignal(signal);
  checkReceiving(given);
  checkSending(given);
}

function checkAddress(what: string, address: string): void {
  if (typeof address !== "string" || isIP(address) === 0)
    throw new ArgumentTypeError(what, "an IPv4 or IPv6 address", address);
}

function socketOptions(
  { reuseAddr, sendBuffer, receiveBuffer }: Partial<UdpSocketOptions>,
  type: UdpType,
): SocketOptions {
  return {
    type,
    ...(reuseAddr === undefined ? {} : { reuseAddr }),
    ...(sendBuffer === undefined ? {} : { sendBufferSize: sendBuffer }),
    ...(receiveBuffer === undefined ? {} : { recvBufferSize: receiveBuffer }),
  };
}

/** What only a socket that is bound can be told. */
function set(socket: Socket, { broadcast, ttl, multicast = {} }: Partial<UdpSocketOptions>): void {
  if (broadcast !== undefined) socket.setBroadcast(broadcast);
  if (ttl !== undefined) socket.setTTL(ttl);
  if (multicast.ttl !== undefined) socket.setMulticastTTL(multicast.ttl);
  if (multicast.loopback !== undefined) socket.setMulticastLoopback(multicast.loopback);
  if (multicast.interface !== undefined) socket.setMulticastInterface(multicast.interface);
  for (const group of multicast.groups ?? []) socket.addMembership(group, multicast.interface);
}
