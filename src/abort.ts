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

/** Who is told of a signal, and by what listener of it. */
interface Told {
  readonly runs: Set<() => void>;
  readonly tell: () => void;
}

const told = new WeakMap<AbortSignalLike, Told>();

const nothing = (): void => {};

/**
 * Calls `run` once when `signal` is aborted. Returns what takes that back; with the last of them the listener goes, so that a
 * signal that lives long does not collect what has ended long ago.
 */
export function onAbort(signal: AbortSignalLike | undefined, run: () => void): () => void {
  if (signal === undefined) return nothing;
  const { runs, tell } = toldOf(signal);
  if (runs.size === 0) signal.addEventListener("abort", tell);
  runs.add(run);
  return () => {
    if (runs.delete(run) && runs.size === 0) unlisten(signal, tell);
  };
}

function toldOf(signal: AbortSignalLike): Told {
  const known = told.get(signal);
  if (known !== undefined) return known;
  const runs = new Set<() => void>();
  // Not by `this`: what is like an AbortSignal may call it without.
  const tell = (): void => {
    unlisten(signal, tell);
    const those = [...runs];
    // Nobody of them has anything to take back.
    runs.clear();
    for (const run of those) run();
  };
  const made = { runs, tell };
  told.set(signal, made);
  return made;
}

/** What the signal throws is no concern of who waits. */
function unlisten(signal: AbortSignalLike, tell: () => void): void {
  try {
    signal.removeEventListener("abort", tell);
  } catch {
    // It stays, and tells nobody.
  }
}
