// Engine: one arena, and this thread's way into it.

import {
  BURST_MOST,
  E_EXHAUSTED,
  ERROR_LIMIT,
  LAYOUT_VERSION,
  MAX_LINEAR,
  MEMORY,
  OK,
  PAGE_BYTES,
} from "../assembly/layout.js";
import { BASE, format, sizesOf } from "./arena.js";
import type { Burst } from "./burst.js";
import { checkAlloc, checkBurst, checkInteger, U32_MOST } from "./check.js";
import type { Completions } from "./completions.js";
import { Heap } from "./core/heap.js";
import { ISOLATION, sharedMemoryExists } from "./core/isolation.js";
import { type Core, join, type Loaded, load } from "./core/load.js";
import { describes } from "./describe.js";
import { RELEASED } from "./ended.js";
import {
  ArgumentTypeError,
  EngineClosedError,
  ForeignSkbError,
  InUseError,
  QueuedSkbError,
  SharedMemoryError,
  ThreadLimitError,
} from "./errors.js";
import { leaveAtExit } from "./exit.js";
import { abandon, departure, others, out } from "./leaving.js";
import {
  type AllocBurstOptions,
  type AllocOptions,
  type AttachOptions,
  checkAttach,
  checkClose,
  checkCreate,
  type DetachOptions,
  type EngineOptions,
  trackerOf,
  warn,
} from "./options.js";
import { refusal, staleError } from "./refusal.js";
import { Skb } from "./skb.js";
import { Sleeper } from "./sleeper.js";
import {
  burstOf,
  checkOut,
  checkScratch,
  isArray,
  type Packets,
  read,
  type SkbArray,
  stage,
  unload,
  unstage,
} from "./staging.js";
import { checkEngineToken, type EngineToken, layoutError } from "./token.js";
import type { Leak, Tracker } from "./tracker.js";
import { atOnce } from "./turns.js";
import type { Ubuf } from "./ubuf.js";
import type { UserRegion } from "./user-region.js";
import { checkWait, ENGINE_WAIT_OPTIONS, type Wait, type WaitOptions, type Wakeup } from "./wait.js";
import { Waiter } from "./waiter.js";

