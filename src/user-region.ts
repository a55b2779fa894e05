/// <reference lib="esnext.disposable" preserve="true" />
// UserRegion: memory of the arena that is lent to packets.

import { ERROR_LIMIT, PAGE_BYTES } from "../assembly/layout.js";
import { checkInteger } from "./check.js";
import { describes } from "./describe.js";
import { checkEngine, type Engine } from "./engine.js";
import { EngineClosedError, StaleRegionError } from "./errors.js";
import { refusal } from "./refusal.js";

/**
 * Memory of the arena that you write yourself and lend to packets with `skb.addUserFrag`.
 *
 * @example
 * const region = new UserRegion(engine, 4096);
 * region.bytes.set(payload);
 * skb.addUserFrag(region, 0, 100, ubuf);
 * region.frags; // → 1
 */
export class UserRegion {
  /** Bytes that can be lent. */
  readonly size: number;
  /** By this it is told from what is none, since who makes none need not have the class. @internal */
  readonly _kind = "region";
  /** @internal */
  readonly _engine: Engine;
  #address: number;

  /**
   * Takes memory out of the arena, 1 byte or more, in whole pages. Returns an owned region.
   *
   * @throws PoolExhaustedError if there are not so many neighbouring free pages; EngineClosedError, ArgumentTypeError,
   * ArgumentRangeError
   * @example
   * const region = new UserRegion(engine, 10000);
   * region.bytes.set(payload);
   * region.release();
   */
  constructor(engine: Engine, bytes: number) {
    const { _core: core, memory } = checkEngine(engine);
    checkInteger("bytes", bytes, 1, memory);
    const address = core.createRegion(Math.ceil(bytes / PAGE_BYTES)) >>> 0;
    if (address < ERROR_LIMIT) throw refusal(engine, address, null);
    this._engine = engine;
    this.#address = address;
    this.size = bytes;
    engine._regions.add(this);
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

describes(UserRegion, "UserRegion", (region) => {
  const { size, released } = region;
  return released ? { size, released } : { size, frags: region.frags };
});
