/// <reference lib="esnext.disposable" preserve="true" />
// StreamInbox: what receivers of packets from streams of bytes have in common, whoever reads the stream.

import { MAX_LENGTH, PAGE_BYTES } from "../../assembly/layout.js";
import { checkInteger, type Names, U32_MOST } from "../check.js";
import type { Engine } from "../engine.js";
import type { Skb } from "../skb.js";
import { Deframer } from "./deframer.js";
import { type FramingError, TransportError } from "./errors.js";
import { checkFraming, type Framing, longestPacket } from "./framing.js";
import { Inbox } from "./inbox.js";
import { BufferPiece, PIECE_MOST, type Piece } from "./piece.js";

/** Bytes that a waiting packet counts beside its own: roughly what one of none takes of the arena. */
const PACKET_COST = 512;

/** How a stream is received. */
export interface StreamReceiverOptions {
  /**
   * Bytes that may wait to be taken out, with 512 more for each packet, 1..2^32-1. While there are more, nothing is read.
   * Default: 1 MiB.
   */
  backlog?: number;
  /** What is in front of each packet. With `none` each read makes a packet. Default: `none`. */
  framing?: Framing;
  /** Bytes of the longest packet that a length in front of it may claim. Default: 1 MiB. */
  longest?: number;
  /** Bytes in front of each packet for headers to come, 0..4096. Default: 0. */
  headroom?: number;
}

export const STREAM_OPTIONS: Names<StreamReceiverOptions> = {
  backlog: true,
  framing: true,
  longest: true,
  headroom: true,
};

/** What happened since the receiver was made. */
export interface StreamReceiverStats {
  /** Packets. */
  readonly received: number;
  /** Bytes of the stream, lengths in front of packets included. */
  readonly bytes: number;
  /** Packets that wait to be taken out. */
  readonly queued: number;
  /** Bytes of them, as `backlog` counts. */
  readonly queuedBytes: number;
  /** How often reading has paused. */
  readonly paused: {
    /** Because of `backlog`. */
    readonly full: number;
    /** Because the pool was exhausted. */
    readonly exhausted: number;
  };
}

/** What came of the stream: all there was, or the error that ended it. */
interface Outcome {
  readonly error: TransportError | null;
}

/**
 * The part of receivers from streams that is the same. Nothing is read while `backlog` bytes wait, or while the pool is
 * exhausted; it goes on by itself when there is room again. What is wrong with the stream, TransportError or FramingError,
 * comes out of `dequeue` after all packets before it.
 *
 * @example
 * const receiver = StreamReceiver.from(engine, new PassThrough().end(payload));
 * for await (const packet of receiver) packet.release();
 * receiver.stats().received; // → 1
 */
export abstract class StreamInbox extends Inbox {
  readonly #deframer: Deframer;
  readonly #backlog: number;
  #cost = 0;
  #received = 0;
  #bytes = 0;
  #full = 0;
  #exhausted = 0;
  #paused = false;
  /** Ends the wait for memory, while the pool is exhausted. */
  #starving: AbortController | undefined;
  #outcome: Outcome | null = null;

  /** @internal */
  constructor(engine: Engine, options: Partial<StreamReceiverOptions>) {
    super(engine);
    const { backlog = 1024 * 1024, framing = "none", longest = 1024 * 1024, headroom = 0 } = options;
    this.#backlog = backlog;
    this.#deframer = new Deframer(engine, framing, Math.min(longest, longestPacket(framing)), headroom);
  }

