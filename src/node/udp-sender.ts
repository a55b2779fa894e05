/// <reference lib="esnext.disposable" preserve="true" />
// UdpSender: packets into a connected UDP socket, a datagram each.

import type { Socket } from "node:dgram";
import { OK } from "../../assembly/layout.js";
import type { AbortSignalLike } from "../abort.js";
import { checkFunction, checkInteger, checkOptions, type Names } from "../check.js";
import { checkEngine, coreOf, handleOf, hasLent, heapOf, releaseHandle, take } from "../driver.js";
import type { Engine } from "../engine.js";
import { ArgumentRangeError, ArgumentTypeError } from "../errors.js";
import { codeOf, TransportError } from "../io/errors.js";
import { Fifo } from "../io/fifo.js";
import { Outbox } from "../io/outbox.js";
import { DropReason } from "../reason.js";
import type { Skb } from "../skb.js";
import { familyAt, formOf, hasForm, isForm, portAt, TO, textAt } from "./address-form.js";
import { BUFFER_MOST, checkHost, closed, find, opened, reached, type UdpType } from "./udp-open.js";

/** The longest datagram: 65535 bytes, less the IPv4 header, which that counts, and the UDP header. */
const LONGEST_4 = 65507;
/** IPv6 does not count its header. */
const LONGEST_6 = 65527;
/** Pieces that the system sends as one datagram (IOV_MAX). */
const PIECES_MOST = 1024;
/** Bytes of a packet in several pieces that are put together first: that takes less time than one more piece does. */
const JOINED_MOST = 2048;

/** Where datagrams are sent, and how. */
export interface UdpSenderOptions {
  /** Whom to send to: a name, which is looked up once, or an address. */
  host: string;
  /** 1..65535. */
  port: number;
  /** The socket's family. Default: that of `host`. */
  type?: UdpType;
  /** Packets that may wait at a time for the system to take them, 1..65536. Default: 64. */
  inFlight?: number;
  /** Bytes of the system's send buffer. Default: the system's. */
  sendBuffer?: number;
  /** Called with the error of each datagram that could not be sent, and with errors that come from the network. Default: none. */
  onError?: (error: TransportError) => void;
}

const SENDER_OPTIONS: Names<UdpSenderOptions> = {
  host: true,
  port: true,
  type: true,
  inFlight: true,
  sendBuffer: true,
  onError: true,
};

/** What happened to packets since the sender was opened. */
export interface UdpSenderStats {
  /** Datagrams that the system took. What the sender took is the sum of `sent`, `failed`, `tooLong`, `inFlight` and `untold`. */
  readonly sent: number;
  /** Bytes of them. */
  readonly bytes: number;
  /** Datagrams that it did not take; `onError` was called for each. */
  readonly failed: number;
  /** Packets longer than a datagram can be: 65507 bytes by IPv4, 65527 by IPv6. */
  readonly tooLong: number;
  /** Errors that came from the network and belong to no packet in particular. */
  readonly errors: number;
  /** Packets that wait for the system, each with its memory of the arena: `inFlight` of the options at most. */
  readonly inFlight: number;
  /** Bytes of them. */
  readonly inFlightBytes: number;
  /** Datagrams that the system has, and whose memory is free again; Node reports the outcome on its next turn. */
  readonly untold: number;
}

/**
 * Sends each packet as one datagram to one peer. The system reads the bytes where they lie. Copied first are packets of more than
 * 1024 pieces, which it would not take, and those in pieces that have 2048 bytes at most, if none are lent, since a copy takes less
 * time than one more piece. Packets are released when the system has them, which it says on the event
 * loop's next turn: a thread that never turns sends little. Whether a datagram
 * arrives nobody knows: a peer that does not listen shows as ECONNREFUSED for a later one.
 *
 * @example
 * const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0 });
 * const sender = await UdpSender.open(engine, { host: "127.0.0.1", port: receiver.port });
 * sender.enqueue(skb); // → true
 * await receiver.waitAsync(); // → "ready"
 * receiver.dequeue().length; // → 100
 * await sender.close();
 * await receiver.close();
 */
export class UdpSender extends Outbox {
  /** Node's socket, for its settings: TTL, broadcast, multicast interface. Connected; do not close it. */
  readonly socket: Socket;
  readonly #longest: number;
  readonly #family: 4 | 6;
  readonly #peer: UdpPeer | null;
  readonly #onError: ((error: TransportError) => void) | undefined;
  #tooLong = 0;
  #errors = 0;
  #inFlightBytes = 0;
  #untold = 0;
  /**
   * What Node has yet to tell of, in the order in which it tells: of what the system took at once on the next tick, of the rest
   * later, and it takes nothing at once while there is some. The length of each datagram, and its packet; 0 if that is free already.
   */
  readonly #lengths = new Fifo<number>();
  readonly #handles = new Fifo<number>();
  readonly #told = (error: Error | null): void => this.#done(error);
  /** Datagrams for which the system had no room, when it was asked last. */
  #waiting = 0;

