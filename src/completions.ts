// Completions: a thread's ubufs, from when they are made until their callbacks have run.

import { ERROR_LIMIT, UBUF_COPIED } from "../assembly/layout.js";
import type { Engine } from "./engine.js";
import type { Completion, Ubuf } from "./ubuf.js";
import type { Wait } from "./wait.js";

/** Callbacks that may run one within another, because each asks for more: deep enough for what is meant, and no danger to the stack. */
const NESTED_MOST = 32;

export class Completions {
  readonly #engine: Engine;
  /** Each at the index of its slot: made with the first of them. */
  #ubufs: (Ubuf | undefined)[] = [];
  /** The bits of a ubuf's handle that are its slot's index. */
  readonly #mask: number;
  /** Of what the engine has lent, the ubufs of a thread that has ended: they complete here, and nobody is told. */
  #inherited: number;
  /** Callbacks that are running: one within another, if one asks for more. */
  #running = 0;
  /** Completed ubufs whose callbacks are still to run, linked by `_next`. */
  #due: Ubuf | null = null;
  #lastDue: Ubuf | null = null;
  #postponed = 0;

  /** With the first ubuf of a thread: what is lent already is inherited. */
  constructor(engine: Engine) {
    this.#engine = engine;
    this.#inherited = engine._lent;
    this.#mask = engine._core.totalUbufs() + ERROR_LIMIT - 1;
  }

  /** A ubuf was made. */
  add(ubuf: Ubuf): void {
    // All of it at once: an array that grows by leaps becomes a hash table.
    if (this.#ubufs.length === 0) this.#ubufs = new Array(this.#mask + 1).fill(undefined);
    this.#ubufs[ubuf._handle & this.#mask] = ubuf;
    this.#engine._lend();
  }

  #forget(ubuf: Ubuf, status: Completion["status"] | "cancelled"): void {
    this.#ubufs[ubuf._handle & this.#mask] = undefined;
    this.#engine._lent--;
    ubuf._finish(status);
  }

  /** A ubuf was cancelled: if it was the last, nobody need wait for completions any more. */
  cancelled(ubuf: Ubuf): void {
    this.#forget(ubuf, "cancelled");
    if (!this.awaited) this.#engine._waiter.nothingLent();
  }

  /** Those that are out. */
  get out(): Ubuf[] {
    return this.#ubufs.filter((ubuf) => ubuf !== undefined);
  }

  /** What is left to wait for until no packet carries any, for as long as `wait` says. */
  *left(wait: Wait): Generator<Wait, void, void> {
    const deadline = performance.now() + wait.timeout;
    const carried = (): Ubuf[] => this.out.filter((ubuf) => ubuf._carried);
    for (let some = carried(); some.length > 0; some = carried()) {
      for (const ubuf of some) {
        while (ubuf.status === "lent") {
          const timeout = deadline - performance.now();
          if (timeout <= 0) return;
          yield { ...wait, timeout, completions: true };
          if (this.#engine.closed) return;
        }
      }
    }
  }

  /** Whether there is a callback that may yet run. */
  get awaited(): boolean {
    return this.#engine._lent !== this.#inherited || this.#due !== null;
  }

  /**
   * Runs the callbacks of completed ubufs, those included that they complete. What completes within a callback has to wait until
   * that has returned, or a chain of them would need a stack frame for each; unless the callback asked for it. Returns how many
   * had completed.
   */
  deliver(asked: boolean): number {
    if (this.#running >= (asked ? NESTED_MOST : 1)) return this.#postpone();
    let n = 0;
    // A callback may complete more of them, and may close the engine.
    for (let ubuf = this.#completed(); ubuf !== null; ubuf = this.#completed()) {
      n++;
      this.#running++;
      try {
        ubuf._callback?.({ desc: ubuf.desc, status: ubuf.status as Completion["status"] });
      } catch (error) {
        this.#surface(error);
      } finally {
        this.#running--;
      }
    }
    if (n > 0) this.#engine._waiter.delivered();
    return n;
  }

  /** Nobody is told any more. What nobody carries ends. */
  abandon(): void {
    // So deep in callbacks that none is called.
    this.#running = NESTED_MOST;
    for (const ubuf of this.out) if (!ubuf._carried) ubuf.cancel();
  }

  /** The next ubuf whose callback is to run, or null. */
  #completed(): Ubuf | null {
    if (this.#engine.closed) return null;
    const ubuf = this.#due;
    if (ubuf === null) return this.#take();
    this.#due = ubuf._next;
    ubuf._next = null;
    this.#postponed--;
    return ubuf;
  }

  /** Takes a completed ubuf from the core: it is over, but for its callback. */
  #take(): Ubuf | null {
    const engine = this.#engine;
    for (;;) {
      const handle = engine._core.takeCompletion();
      if (handle === 0) return null;
      const copied = (engine._core.ubufState(handle) & UBUF_COPIED) !== 0;
      engine._core.finishUbuf(handle);
      const ubuf = this.#ubufs[handle & this.#mask];
      if (ubuf !== undefined) {
        this.#forget(ubuf, copied ? "copied" : "sent");
        return ubuf;
      }
      // That of a thread that has ended, whose block this one has now.
      engine._lent--;
      this.#inherited--;
    }
  }

  /** Puts completed ubufs where the delivery that is going on finds them, in order. Returns how many are there. */
  #postpone(): number {
    for (let ubuf = this.#take(); ubuf !== null; ubuf = this.#take()) {
      if (this.#due === null) this.#due = ubuf;
      else (this.#lastDue as Ubuf)._next = ubuf;
      this.#lastDue = ubuf;
      this.#postponed++;
    }
    return this.#postponed;
  }

  /** A callback's error goes to whoever listens, not to the operation that happened to complete the ubuf. */
  #surface(error: unknown): void {
    const onError = this.#engine._onError;
    queueMicrotask(() => {
      if (onError === undefined) throw error;
      onError(error);
    });
  }
}