  /** Sees to it that there is a place for what is read next. Returns whether there is. @internal */
  abstract _supply(): boolean;
  /** Reads again, after `_mayRead` has said that nobody may. @internal */
  abstract _resume(): void;
  /**
   * What happened so far.
   *
   * @example
   * const receiver = StreamReceiver.from(engine, new PassThrough().end(payload));
   * await receiver.waitAsync();
   * receiver.stats().queuedBytes; // → 612
   */
  stats(): StreamReceiverStats {
    return {
      received: this.#received,
      bytes: this.#bytes,
      queued: this.size,
      queuedBytes: this.#cost,
      paused: { full: this.#full, exhausted: this.#exhausted },
    };
  }

  /** The next `n` bytes of the stream. Takes the piece. @internal */
  _push(piece: Piece, n: number): void {
    this.#bytes += n;
    this.#deframer.push(piece);
    this.#digest();
  }

  /** The next bytes of the stream, in memory of somebody else's: packets get copies. @internal */
  _pushBytes(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    for (let at = 0; at < bytes.length; at += PIECE_MOST)
      this.#deframer.push(new BufferPiece(this._engine, bytes.subarray(at, at + PIECE_MOST)));
    this.#digest();
  }

  /** Whether anything is to be done with what was read. @internal */
  _isOpen(): boolean {
    // An engine that was closed by force takes no packets: nobody could get at them.
    if (this._engine.closed) this._breakOff(null);
    return !this._over;
  }

  /** Makes packets of what is there, as many as may wait. */
  #digest(): void {
    try {
      while (!this._over && this.#cost < this.#backlog) {
        const next = this.#deframer.next();
        if (next === "memory") {
          this.#starve();
          return;
        }
        if (next === "bytes") {
          if (this.#outcome !== null) this.#finish(this.#outcome.error ?? this.#deframer.end());
          return;
        }
        this.#received++;
        this.#cost += costOf(next);
        this._put(next);
      }
    } catch (error) {
      this._breakOff(error as FramingError);
    }
  }

  /** @internal */
  override _taken(skb: Skb): void {
    this.#cost -= costOf(skb);
    this.#goOn();
  }

  // ─── Pausing ─────────────────────────────────────────────────────────────────────────────────────────

  /** Whether there is room for what would be read. Counts why not. @internal */
  _mayRead(): boolean {
    if (this._over) return false;
    if (this.#cost < this.#backlog && this.#starving === undefined && !this._supply()) this.#starve();
    if (this.#starving === undefined && this.#cost < this.#backlog) return true;
    if (!this.#paused) {
      if (this.#starving === undefined) this.#full++;
      else this.#exhausted++;
    }
    this.#paused = true;
    return false;
  }

  /** Goes on when there is memory. */
  #starve(): void {
    if (this.#starving !== undefined) return;
    const starving = new AbortController();
    this.#starving = starving;
    const goOn = (): void => {
      if (this.#starving !== starving) return;
      this.#starving = undefined;
      if (this._isOpen()) this.#goOn();
    };
    // It rejects when this ends, or the engine is closed.
    this._engine.waitMemoryAsync({ signal: starving.signal }).then(goOn, goOn);
  }

  /** Makes packets of what was kept back, and reads again when half of the backlog is free. */
  #goOn(): void {
    if (this._over || this.#starving !== undefined) return;
    this.#digest();
    if (!this.#paused || this.#cost > this.#backlog / 2 || !this._mayRead()) return;
    this.#paused = false;
    if (this.#outcome === null) this._resume();
  }

  // ─── The end ─────────────────────────────────────────────────────────────────────────────────────────

  /** Nothing comes from the stream any more; what came is still to be given out. @internal */
  _stop(error: TransportError | null): void {
    if (this.#outcome !== null || this._over) return;
    this.#outcome = { error };
    if (this._isOpen()) this.#goOn();
  }

  /** Nothing is given out any more but what waits already. */
  #finish(error: TransportError | FramingError | null): void {
    this._drop();
    this._finish(error);
  }

  /** Gives up what is no packet yet. @internal */
  _drop(): void {
    this.#starving?.abort();
    this.#starving = undefined;
    this.#deframer.drop();
  }

  /** Nothing is given out any more but what waits already, and what the stream still has is of no interest. @internal */
  _breakOff(error: TransportError | FramingError | null): void {
    this.#finish(error);
    this._destroy(false);
  }
}

function costOf(skb: Skb): number {
  return skb.length + PACKET_COST;
}

/** The error for a stream that gave something else than bytes or its end. */
export function streamFailure(got: string, error: unknown): TransportError {
  return new TransportError("stream", "bytes or the end", got, error == null ? undefined : { cause: error });
}

/** @throws ArgumentRangeError, ArgumentTypeError */
export function checkStreamOptions({
  backlog,
  framing,
  longest,
  headroom,
}: Partial<StreamReceiverOptions>): void {
  if (backlog !== undefined) checkInteger("backlog", backlog, 1, U32_MOST);
  if (framing !== undefined) checkFraming(framing);
  if (longest !== undefined) checkInteger("longest", longest, 0, MAX_LENGTH);
  if (headroom !== undefined) checkInteger("headroom", headroom, 0, PAGE_BYTES);
}
