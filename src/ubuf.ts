// Ubuf: tells whoever lent memory to packets when it may be used again.

import { ERROR_LIMIT, UBUF_CARRIED, UBUF_SHARING } from "../assembly/layout.js";
import { checkFunction, checkInteger, checkOneOf, checkOptions, type Names, U32_MOST } from "./check.js";
import { Completions } from "./completions.js";
import { describes } from "./describe.js";
import { checkEngine, type Engine } from "./engine.js";
import { UbufError } from "./errors.js";
import { refusal } from "./refusal.js";

/** What a completion says. */
export interface Completion {
  /** `desc` of the ubuf. */
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

const UBUF_OPTIONS: Names<UbufOptions> = { desc: true, sharing: true };
/** What `sharing` can be. */
const SHARING = ["copy", "refcount"] as const;

/**
 * Tells the lender of a packet's memory when it may be reused (ubuf_info). Given to `skb.addUserFrag`. It completes once: when the
 * last packet data that carries it is released, or earlier, when the engine has copied the bytes. The engine keeps it alive until
 * then; you need not hold it.
 *
 * @example
 * const ubuf = new Ubuf(engine, ({ desc, status }) => console.log(desc, status), { desc: 7 });
 * skb.addUserFrag(region, 0, 1000, ubuf);
 * skb.release(); // prints 7 sent
 * ubuf.status; // → "sent"
 */
export class Ubuf {
  /** The number given to the constructor. */
  readonly desc: number;
  /** As given to the constructor. */
  readonly sharing: "copy" | "refcount";
  /** By this it is told from what is none, since who makes none need not have the class. @internal */
  readonly _kind = "ubuf";
  /** @internal */
  readonly _engine: Engine;
  /** 0 when it has ended. @internal */
  _handle: number;
  /** @internal */
  readonly _callback: UbufCallback | undefined;
  /** The next whose callback is to run. @internal */
  _next: Ubuf | null = null;
  #status: "idle" | "sent" | "copied" | "cancelled" = "idle";

  /**
   * Makes a ubuf. The callback, which may be left out, runs once, on this thread; never within another one, unless that calls
   * `poll`, `wait`, `close` or `detach`.
   *
   * @throws PoolExhaustedError, EngineClosedError, ArgumentTypeError, ArgumentRangeError
   * @example
   * const options = { desc: 7, sharing: "refcount" };
   * const ubuf = new Ubuf(engine, ({ desc, status }) => console.log(desc, status), options);
   * skb.addUserFrag(region, 0, 1000, ubuf);
   * ubuf.status; // → "lent"
   */
  constructor(engine: Engine, callback?: UbufCallback, options?: UbufOptions) {
    const { _core: core } = checkEngine(engine);
    this._callback = checkFunction("callback", callback);
    const given = checkOptions(options, UBUF_OPTIONS);
    this._engine = engine;
    this.desc = checkInteger("desc", given.desc ?? 0, 0, U32_MOST);
    this.sharing = checkOneOf("sharing", given.sharing ?? "copy", SHARING);
    this._handle = core.createUbuf(this.desc, this.sharing === "refcount" ? UBUF_SHARING : 0);
    if (this._handle < ERROR_LIMIT) throw refusal(engine, this._handle, null);
    engine._completions ??= new Completions(engine);
    engine._completions.add(this);
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
    this._engine._completions?.cancelled(this);
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

describes(Ubuf, "Ubuf", ({ desc, sharing, status }) => ({ desc, sharing, status }));