  private constructor(
    engine: Engine,
    socket: Socket,
    type: UdpType,
    peer: UdpPeer | null,
    options: Partial<UdpSenderOptions>,
  ) {
    super(engine, options.inFlight ?? 64);
    this.socket = socket;
    this.#family = type === "udp6" ? 6 : 4;
    this.#peer = peer;
    this.#longest = type === "udp6" ? LONGEST_6 : LONGEST_4;
    this.#onError = options.onError;
    socket.on("error", (error) => {
      this.#errors++;
      this.#tell("no error from the network", error);
    });
  }

  /** The half of a socket that sends. It is connected to the peer already, or bound if there is none. @internal */
  static _of(
    engine: Engine,
    socket: Socket,
    type: UdpType,
    peer: UdpPeer | null,
    options: Partial<UdpSenderOptions>,
  ): UdpSender {
    return new UdpSender(engine, socket, type, peer, options);
  }

  /**
   * Opens a socket and connects it. Returns an owned sender.
   *
   * @throws TransportError if the host has no address or cannot be reached, ArgumentRangeError, ArgumentTypeError (as
   * rejections)
   * @example
   * const sender = await UdpSender.open(engine, { host: "localhost", port, type: "udp4" });
   * sender.socket.remoteAddress().address; // → "127.0.0.1"
   */
  static async open(engine: Engine, options: UdpSenderOptions): Promise<UdpSender> {
    checkEngine(engine);
    const given = checkOptions(options, SENDER_OPTIONS);
    const { type, sendBuffer } = given;
    const host = checkHost(given.host, type);
    const port = checkInteger("port", given.port, 1, 0xffff);
    checkSending(given);
    const place = await find(host, type);
    const settings = {
      type: place.type,
      ...(sendBuffer === undefined ? {} : { sendBufferSize: sendBuffer }),
    };
    const peer = { host, port, address: place.address };
    const socket = await opened(engine, settings, (one) => connected(one, peer));
    return new UdpSender(engine, socket, place.type, peer, given);
  }

  /**
   * What happened so far.
   *
   * @example
   * const sender = await UdpSender.open(engine, { host: "127.0.0.1", port });
   * sender.enqueue(skb);
   * sender.stats().inFlightBytes; // → 100
   */
  stats(): UdpSenderStats {
    return {
      sent: this._sent,
      bytes: this._bytes,
      failed: this._failed,
      tooLong: this.#tooLong,
      errors: this.#errors,
      inFlight: this._inFlight,
      inFlightBytes: this.#inFlightBytes,
      untold: this.#untold,
    };
  }

  /** @internal */
  override _end(): void {}

  /** Node calls back for what the system has not taken. @internal */
  override _destroy(): void {
    void closed(this.socket);
  }

  /** @internal */
  override _isSettled(): boolean {
    return this._inFlight + this.#untold === 0;
  }

  /** A datagram that could not be sent was told to `onError`, and is no failure of the sender. @internal */
  override _hasLost(): boolean {
    return false;
  }

  /** @internal */
  override _leave(): Promise<void> {
    return closed(this.socket);
  }

  /** What the system has not taken yet. It mostly takes a datagram at once, and says so later. @internal */
  override get _load(): number {
    if (this.#waiting > 0) this.#waiting = this.#queued();
    return this.#waiting;
  }

  #queued(): number {
    const { socket } = this;
    try {
      return socket.getSendQueueCount?.() ?? this._used;
    } catch {
      // Somebody has closed it.
      return 0;
    }
  }

  /** @internal */
  override _cost(): number {
    return 1;
  }

  /** @internal */
  override _refusal(skb: Skb): Error | null {
    return super._refusal(skb) ?? this.#misaddressed(skb);
  }

  /** What is wrong with where the packet is to go; null if nothing is. */
  #misaddressed(skb: Skb): Error | null {
    const [core, heap] = [coreOf(this._engine), heapOf(this._engine)];
    const cb = core.cbAddress(handleOf(skb)) >>> 0;
    const peer = this.#peer;
    if (!hasForm(heap, cb, TO))
      return peer === null ? new ArgumentTypeError("destination", "one, as there is no peer", null) : null;
    const port = portAt(heap, cb);
    if (port === 0) return new ArgumentRangeError("port", "1..65535", port);
    if (familyAt(heap, cb) !== this.#family)
      return new ArgumentTypeError("destination", `an IPv${this.#family} address`, textAt(heap, cb));
    // Node sends nowhere else by a socket that is connected.
    if (peer === null || (port === peer.port && isForm(heap, cb, formOf(peer.address) as Uint32Array)))
      return null;
    return new ArgumentTypeError(
      "destination",
      `the peer, ${peer.address}, port ${peer.port}`,
      `${textAt(heap, cb)}, port ${port}`,
    );
  }

  /** @internal */
  override _runsOthers(): boolean {
    return hasLent(this._engine);
  }

