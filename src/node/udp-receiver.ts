/// <reference lib="esnext.disposable" preserve="true" />
// UdpReceiver: the datagrams that come to a UDP socket, a packet each.

import type { RemoteInfo, Socket } from "node:dgram";
import { MAX_LINEAR } from "../../assembly/layout.js";
import { checkInteger, checkOneOf, checkOptions, type Names } from "../check.js";
import { checkEngine } from "../driver.js";
import type { Engine } from "../engine.js";
import { Inbox } from "../io/inbox.js";
import { packetOf } from "../io/packets.js";
import { keepSource } from "./udp-address.js";
import { BUFFER_MOST, checkHost, closed, find, opened, reached, type UdpType } from "./udp-open.js";

/** No datagram is longer. */
const LONGEST = 0xffff;

/** Where datagrams are received, and how. */
export interface UdpReceiverOptions {
  /** Where to listen: a name or an address of this machine. Default: all of them. */
  host?: string;
  /** 0..65535; 0 for any that is free. */
  port: number;
  /** The socket's family. Default: that of `host`, `udp4` without one. */
  type?: UdpType;
  /** Packets that may wait to be taken out, 1..2^20; further ones are dropped. Default: 1024. */
  backlog?: number;
  /** Bytes in front of each packet for headers to come, 0..65537. Default: 0. */
  headroom?: number;
  /** Bytes of the system's receive buffer. Default: the system's. */
  receiveBuffer?: number;
  /** Whether to keep each packet's sender for `sourceOf`, in `skb.cb`. Default: true. */
  source?: boolean;
}

const RECEIVER_OPTIONS: Names<UdpReceiverOptions> = {
  host: true,
  port: true,
  type: true,
  backlog: true,
  headroom: true,
  receiveBuffer: true,
  source: true,
};

/** What happened to datagrams since the receiver was opened. */
export interface UdpReceiverStats {
  /** Datagrams that became packets. */
  readonly received: number;
  /** Bytes of them. */
  readonly bytes: number;
  /** Datagrams that did not. What the system dropped before is not seen. */
  readonly dropped: {
    /** Because `backlog` packets were waiting. */
    readonly full: number;
    /** Because the pool was exhausted. */
    readonly exhausted: number;
  };
  /** Errors of the socket. It goes on after them. */
  readonly errors: number;
  /** Packets that wait to be taken out. */
  readonly queued: number;
}

/**
 * Receives datagrams. Node allocates a buffer for each, whose bytes are copied once, into the packet. What comes while `backlog`
 * packets wait, or while the pool is exhausted, is dropped and counted.
 *
 * @example
 * const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0, headroom: 64 });
 * const sender = await UdpSender.open(engine, { host: "127.0.0.1", port: receiver.port });
 * sender.enqueueBurst([skb, other]);
 * let n = 0;
 * for await (const packet of receiver) {
 *   packet.release();
 *   if (++n === 2) await receiver.close();
 * }
 * receiver.stats().bytes; // → 200
 */
export class UdpReceiver extends Inbox {
  /** Node's socket, for answers and for its settings: multicast groups, TTL. Do not close it. */
  readonly socket: Socket;
  /** The port that it listens to. */
  readonly port: number;
  /** The address that it listens to; `0.0.0.0` or `::` for all. */
  readonly address: string;
  readonly #backlog: number;
  readonly #headroom: number;
  readonly #source: boolean;
  #received = 0;
  #bytes = 0;
  #full = 0;
  #exhausted = 0;
  #errors = 0;
  #closed: Promise<void> | undefined;
  /** Whether who waits is to be woken with the end of this turn. */
  #turns = false;
  readonly #turned = (): void => {
    this.#turns = false;
    this._turned();
  };

  private constructor(engine: Engine, socket: Socket, options: Partial<UdpReceiverOptions>) {
    super(engine);
    this.socket = socket;
    const { address, port } = socket.address();
    this.port = port;
    this.address = address;
    this.#backlog = options.backlog ?? 1024;
    this.#headroom = options.headroom ?? 0;
    this.#source = options.source ?? true;
    socket.on("message", (bytes, info) => this.#receive(bytes, info));
    socket.on("error", () => this.#errors++);
  }

  /** The half of a socket that receives. It listens already. @internal */
  static _of(engine: Engine, socket: Socket, options: Partial<UdpReceiverOptions>): UdpReceiver {
    return new UdpReceiver(engine, socket, options);
  }

  /**
   * Opens a socket and listens. Returns an owned receiver.
   *
   * @throws TransportError if that address or port cannot be had, ArgumentRangeError, ArgumentTypeError (as rejections)
   * @example
   * const receiver = await UdpReceiver.open(engine, { host: "::1", port: 0 });
   * receiver.address; // → "::1"
   */
  static async open(engine: Engine, options: UdpReceiverOptions): Promise<UdpReceiver> {
    checkEngine(engine);
    const given = checkOptions(options, RECEIVER_OPTIONS);
    const { host, type, receiveBuffer } = given;
    checkHost(host ?? "any", type);
    const port = checkInteger("port", given.port, 0, 0xffff);
    checkReceiving(given);
    checkOneOf("source", given.source ?? true, [true, false]);
    const place = host === undefined ? { address: undefined, type: type ?? "udp4" } : await find(host, type);
    const settings = {
      type: place.type,
      ...(receiveBuffer === undefined ? {} : { recvBufferSize: receiveBuffer }),
    };
    const wanted = `one at ${host ?? "any address"}, port ${port}`;
    const socket = await opened(engine, settings, (one) =>
      reached(one, "listening", wanted, () => one.bind(port, place.address)),
    );
    return new UdpReceiver(engine, socket, given);
  }

  /**
   * What happened so far.
   *
   * @example
   * const receiver = await UdpReceiver.open(engine, { port: 0 });
   * receiver.stats().dropped; // → { full: 0, exhausted: 0 }
   */
  stats(): UdpReceiverStats {
    return {
      received: this.#received,
      bytes: this.#bytes,
      dropped: { full: this.#full, exhausted: this.#exhausted },
      errors: this.#errors,
      queued: this.size,
    };
  }

  /** @internal */
  override _destroy(): void {
    this.#closed ??= closed(this.socket);
  }

  /** @internal */
  override get _gone(): Promise<void> {
    return this.#closed ?? Promise.resolve();
  }

  #receive(bytes: Buffer, { address, port }: RemoteInfo): void {
    // An engine that was closed by force takes no packets: nobody could get at them.
    if (this._engine.closed) {
      void this.close();
      return;
    }
    // Its other half, which sends, may still need the socket.
    if (this._over) return;
    if (this.size >= this.#backlog) {
      this.#full++;
      return;
    }
    const skb = packetOf(this._engine, bytes, this.#headroom);
    if (skb === null) {
      this.#exhausted++;
      return;
    }
    if (this.#source) keepSource(skb, address, port);
    this.#received++;
    this.#bytes += bytes.length;
    if (!this._putOne(skb) || this.#turns) return;
    this.#turns = true;
    setImmediate(this.#turned);
  }
}

/** @throws ArgumentRangeError, ArgumentTypeError @internal */
export function checkReceiving({ backlog, headroom, receiveBuffer }: Partial<UdpReceiverOptions>): void {
  if (backlog !== undefined) checkInteger("backlog", backlog, 1, 2 ** 20);
  if (headroom !== undefined) checkInteger("headroom", headroom, 0, MAX_LINEAR - LONGEST);
  if (receiveBuffer !== undefined) checkInteger("receiveBuffer", receiveBuffer, 1, BUFFER_MOST);
}