/** Milliseconds between looks for memory, where nothing notifies. */
const POLL_MS = 4;

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
  /** `wasm`, or `js` if that was asked for or WebAssembly cannot be used. */
  readonly core: "wasm" | "js";
  /** Whether the arena is shared memory. */
  readonly shared: boolean;
  /** Bytes of the arena. */
  readonly memory: number;
  /** Number of this thread in the arena, from 1 on. */
  readonly thread: number;
  /** @internal */
  _core: Core;
  /** @internal */
  readonly _heap: Heap;
  /** @internal */
  readonly _debug: Tracker | null;
  /** ubufs that may complete: while it is 0, no operation need look. @internal */
  _lent = 0;
  /** Whether an array is being filled from the scratch: its accessors must not use that. @internal */
  _filling = false;
  /** @internal */
  readonly _regions = new Set<UserRegion>();
  /** What is made of it and ends with it: rings, which it need not know. @internal */
  readonly _parts = new Set<{ release(): void }>();
  /** What tells this arena's tokens from those of others. @internal */
  readonly _identity: number;
  /** Where lists go to the core and come from it. @internal */
  readonly _scratch: number;
  /** @internal */
  readonly _sleeper: Sleeper;
  /** @internal */
  readonly _waiter: Waiter;
  /** The sender whose rings the core's scatter chooses from. @internal */
  _targets: object | null = null;
  /** Null until this thread makes a ubuf. @internal */
  _completions: Completions | null = null;
  /** Told what callbacks throw. @internal */
  readonly _onError: EngineOptions["onError"];
  readonly #loaded: Loaded;
  /** Whether other threads can be there. */
  #several: boolean;
  /** Takes back that this thread's end gives everything back. */
  #stay: (() => void) | undefined;
  #closed = false;

  private constructor(loaded: Loaded, options: Partial<EngineOptions>, token?: EngineToken) {
    this.core = loaded.kind;
    this.shared = loaded.shared;
    this.memory = loaded.buffer.byteLength;
    this._core = loaded.core;
    this._heap = new Heap(loaded, BASE);
    const { onLeak = warn } = options;
    // What was out when the engine was closed, close() has told.
    const report = (leak: Leak): void => (this.closed ? undefined : onLeak(leak));
    this._debug = trackerOf(options.debug, report);
    this._scratch = loaded.core.scratch() >>> 0;
    this._sleeper = new Sleeper(this, this._scratch);
    this._waiter = new Waiter(this, this._scratch);
    this._identity = token?.identity ?? Math.floor(Math.random() * 2 ** 32);
    this.#several = token !== undefined;
    this.#loaded = loaded;
    this.thread = loaded.core.threadSelf();
    this._lent = loaded.core.inherited();
    this._onError = options.onError;
    if (this._lent > 0) this._waiter.listen();
    if (this.#several) this.#stay = leaveAtExit(this);
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
    const given = checkCreate(options);
    const sizes = sizesOf(given);
    const loaded = await load(given.core, given.shared, sizes.bytes);
    format(loaded.core, sizes, given);
    loaded.core.attachArena(BASE);
    loaded.core.claimThread();
    const engine = Engine.#made(loaded, given);
    // While nobody else can be there: it writes.
    if (given.prefault) engine._heap.touch();
    return engine;
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
    const headroom = checkAlloc(options);
    checkInteger("size", size, 0, MAX_LINEAR - headroom);
    return this._core.alloc(size, headroom);
  }

  /**
   * Allocates packets into `out[0]` to `out[count - 1]` (kmem_cache_alloc_bulk). Returns how many there were; the rest
   * of `out` stays as it is. `count`: Default: `out.length`; for more, `out` grows. Of a `Burst` behind those that are there, by
   * default as many as there is room for.
   *
   * @throws ArgumentRangeError, ArgumentTypeError
   * @example
   * const burst = new Array(32);
   * const n = engine.allocBurst(burst, 256, 32, { headroom: 64 });
   * n; // → 32
   * engine.releaseBurst(burst, n);
   */
  allocBurst(out: Packets, size: number, count?: number, options?: AllocBurstOptions): number {
    const { headroom, reuse } = checkBurst(options);
    checkInteger("size", size, 0, MAX_LINEAR - headroom);
    if (!Array.isArray(out)) {
      const burst = burstOf(this, "out", out);
      return burst._alloc(size, burst._more(count), headroom);
    }
    const wanted = checkInteger("count", count ?? out.length, 0, U32_MOST);
    checkOut(out, wanted);
    checkScratch(this);
    let done = 0;
    while (done < wanted) {
      const ask = Math.min(wanted - done, BURST_MOST);
      const n = this._core.allocBurst(this._scratch, ask, size, headroom);
      unload(this, out, done, n, reuse);
      done += n;
      if (n < ask) break;
    }
    return done;
  }

  /**
   * Releases `skbs[0]` to `skbs[count - 1]`, of an array or a `Burst` (kfree_skb_list). Default: `count` is `skbs.length`. Takes
   * them: all, or none if one of them is stale, queued or another engine's.
   *
   * @throws StaleSkbError, QueuedSkbError, ForeignSkbError, ArgumentTypeError, ArgumentRangeError
   * @example
   * engine.releaseBurst([skb, other]);
   * skb.alive; // → false
   */
  releaseBurst(skbs: SkbArray | Burst, count?: number): void {
    if (!isArray(skbs)) {
      const burst = burstOf(this, "skbs", skbs);
      burst._free(burst._some(count));
      return;
    }
    const total = checkInteger("count", count ?? skbs.length, 0, skbs.length);
    const own = read(skbs, total);
    if (total > BURST_MOST) {
      this.#releaseMany(own, total);
      return;
    }
    const error = stage(this, own, 0, total, RELEASED);
    if (error !== null) throw error;
    this._core.releaseBurst(this._scratch, total);
    if (this._lent !== 0) this._deliver();
  }

  /** More than fit one burst: all are looked at before the first is released. */
  #releaseMany(own: readonly Skb[], total: number): void {
    const { handles } = this._heap;
    const scratch = this._scratch >>> 2;
    const bursts: Int32Array[] = [];
    for (let at = 0; at < total; at += BURST_MOST) {
      const n = Math.min(total - at, BURST_MOST);
      const error = stage(this, own, at, n, RELEASED);
      if (error !== null) {
        for (const [i, burst] of bursts.entries()) {
          handles.set(burst, scratch);
          unstage(this, own, i * BURST_MOST, BURST_MOST, 0);
        }
        throw error;
      }
      bursts.push(handles.slice(scratch, scratch + n));
    }
    for (const burst of bursts) {
      handles.set(burst, scratch);
      this._core.releaseBurst(this._scratch, burst.length);
    }
    // Callbacks last: they may do anything to what is not released yet.
    if (this._lent !== 0) this._deliver();
  }

  // ─── Waiting ─────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Runs the callbacks of ubufs that have completed. Returns how many there were.
   *
   * @throws EngineClosedError
   * @example
   * engine.poll(); // → 0
   */
  poll(): number {
    this._open();
    return this._completions?.awaited ? this._deliver(true) : 0;
  }

  /**
   * Blocks until a ubuf of this thread completes, and runs the callbacks: `completed`; or until `timed-out`; `ended` if no ubuf
   * is out whose callback could run.
   *
   * @throws EngineClosedError, ArgumentRangeError, ArgumentTypeError; UnsupportedError on a thread that must not block
   * @example
   * const out = new Ubuf(engine);
   * engine.wait({ timeout: 10 }); // → "timed-out"
   * out.cancel();
   */
  wait(options?: Omit<WaitOptions, "completions">): Wakeup {
    this._open();
    const wait = checkWait(options, [], ENGINE_WAIT_OPTIONS);
    return this._completions?.awaited ? this._sleeper.block({ ...wait, completions: true }) : "ended";
  }

  /**
   * As `wait`, without blocking.
   *
   * @throws EngineClosedError, ArgumentRangeError, ArgumentTypeError, the reason of `signal` (as rejections)
   * @example
   * const out = new Ubuf(engine);
   * await engine.waitAsync({ timeout: 10 }); // → "timed-out"
   * out.cancel();
   */
  async waitAsync(options?: Omit<WaitOptions, "completions">): Promise<Wakeup> {
    this._open();
    const wait = checkWait(options, [], ENGINE_WAIT_OPTIONS);
    return this._completions?.awaited ? this._waiter.waitForCompletions(wait) : atOnce("ended");
  }

  /**
   * Blocks until an allocation that failed may succeed: `ready`; or until `timed-out`. Then try again, and wait again if that fails:
   * others may have been faster, or what was freed may not be enough.
   *
   * Other threads are asked not to keep what they free to themselves. What one had freed before it was asked follows when it next
   * frees something, waits, or calls `flush()`.
   *
   * @throws EngineClosedError, ArgumentRangeError, ArgumentTypeError, the reason of `signal`; UnsupportedError on a thread that must
   * not block
   * @example
   * let packet = engine.tryAlloc(1500);
   * while (packet === null) {
   *   engine.waitMemory();
   *   packet = engine.tryAlloc(1500);
   * }
   */
  waitMemory(options?: WaitOptions): Wakeup {
    this._open();
    return this._sleeper.block(this.#memoryWait(options));
  }

  /**
   * As `waitMemory`, without blocking: what is released on this thread ends the wait, too.
   *
   * @throws EngineClosedError, ArgumentRangeError, ArgumentTypeError, the reason of `signal` (as rejections)
   * @example
   * let packet = engine.tryAlloc(1500);
   * while (packet === null) {
   *   await engine.waitMemoryAsync();
   *   packet = engine.tryAlloc(1500);
   * }
   */
  async waitMemoryAsync(options?: WaitOptions): Promise<Wakeup> {
    this._open();
    const waited = this._waiter.wait(this.#memoryWait(options));
    if (this.shared) return waited;
    // Nothing notifies on unshared memory, and a release must not cost more for it.
    const looks = setInterval(() => this._waiter.kick(), POLL_MS);
    return waited.finally(() => clearInterval(looks));
  }

  #memoryWait(options: WaitOptions | undefined): Wait {
    return checkWait(options, [{ of: this, ring: MEMORY, room: 0 }]);
  }

  // ─── Threads ─────────────────────────────────────────────────────────────────────────────────────────

  /**
   * What another thread needs for `Engine.attach`. Send it with `postMessage`: it has the memory and the compiled module.
   *
   * @throws SharedMemoryError if the arena is not in shared memory
   * @example
   * const worker = await Engine.attach(engine.share());
   * worker.thread; // → 2
   * worker.detach();
   */
  share(): EngineToken {
    this._open();
    if (!this.shared) {
      throw new SharedMemoryError(
        ISOLATION,
        sharedMemoryExists() ? "unshared memory" : "an environment without it",
      );
    }
    this.#several = true;
    this.#stay ??= leaveAtExit(this);
    if (this._lent > 0) this._waiter.listen();
    const { memory, module } = this.#loaded;
    const { core, _identity: identity } = this;
    return { skbuff: "engine", layout: LAYOUT_VERSION, identity, core, base: BASE, memory, module };
  }

  /**
   * A further thread's way into an arena: claims one of its thread blocks. Compiles nothing, unless this thread wants
   * Wasm and the one that shared the engine has the JS core.
   *
   * @throws ThreadLimitError, TokenError, UnsupportedError, ArgumentTypeError (as rejections)
   * @example
   * const worker = await Engine.attach(engine.share(), { core: "wasm" });
   * worker.alloc(64).release();
   * worker.detach();
   */
  static async attach(token: EngineToken, options?: AttachOptions): Promise<Engine> {
    const { core: kind, base, memory, module } = checkEngineToken(token);
    const given = checkAttach(options);
    const loaded = await join(given.core ?? kind, memory, module);
    if (base + PAGE_BYTES > loaded.buffer.byteLength || loaded.core.attachArena(base) !== OK)
      throw layoutError("another one");
    if (loaded.core.claimThread() !== OK) throw new ThreadLimitError(loaded.core.threads());
    return Engine.#made(loaded, given, token);
  }

  /** The engine of a thread that has just got its block, which is given back if it cannot be made. */
  static #made(loaded: Loaded, options: Partial<EngineOptions>, token?: EngineToken): Engine {
    try {
      return new Engine(loaded, options, token);
    } catch (error) {
      loaded.core.freeThread(loaded.core.inherited());
      throw error;
    }
  }

  /**
   * Ends this thread's part in the arena: gives back its thread block, its ends of rings, and everything in its magazines.
   * Everything of this engine throws EngineClosedError from then on; other threads' go on.
   *
   * @throws InUseError, which names them, while packets, regions or ubufs of this thread are out; it stays attached.
   * With `completions: "wait"`, UnsupportedError on a thread that must not block
   * @example
   * const worker = await Engine.attach(engine.share());
   * worker.detach();
   * worker.closed; // → true
   */
  detach(options?: DetachOptions): void {
    for (const wait of departure(this, options)) this._sleeper.block(wait);
    this.#leave();
  }

  /**
   * As `detach`, but waits for completions without blocking.
   *
   * @throws InUseError (as a rejection)
   * @example
   * const worker = await Engine.attach(engine.share());
   * await worker.detachAsync({ completions: "wait" });
   */
  async detachAsync(options?: DetachOptions): Promise<void> {
    for (const wait of departure(this, options)) await this._waiter.wait(wait);
    this.#leave();
  }

  #leave(): void {
    if (this.#closed) return;
    const holders = out(this);
    if (holders.length > 0) throw new InUseError(holders);
    this.#free();
  }

  /** Gives back what this thread has in the arena. */
  #free(): void {
    this._waiter.forget(null, new EngineClosedError());
    for (const part of this._parts) part.release();
    this._core.flushMagazines();
    this._core.freeThread(this._lent);
    this.#end();
  }

  /** Everything of it throws EngineClosedError from here on. */
  #end(): void {
    this.#closed = true;
    this._core = closedCore(this._core);
    this._heap.close();
    this.#stay?.();
  }

  /**
   * The thread ends: gives back all that it has, its packets, regions, ends of rings and its block. Nobody is there any more
   * to be told. ubufs that packets of others carry are left to whoever has the block next. @internal
   */
  _abandon(): void {
    if (this.#closed) return;
    try {
      abandon(this);
      this.#free();
    } catch {
      // Where the thread was stopped in the middle of something, the rest stays with it.
    }
  }

  /**
   * Gives all that is free in this thread's magazines to the other threads. Waiting does it; call it before this thread is
   * idle for other reasons.
   *
   * @throws EngineClosedError
   * @example
   * engine.flush();
   * stats(engine).skbs.inMagazines; // → 0
   */
  flush(): void {
    this._core.flushMagazines();
  }

  /**
   * Ends the engine: everything of it throws EngineClosedError from then on. Returns a line for each packet, region and
   * ubuf that was still out, and each thread that is attached: none, unless `force` says to close regardless. Closing
   * again does nothing.
   *
   * @throws InUseError if something is out and `force` is not set; the engine stays open
   * @example
   * const out = engine.close({ force: true });
   * out[0]; // → "skb 64: 100 bytes, 1 users, thread 1"
   * engine.closed; // → true
   */
  close(options?: { force?: boolean }): readonly string[] {
    const force = checkClose(options);
    if (this.#closed) return [];
    this._deliver(true);
    // A callback may have closed it.
    if (this.#closed) return [];
    const holders = [...out(this, 0), ...others(this)];
    if (holders.length > 0 && !force) throw new InUseError(holders);
    if (holders.length === 0) this.#free();
    else {
      this._waiter.forget(null, new EngineClosedError());
      this.#end();
    }
    return holders;
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
    if (!Skb._is(skb)) throw new ArgumentTypeError(what, "an Skb", skb);
    if (skb._engine !== this) throw new ForeignSkbError(what);
    return skb._live();
  }

  /** What is wrong with a packet that is to be given away; null if nothing. @internal */
  _refusal(what: string, skb: Skb): Error | null {
    if (this.#closed) return new EngineClosedError();
    if (!Skb._is(skb)) return new ArgumentTypeError(what, "an Skb", skb);
    if (skb._engine !== this) return new ForeignSkbError(what);
    if (skb._node !== null) return new QueuedSkbError();
    return skb._handle < ERROR_LIMIT ? staleError(skb) : null;
  }

  /** The address of a region of this engine. @internal */
  _ownRegion(region: UserRegion): number {
    this._open();
    if (region?._kind !== "region") throw new ArgumentTypeError("region", "a UserRegion", region);
    if (region._engine !== this) throw new ForeignSkbError("region");
    return region._live();
  }

  /** The handle of a ubuf of this engine. @internal */
  _ownUbuf(ubuf: Ubuf): number {
    if (ubuf?._kind !== "ubuf") throw new ArgumentTypeError("ubuf", "a Ubuf", ubuf);
    if (ubuf._engine !== this) throw new ForeignSkbError("ubuf");
    return ubuf._handle;
  }

  /** A ubuf was made: from now on it may complete. @internal */
  _lend(): void {
    this._lent++;
    if (this.#several) this._waiter.listen();
  }

  /** Runs the callbacks of completed ubufs. Returns how many had completed. @internal */
  _deliver(asked = false): number {
    if (this._completions !== null) return this._completions.deliver(asked);
    // Those of a thread that has ended, whose block this one has now: nobody is told.
    for (let handle = this._core.takeCompletion(); handle !== 0; handle = this._core.takeCompletion()) {
      this._core.finishUbuf(handle);
      this._lent--;
    }
    return 0;
  }

  /** @internal */
  _queuedError(): Error {
    return this.#closed ? new EngineClosedError() : new QueuedSkbError();
  }
}

/** Returns `engine` if it is one, and open. @throws ArgumentTypeError, EngineClosedError */
export function checkEngine(engine: Engine): Engine {
  if (!(engine instanceof Engine)) throw new ArgumentTypeError("engine", "an Engine", engine);
  engine._open();
  return engine;
}

describes(Engine, "Engine", ({ core, shared, memory, thread, closed }) => ({
  core,
  shared,
  memory,
  thread,
  closed,
}));

/** Stands in for the core of a closed engine, so that hot paths need not ask whether it is open. */
function closedCore(core: Core): Core {
  const closed = (): never => {
    throw new EngineClosedError();
  };
  return Object.fromEntries(Object.keys(core).map((name) => [name, closed])) as unknown as Core;
}
