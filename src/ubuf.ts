/// <reference lib="esnext.disposable" preserve="true" />
// Lent memory: the region that holds it, and the ubuf that says when it may be used again.

import { UBUF_CARRIED } from "../assembly/layout.js";
import type { Names } from "./check.js";
import { describes } from "./describe.js";
import type { Engine } from "./engine.js";
import { EngineClosedError, StaleRegionError, UbufError } from "./errors.js";

/** What a completion says. */
export interface Completion {
  /** The number given to `engine.ubuf`. */
  readonly desc: number;
  /** `sent`: read in place, then released. `copied`: the engine copied the bytes and let go early. */
  readonly status: "sent" | "copied";
}

/** Called once, on the thread that made the ubuf, when its memory may be used again. */
export type UbufCallback = (completion: Completion) => void;

/** What a ubuf is made with. */
export interface UbufOptions {
  /** A number of yours, 0..2^32-1, that comes back with the completion. Default: 0. */
  desc?: number;
  /**
   * What `clone`, `copyHead` and the like do with the lent bytes. `copy`: they copy them first, and the ubuf
   * completes at that moment. `refcount`: they share them, and it completes with the last. Default: `copy`.
   */
  sharing?: "copy" | "refcount";
}

/** @internal */
export const UBUF_OPTIONS: Names<UbufOptions> = { desc: true, sharing: true };

/**
 * Tells whoever lent memory to a packet when it may be reused (ubuf_info). Made by `engine.ubuf`, given to
 * `skb.addUserFrag`. It completes once: when the last packet data that carries it is released, or earlier, when
 * the engine has copied the bytes. The engine keeps it alive until then; you need not hold it.
 *
 * @example
 * const ubuf = engine.ubuf(({ desc, status }) => console.log(desc, status), { desc: 7 });
 * skb.addUserFrag(region, 0, 1000, ubuf);
 * skb.release(); // prints 7 sent
 * ubuf.status; // → "sent"
 */
export class Ubuf {
  /** The number given to `engine.ubuf`. */
  readonly desc: number;
  /** As given to `engine.ubuf`. */
  readonly sharing: "copy" | "refcount";
  /** @internal */
  readonly _engine: Engine;
  /** @internal */
  _handle: number;
  /** @internal */
  readonly _callback: UbufCallback | undefined;
  /** The next whose callback is to run. @internal */
  _next: Ubuf | null = null;
  #status: "idle" | "sent" | "copied" | "cancelled" = "idle";

  /** @internal */
  constructor(
    engine: Engine,
    handle: number,
    desc: number,
    sharing: "copy" | "refcount",
    callback: UbufCallback | undefined,
  ) {
    this._engine = engine;
    this._handle = handle;
    this.desc = desc;
    this.sharing = sharing;
    this._callback = callback;
  }

  /** `idle` until a packet carries it, `lent` until it has completed, then `sent`, `copied` or `cancelled`. */
  get status(): "idle" | "lent" | "sent" | "copied" | "cancelled" {
    return this.#status === "idle" && this._carried ? "lent" : this.#status;
  }

  /** Packet data that carries it now. */
  get carriers(): number {
    return this._handle === 0 ? 0 : this._engine._core.ubufRefs(this._handle);
  }

  /**
   * Gives up a ubuf that no packet carries (net_zcopy_put_abort). Its callback will not run. Does nothing after it has
   * completed.
   *
   * @throws UbufError while a packet carries it
   * @example
   * ubuf.cancel();
   * ubuf.status; // → "cancelled"
   */
  cancel(): void {
    if (this._handle === 0) return;
    if (this._engine._core.cancelUbuf(this._handle) !== 0)
      throw new UbufError("no packet to carry it", "a carried one");
    this._engine._completions.cancelled(this);
  }

  /** Whether it has neither completed nor been cancelled. @internal */
  get _alive(): boolean {
    return this._handle !== 0;
  }

  /** Whether a packet carries it, or did, and its completion is on the way. @internal */
  get _carried(): boolean {
    return this._handle !== 0 && (this._engine._core.ubufState(this._handle) & UBUF_CARRIED) !== 0;
  }

  /** @internal */
  _finish(status: "sent" | "copied" | "cancelled"): void {
    this._handle = 0;
    this.#status = status;
  }
}

/**
 * Memory of the arena that you write yourself and lend to packets with `skb.addUserFrag`. Made by
 * `engine.userRegion`.
 *
 * @example
 * const region = engine.userRegion(4096);
 * region.bytes.set(payload);
 * skb.addUserFrag(region, 0, 100, ubuf);
 * region.frags; // → 1
 */
export class UserRegion {
  /** Bytes that can be lent. */
  readonly size: number;
  /** @internal */
  readonly _engine: Engine;
  #address: number;

  /** @internal */
  constructor(engine: Engine, address: number, size: number) {
    this._engine = engine;
    this.#address = address;
    this.size = size;
  }

  /**
   * The region's memory. While a packet refers to a part of it, do not write that part.
   *
   * @throws StaleRegionError, EngineClosedError
   * @example
   * region.bytes.set(payload);
   * skb.addUserFrag(region, 10, 1, ubuf);
   * skb.readU8(100); // → 10
   */
  get bytes(): Uint8Array {
    return this._engine._heap.view(this._live(), this.size);
  }

  /** Frags that refer to the region now. @throws StaleRegionError, EngineClosedError */
  get frags(): number {
    return this._engine._core.regionFrags(this._live());
  }

  /** Whether `release()` was called. */
  get released(): boolean {
    return this.#address === 0;
  }

  /**
   * Gives the region up. Its memory goes back to the pool at once, or when the last frag that refers to it is gone;
   * views of it must not be used any more.
   *
   * @throws StaleRegionError, EngineClosedError
   * @example
   * region.release();
   * region.released; // → true
   */
  release(): void {
    this._engine._core.releaseRegion(this._live());
    this._engine._regions.delete(this);
    this.#address = 0;
  }

  /**
   * `release()`, but does nothing if that is done already.
   *
   * @example
   * region[Symbol.dispose]();
   * region.released; // → true
   */
  [Symbol.dispose](): void {
    if (this.#address !== 0 && !this._engine.closed) this.release();
  }

  /** @internal */
  _live(): number {
    if (this._engine.closed) throw new EngineClosedError();
    if (this.#address === 0) throw new StaleRegionError();
    return this.#address;
  }
}

describes(Ubuf, "Ubuf", ({ desc, sharing, status }) => ({ desc, sharing, status }));
describes(UserRegion, "UserRegion", (region) => {
  const { size, released } = region;
  return released ? { size, released } : { size, frags: region.frags };
});
