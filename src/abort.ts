// Signals that end waits: one listener on each, however many wait.

/** What of an AbortSignal is used; its type is not known everywhere. */
export interface SignalLike {
  /** Whether it was aborted. */
  readonly aborted: boolean;
  /** What for. */
  // biome-ignore lint/suspicious/noExplicitAny: so AbortSignal has it, and anything can be thrown
  readonly reason: any;
  /** As an EventTarget has it. */
  addEventListener(type: "abort", listener: () => void): void;
  /** Undoes it. */
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Who is told of a signal. */
class Told {
  readonly runs = new Set<() => void>();
  readonly #signal: SignalLike;
  readonly #tell = (): void => {
    this.#signal.removeEventListener("abort", this.#tell);
    const runs = [...this.runs];
    // None of them has anything to take back.
    this.runs.clear();
    for (const run of runs) run();
  };

  constructor(signal: SignalLike) {
    this.#signal = signal;
  }

  add(run: () => void): void {
    if (this.runs.size === 0) this.#signal.addEventListener("abort", this.#tell);
    this.runs.add(run);
  }

  delete(run: () => void): void {
    if (this.runs.delete(run) && this.runs.size === 0) this.#signal.removeEventListener("abort", this.#tell);
  }
}

const all = new WeakMap<SignalLike, Told>();

const nothing = (): void => {};

/**
 * Calls `run` once when `signal` is aborted. Returns what takes that back; with the last of them the listener goes, so that a
 * signal that lives long does not collect what has ended long ago.
 */
export function onAbort(signal: SignalLike | undefined, run: () => void): () => void {
  if (signal === undefined) return nothing;
  let told = all.get(signal);
  if (told === undefined) {
    told = new Told(signal);
    all.set(signal, told);
  }
  told.add(run);
  const others = told;
  return () => others.delete(run);
}
