// Signals that end waits: one listener on each, however many wait.

/** What is needed of an `AbortSignal`, which is one: so that the types do without those of a platform. */
export interface AbortSignalLike {
  /** Whether it has been aborted. */
  readonly aborted: boolean;
  /** Why. */
  readonly reason?: unknown;
  /** As of any EventTarget. */
  addEventListener(type: "abort", listener: () => void): void;
  /** As of any EventTarget. */
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Who is told of which signal. */
const told = new WeakMap<AbortSignalLike, Set<() => void>>();

const nothing = (): void => {};

/**
 * Calls `run` once when `signal` is aborted. Returns what takes that back; with the last of them the listener goes, so that a
 * signal that lives long does not collect what has ended long ago.
 */
export function onAbort(signal: AbortSignalLike | undefined, run: () => void): () => void {
  if (signal === undefined) return nothing;
  let all = told.get(signal);
  if (all === undefined) {
    all = new Set();
    told.set(signal, all);
  }
  const others = all;
  if (others.size === 0) signal.addEventListener("abort", tell);
  others.add(run);
  return () => {
    if (others.delete(run) && others.size === 0) signal.removeEventListener("abort", tell);
  };
}

function tell(this: AbortSignalLike): void {
  this.removeEventListener("abort", tell);
  const all = told.get(this) ?? new Set();
  const runs = [...all];
  // Nobody of them has anything to take back.
  all.clear();
  for (const run of runs) run();
}
