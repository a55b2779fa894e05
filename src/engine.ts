// Engine: one arena, and this thread's way into it.

import {
  BURST_MOST,
  E_EXHAUSTED,
  ERROR_LIMIT,
  MAX_LINEAR,
  MAX_THREADS,
  OK,
  PAGE_BYTES,
  UBUF_COPIED,
  UBUF_SHARING,
} from "../assembly/layout.js";
import { type AuditReport, auditArena } from "./audit.js";
import { checkFunction, checkInteger, checkOneOf, checkOptions, U32_MOST } from "./check.js";
import { Heap } from "./core/heap.js";
import { type Core, type Loaded, load, WASM_PAGE_BYTES } from "./core/load.js";
import { Debug, type Leak } from "./debug.js";
import {
  ArgumentRangeError,
  ArgumentTypeError,
  EngineClosedError,
  ForeignSkbError,
  InUseError,
  QueuedSkbError,
} from "./errors.js";
import { DropReason } from "./reason.js";
import { refusal, staleError } from "./refusal.js";
import { RELEASED, Skb } from "./skb.js";
import { readStats, type Stats } from "./stats.js";
import { Ubuf, type UbufCallback, type UbufOptions, UserRegion } from "./ubuf.js";

/** Where the arena starts: behind the first page, so that no object has an address below ERROR_LIMIT. */
const BASE = PAGE_BYTES;
/** The last page of 4 GiB stays unused: the address behind it would be 2^32. */
const MOST_PAGES = 2 ** 20 - 2;
const RINGS = 64;

export interface EngineOptions {
  /** Bytes of the arena, 256 KiB to 4 GiB, rounded up to 64 KiB. 64 MiB if not given. Never grows. */
  memory?: number;
  /** `wasm`, or the same engine in JS; `auto` takes Wasm where it exists. */
  core?: "auto" | "wasm" | "js";
  /** Whether the arena can be shared with other threads; `auto` shares where SharedArrayBuffer exists. */
  shared?: "auto" | boolean;
  /** Packets that can exist at a time, rounded up to a power of two; one for each 2 KiB of memory if not given. */
  skbs?: number;
  /** ubufs that can exist at a time, rounded up to a power of two; one for each 16 KiB of memory if not given. */
  ubufs?: number;
  /** Threads that the arena is laid out for, 1..64; each takes 8 KiB of it. 16 if not given. */
  threads?: number;
  /** Objects in half a magazine, 1..31: what a thread may keep to itself. Chosen from the size if not given. */
  magazine?: number;
  /** Records where each packet was allocated and let go, for errors and leak reports. Slow. */
  debug?: boolean;
  /** With `debug`, told of each `Skb` that was garbage-collected unreleased. Prints a warning if not given. */
  onLeak?: (leak: Leak) => void;
  /** Told what a completion callback threw. If not given, it is thrown on the event loop's next turn. */
  onError?: (error: unknown) => void;
}

export interface AllocOptions {
  /** Bytes in front of the packet for headers to come. 0 if not given. */
  headroom?: number;
}

export interface BurstOptions extends AllocOptions {
  /**
   * Takes the `Skb` objects in `out` that have ended for the new packets, instead of making new ones: saves half of
   * the time. Only for an array that is the one place where they are: whoever else kept such an object would find it
   * alive again.
   */
  reuse?: boolean;
}

/**
 * An arena of packets, and the way into it.
 *
 * @example
 * const engine = await Engine.create({ memory: 16 * 1024 * 1024 });
 * const skb = engine.alloc(1500, { headroom: 64 });
 * skb.release();
 * engine.close(); // → []
 */
export class Engine {
  /** `wasm`, or `js` if that was asked for or there is no WebAssembly. */
  readonly core: "wasm" | "js";
  /** Whether the arena is shared memory. */
  readonly shared: boolean;
  /** Bytes of the arena. */
  readonly memory: number;
  /** @internal */
  _core: Core;
  /** @internal */
  readonly _heap: Heap;
  /** @internal */
  readonly _debug: Debug | null;
  /** ubufs that may complete: while it is 0, no operation need look. @internal */
  _lent = 0;
  /** @internal */
  readonly _regions = new Set<UserRegion>();
  readonly #ubufs = new Map<number, Ubuf>();
  readonly #onError: ((error: unknown) => void) | undefined;
  readonly #scratch: number;
  #closed = false;