  /** Without an object for the packet, nor one for what Node is to call. @internal */
  override _take(skb: Skb): void {
    const engine = this._engine;
    const handle = take(skb);
    const n = coreOf(engine).length(handle) >>> 0;
    if (n > this.#longest) {
      this.#tooLong++;
      this._free(1);
      releaseHandle(engine, handle, DropReason.badLength);
      return;
    }
    this._inFlight++;
    this.#inFlightBytes += n;
    this.#lengths.push(n);
    try {
      this.#hand(handle, n);
    } catch (error) {
      this.#handles.push(handle);
      // Told later, as everything: who then sends the next one would call itself for ever.
      process.nextTick(this.#told, error as Error);
      return;
    }
    this.#waiting = this.#queued();
    if (this.#waiting > 0 || this._inFlight <= this._capacity) {
      this.#handles.push(handle);
      return;
    }
    // The system has done with the bytes, and there are more packets than may wait: they need not until it says so.
    this.#handles.push(0);
    this._inFlight--;
    this.#inFlightBytes -= n;
    this.#untold++;
    this._used--;
    releaseHandle(engine, handle, DropReason.consumed);
  }

  /** Gives a packet's bytes to Node. */
  #hand(handle: number, n: number): void {
    const [core, heap] = [coreOf(this._engine), heapOf(this._engine)];
    const address = core.spanOf(handle, 0, n) >>> 0;
    const bytes = address === 0 ? this.#outside(handle, n) : heap.view(address, n);
    if (this.#peer !== null) this.socket.send(bytes, this.#told);
    else {
      const cb = core.cbAddress(handle) >>> 0;
      this.socket.send(bytes, portAt(heap, cb), textAt(heap, cb), this.#told);
    }
  }

  /** What is given to Node of a packet that is not all in its head. */
  #outside(handle: number, n: number): Uint8Array | Uint8Array[] {
    const core = coreOf(this._engine);
    const pieces = this.#pieces(handle, n);
    // Node copies an array, so that one view is better without.
    if (pieces.length === 1) return pieces[0] as Uint8Array;
    if (n > JOINED_MOST || core.zeroCopy(handle) !== 0 || core.linearize(handle) !== OK) return pieces;
    return heapOf(this._engine).view(core.spanOf(handle, 0, n) >>> 0, n);
  }

  /** Views of all pieces; of a copy, if there are too many. */
  #pieces(handle: number, n: number): Uint8Array[] {
    const [core, heap] = [coreOf(this._engine), heapOf(this._engine)];
    const pieces: Uint8Array[] = [];
    const pairs = core.scratch() >>> 0;
    core.startSegments(handle, 0, n);
    for (let some = core.nextSegments(); some > 0; some = core.nextSegments())
      for (let at = pairs; at < pairs + some * 8; at += 8)
        pieces.push(heap.view(heap.word(at), heap.word(at + 4)));
    if (pieces.length <= PIECES_MOST) return pieces;
    const whole = new Uint8Array(n);
    let done = 0;
    for (const piece of pieces) {
      whole.set(piece, done);
      done += piece.length;
    }
    return [whole];
  }

  #done(error: Error | null): void {
    const n = this.#lengths.shift() as number;
    const handle = this.#handles.shift() as number;
    if (handle === 0) {
      this.#untold--;
      this._inFlight++;
    } else {
      this._used--;
      this.#inFlightBytes -= n;
    }
    this._count(1, n, error !== null);
    this._waiters.wake();
    // An engine that was closed by force has it already.
    if (handle !== 0 && !this._engine.closed)
      releaseHandle(this._engine, handle, error === null ? DropReason.consumed : reasonFor(error));
    this._settle();
    if (error !== null) this.#tell("a datagram that the system takes", error);
  }

  #tell(wanted: string, error: Error): void {
    this.#onError?.(new TransportError("socket", wanted, codeOf(error), { cause: error }));
  }
}

/** Whom a socket is connected to. @internal */
export interface UdpPeer {
  /** As it was named. */
  readonly host: string;
  readonly port: number;
  /** Where that is. */
  readonly address: string;
}

/** Connects a socket. @throws TransportError, the reason of the signal (as rejections) @internal */
export function connected(
  socket: Socket,
  { host, port, address }: UdpPeer,
  signal?: AbortSignalLike,
): Promise<void> {
  const wanted = `one connected to ${host}, port ${port}`;
  return reached(socket, "connect", wanted, () => socket.connect(port, address), signal);
}

/** @throws ArgumentRangeError, ArgumentTypeError @internal */
export function checkSending({ inFlight, sendBuffer, onError }: Partial<UdpSenderOptions>): void {
  if (inFlight !== undefined) checkInteger("inFlight", inFlight, 1, 0x10000);
  checkFunction("onError", onError);
  if (sendBuffer !== undefined) checkInteger("sendBuffer", sendBuffer, 1, BUFFER_MOST);
}

/** What the system's error says of the packet that it met. */
function reasonFor(error: Error): DropReason {
  switch (codeOf(error)) {
    case "ECONNREFUSED":
      return DropReason.noListener;
    case "EMSGSIZE":
      return DropReason.badLength;
    case "ENOBUFS":
    case "EAGAIN":
      return DropReason.full;
    default:
      return DropReason.notSpecified;
  }
}