  private constructor(loaded: Loaded, options: Partial<EngineOptions>) {
    this.core = loaded.kind;
    this.shared = loaded.shared;
    this.memory = loaded.buffer.byteLength;
    this._core = loaded.core;
    this._heap = new Heap(loaded);
    this._debug = options.debug === true ? new Debug(options.onLeak ?? warn) : null;
    this.#onError = options.onError;
    this.#scratch = loaded.core.scratch() >>> 0;
  }

  /**
   * Makes an engine with an arena of its own.
   *
   * @throws ArgumentRangeError, ArgumentTypeError, UnsupportedError (as rejections)
   * @example
   * const engine = await Engine.create({ memory: 1024 * 1024, threads: 1 });
   * engine.memory; // → 1048576
   * engine.close();
   */
  static async create(options?: EngineOptions): Promise<Engine> {
    const given = checkOptions(options);
    const asked = checkInteger("memory", given.memory ?? 64 * 1024 * 1024, 256 * 1024, 2 ** 32);
    const bytes = Math.ceil(asked / WASM_PAGE_BYTES) * WASM_PAGE_BYTES;
    const kind = checkOneOf("core", given.core ?? "auto", ["auto", "wasm", "js"]);
    const shared = checkOneOf("shared", given.shared ?? "auto", ["auto", true, false]);
    checkOneOf("debug", given.debug ?? false, [true, false]);
    checkFunction("onLeak", given.onLeak);
    checkFunction("onError", given.onError);
    const skbs = powerOfTwo(
      checkInteger("skbs", given.skbs ?? Math.min(bytes / 2048, 2 ** 20) - ERROR_LIMIT, 1, 2 ** 20),
    );
    const ubufs = powerOfTwo(
      checkInteger(
        "ubufs",
        given.ubufs ?? Math.max(Math.min(bytes / 16384, 2 ** 16) - ERROR_LIMIT, 64),
        1,
        2 ** 16,
      ),
    );
    const threads = checkInteger("threads", given.threads ?? 16, 1, MAX_THREADS);
    const magazine = given.magazine === undefined ? 0 : checkInteger("magazine", given.magazine, 1, 31);
    const loaded = await load(kind, shared, bytes);
    const pages = Math.min(bytes / PAGE_BYTES - 1, MOST_PAGES);
    if (loaded.core.format(BASE, pages, skbs, ubufs, threads, RINGS, magazine) !== OK) {
      throw new ArgumentRangeError(
        "memory",
        "more than the tables of its packets, ubufs and threads take",
        bytes,
      );
    }
    loaded.core.attachArena(BASE);
    loaded.core.claimThread();
    return new Engine(loaded, given);
  }

  /** Whether `close()` has been called. */
  get closed(): boolean {
    return this.#closed;
  }

  // ─── Packets ─────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Allocates an empty packet with exactly `headroom` bytes in front and at least `size` bytes of tailroom
   * (alloc_skb and skb_reserve). Returns an owned one. Together they are at most 128 KiB.
   *
   * @throws PoolExhaustedError, ArgumentRangeError, ArgumentTypeError
   * @example
   * const skb = engine.alloc(1500, { headroom: 64 });
   * skb.headroom; // → 64
   * skb.length; // → 0
   * skb.release();
   */
  alloc(size: number, options?: AllocOptions): Skb {
    const handle = this.#alloc(size, options);
    if (handle < ERROR_LIMIT) throw refusal(this, handle, null);
    return this._wrap(handle);
  }

  /**
   * As `alloc`, but returns null where that would throw PoolExhaustedError.
   *
   * @throws ArgumentRangeError, ArgumentTypeError
   * @example
   * const skb = engine.tryAlloc(1500);
   * if (skb === null) console.log("the pool is empty");
   * else skb.release();
   */
  tryAlloc(size: number, options?: AllocOptions): Skb | null {
    const handle = this.#alloc(size, options);
    if (handle >= ERROR_LIMIT) return this._wrap(handle);
    if (handle !== E_EXHAUSTED) throw refusal(this, handle, null);
    return null;
  }

  #alloc(size: number, options: AllocOptions | undefined): number {
    const headroom = options === undefined ? 0 : headroomOf(options);
    checkInteger("size", size, 0, MAX_LINEAR - headroom);
    return this._core.alloc(size, headroom);
  }

  /**
   * Allocates packets into `out[0]` to `out[count - 1]` (kmem_cache_alloc_bulk). Returns how many there were; the rest
   * of `out` stays as it is. `count` is `out.length` if not given.
   *
   * @throws ArgumentRangeError, ArgumentTypeError
   * @example
   * const burst = new Array(32);
   * const n = engine.allocBurst(burst, 256, { headroom: 64 });
   * n; // → 32
   * engine.releaseBurst(burst, n);
   */
  allocBurst(out: (Skb | null | undefined)[], size: number, options?: BurstOptions, count?: number): number {
    if (!Array.isArray(out)) throw new ArgumentTypeError("out", "an array", out);
    const wanted = checkInteger("count", count ?? out.length, 0, U32_MOST);
    const headroom = options === undefined ? 0 : headroomOf(options);
    checkInteger("size", size, 0, MAX_LINEAR - headroom);
    const reuse = options?.reuse === true;
    const { handles } = this._heap;
    const first = this.#scratch >>> 2;
    let done = 0;
    while (done < wanted) {
      const ask = Math.min(wanted - done, BURST_MOST);
      const n = this._core.allocBurst(ask, size, headroom);
      let i = 0;
      try {
        for (; i < n; i++) {
          const handle = handles[first + i] as number;
          const old = reuse ? out[done + i] : undefined;
          // Only an Skb has all three: a Ubuf that has completed must not be taken for one.
          if (old?._engine === this && old._node === null && old._handle < ERROR_LIMIT) {
            old._handle = handle;
            if (this._debug !== null) this._debug.born(old, handle);
          } else out[done + i] = this._wrap(handle);
        }
      } catch {
        // A frozen array, say. What this call has put into it goes back, and so does what it did not take.
        const taken = done + i;
        for (; i < n; i++) this._core.release(handles[first + i] as number, DropReason.consumed);
        for (let j = 0; j < taken; j++) (out[j] as Skb)[Symbol.dispose]();
        throw new ArgumentTypeError("out", "an array that takes packets", out);
      }
      done += n;
      if (n < ask) break;
    }
    return done;
  }

  /**
   * Releases `skbs[0]` to `skbs[count - 1]` (kfree_skb_list). `count` is `skbs.length` if not given. Takes them: all,
   * or none if one of them is stale, queued or another engine's.
   *
   * @throws StaleSkbError, QueuedSkbError, ForeignSkbError, ArgumentTypeError, ArgumentRangeError
   * @example
   * engine.releaseBurst([skb, other]);
   * skb.alive; // → false
   */
  releaseBurst(skbs: readonly (Skb | null | undefined)[], count?: number): void {
    if (!Array.isArray(skbs)) throw new ArgumentTypeError("skbs", "an array", skbs);
    const total = checkInteger("count", count ?? skbs.length, 0, skbs.length);
    if (total > BURST_MOST) {
      this.#releaseMany(skbs, total);
      return;
    }
    const { handles } = this._heap;
    const first = this.#scratch >>> 2;
    for (let i = 0; i < total; i++) {
      const skb = skbs[i] as Skb;
      // Only an Skb has all three; a look at them costs less than instanceof.
      if (skb?._engine !== this || skb._node !== null || skb._handle < ERROR_LIMIT) {
        const error = this.#refusal("skb", skb);
        for (let j = 0; j < i; j++) (skbs[j] as Skb)._handle = handles[first + j] as number;
        throw error;
      }
      handles[first + i] = skb._handle;
      // Ending each reference as it is met finds one that is there twice.
      skb._handle = RELEASED;
    }
    if (this._debug !== null) for (let i = 0; i < total; i++) this._debug.died(skbs[i] as Skb);
    this._core.releaseBurst(total);
    if (this._lent !== 0) this._deliver();
  }

  /** More than fit one burst: all are looked at before the first is released. */
  #releaseMany(skbs: readonly (Skb | null | undefined)[], total: number): void {
    const ended: number[] = [];
    for (let i = 0; i < total; i++) {
      const skb = skbs[i] as Skb;
      const error = this.#refusal("skb", skb);
      if (error !== null) {
        for (let j = 0; j < i; j++) (skbs[j] as Skb)._handle = ended[j] as number;
        throw error;
      }
      ended.push(skb._handle);
      skb._handle = RELEASED;
    }
    if (this._debug !== null) for (let i = 0; i < total; i++) this._debug.died(skbs[i] as Skb);
    for (let i = 0; i < total; i += BURST_MOST) {
      const some = ended.slice(i, i + BURST_MOST);
      this._heap.handles.set(some, this.#scratch >>> 2);
      this._core.releaseBurst(some.length);
    }
    // Callbacks last: they may do anything to what is not released yet.
    if (this._lent !== 0) this._deliver();
  }

  // ─── Lent memory ─────────────────────────────────────────────────────────────────────────────────────

  /**
   * Takes memory out of the arena for you to write and lend. Returns an owned region.
   *
   * @throws PoolExhaustedError if there are not so many neighbouring free pages; ArgumentRangeError
   * @example
   * const region = engine.userRegion(10000);
   * region.bytes.set(payload);
   * region.release();
   */
  userRegion(bytes: number): UserRegion {
    this._open();
    checkInteger("bytes", bytes, 1, this.memory);
    const address = this._core.createRegion(Math.ceil(bytes / PAGE_BYTES)) >>> 0;
    if (address < ERROR_LIMIT) throw refusal(this, address, null);
    const region = new UserRegion(this, address, bytes);
    this._regions.add(region);
    return region;
  }

  /**
   * Makes a ubuf: the promise to tell when lent memory may be used again. The callback, which may be left out, runs
   * once, on this thread.
   *
   * @throws PoolExhaustedError, ArgumentTypeError, ArgumentRangeError
   * @example
   * const ubuf = engine.ubuf(({ desc, status }) => console.log(desc, status), { desc: 7, sharing: "refcount" });
   * skb.addUserFrag(region, 0, 1000, ubuf);
   * ubuf.status; // → "lent"
   */
  ubuf(callback?: UbufCallback, options?: UbufOptions): Ubuf {
    this._open();
    checkFunction("callback", callback);
    const given = checkOptions(options);
    const desc = checkInteger("desc", given.desc ?? 0, 0, U32_MOST);
    const sharing = checkOneOf("sharing", given.sharing ?? "copy", ["copy", "refcount"]);
    const handle = this._core.createUbuf(desc, sharing === "refcount" ? UBUF_SHARING : 0);
    if (handle < ERROR_LIMIT) throw refusal(this, handle, null);
    const ubuf = new Ubuf(this, handle, { desc, sharing }, callback);
    this.#ubufs.set(handle, ubuf);
    this._lent++;
    return ubuf;
  }

  /**
   * Runs the callbacks of ubufs that have completed. Returns how many there were.
   *
   * @throws EngineClosedError
   * @example
   * engine.poll(); // → 0
   */
  poll(): number {
    this._open();
    return this._lent === 0 ? 0 : this._deliver();
  }

  // ─── Looking inside ──────────────────────────────────────────────────────────────────────────────────

  /**
   * Counters of all threads, and what is free.
   *
   * @throws EngineClosedError
   * @example
   * skb.release(DropReason.full);
   * engine.stats().drops[DropReason.full]; // → 1
   */
  stats(): Stats {
    this._open();
    return readStats(this._core);
  }

  /**
   * Walks all tables and proves that every object is free in one place, or reachable exactly as its count says.
   * Takes time in proportion to the arena.
   *
   * @throws EngineClosedError
   * @example
   * engine.audit().problems; // → []
   */
  audit(): AuditReport {
    this._open();
    return auditArena(this._heap, BASE);
  }

  /**
   * Ends the engine: everything of it throws EngineClosedError from then on. Returns a line for each packet, region and
   * ubuf that was still out: none, unless `force` says to close regardless. Closing again does nothing.
   *
   * @throws InUseError if something is out and `force` is not set; the engine stays open
   * @example
   * const out = engine.close({ force: true });
   * out[0]; // → "skb 64: 100 bytes, 1 users"
   * engine.closed; // → true
   */
  close(options?: { force?: boolean }): readonly string[] {
    const { force } = checkOptions(options);
    if (this.#closed) return [];
    this._deliver();
    // A callback may have closed it.
    if (this.#closed) return [];
    const holders = this.#holders();
    if (holders.length > 0 && force !== true) throw new InUseError(holders);
    this.#closed = true;
    this._core = closedCore(this._core);
    return holders;
  }

  #holders(): string[] {
    const lines = auditArena(this._heap, BASE).packets.map(({ handle, length, users }) => {
      const at = this._debug?.allocatedAt(handle);
      return `skb ${handle}: ${length} bytes, ${users} users${at === undefined ? "" : `, ${at}`}`;
    });
    for (const region of this._regions) lines.push(`region: ${region.size} bytes, ${region.frags} frags`);
    for (const ubuf of this.#ubufs.values()) lines.push(`ubuf: desc ${ubuf.desc}, ${ubuf.status}`);
    return lines;
  }

  // ─── Inside the library ──────────────────────────────────────────────────────────────────────────────

  /** @internal */
  _open(): void {
    if (this.#closed) throw new EngineClosedError();
  }

  /** Makes the object for a reference that the core has just given out. @internal */
  _wrap(handle: number): Skb {
    const skb = new Skb(this, handle);
    if (this._debug !== null) this._debug.born(skb, handle);
    return skb;
  }

  /** The handle of a live skb of this engine. @internal */
  _own(what: string, skb: Skb): number {
    this._open();
    if (!(skb instanceof Skb)) throw new ArgumentTypeError(what, "an Skb", skb);
    if (skb._engine !== this) throw new ForeignSkbError(what);
    return skb._live();
  }

  #refusal(what: string, skb: Skb): Error | null {
    if (this.#closed) return new EngineClosedError();
    if (!(skb instanceof Skb)) return new ArgumentTypeError(what, "an Skb", skb);
    if (skb._engine !== this) return new ForeignSkbError(what);
    if (skb._node !== null) return new QueuedSkbError();
    return skb._handle < ERROR_LIMIT ? staleError(skb) : null;
  }

  /** The address of a region of this engine. @internal */
  _ownRegion(region: UserRegion): number {
    this._open();
    if (!(region instanceof UserRegion)) throw new ArgumentTypeError("region", "a UserRegion", region);
    if (region._engine !== this) throw new ForeignSkbError("region");
    return region._live();
  }

  /** The handle of a ubuf of this engine. @internal */
  _ownUbuf(ubuf: Ubuf): number {
    if (!(ubuf instanceof Ubuf)) throw new ArgumentTypeError("ubuf", "a Ubuf", ubuf);
    if (ubuf._engine !== this) throw new ForeignSkbError("ubuf");
    return ubuf._handle;
  }

  /** @internal */
  _forget(ubuf: Ubuf): void {
    this.#ubufs.delete(ubuf._handle);
    this._lent--;
  }

  /** Runs the callbacks of completed ubufs, those included that they complete. @internal */
  _deliver(): number {
    let n = 0;
    // A callback may complete more of them, and may close the engine.
    while (!this.#closed) {
      const handle = this._core.takeCompletion();
      if (handle === 0) break;
      const copied = (this._core.ubufState(handle) & UBUF_COPIED) !== 0;
      this._core.finishUbuf(handle);
      const ubuf = this.#ubufs.get(handle) as Ubuf;
      this._forget(ubuf);
      const status = copied ? "copied" : "sent";
      ubuf._finish(status);
      n++;
      try {
        ubuf._callback?.({ desc: ubuf.desc, status });
      } catch (error) {
        this.#surface(error);
      }
    }
    return n;
  }

  /** A callback's error goes to whoever listens, not to the operation that happened to complete the ubuf. */
  #surface(error: unknown): void {
    const onError = this.#onError;
    queueMicrotask(() => {
      if (onError === undefined) throw error;
      onError(error);
    });
  }

  /** @internal */
  _queuedError(): Error {
    return this.#closed ? new EngineClosedError() : new QueuedSkbError();
  }
}

function headroomOf(options: AllocOptions): number {
  return checkInteger("headroom", checkOptions(options).headroom ?? 0, 0, MAX_LINEAR);
}

/** The next power of two above `n` and above the slots that are never given out. */
function powerOfTwo(n: number): number {
  return 2 ** Math.ceil(Math.log2(n + ERROR_LIMIT));
}

function warn(leak: Leak): void {
  console.warn(`skbuff: an Skb was garbage-collected unreleased; allocated ${leak.allocatedAt}`);
}

/** Stands in for the core of a closed engine, so that hot paths need not ask whether it is open. */
function closedCore(core: Core): Core {
  const closed = (): never => {
    throw new EngineClosedError();
  };
  return Object.fromEntries(Object.keys(core).map((name) => [name, closed])) as unknown as Core;
}
