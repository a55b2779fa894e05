// The end of a worker: Node tells it, also after an error or process.exit(). Who is attached there gives back what it has.

/** What a thread has in an arena. */
interface Seat {
  /** Gives all of it back; tells nobody, and throws nothing. */
  _abandon(): void;
}

/** Of Node's `process`, where there is one. */
interface Host {
  once?(event: "exit", listener: () => void): unknown;
  getBuiltinModule?(name: "node:worker_threads"): { isMainThread: boolean } | undefined;
}

// Weak: an engine that nobody uses any more may go.
const seats = new Set<WeakRef<Seat>>();
const gone =
  typeof FinalizationRegistry === "undefined"
    ? undefined
    : new FinalizationRegistry<WeakRef<Seat>>((ref) => void seats.delete(ref));
let listens = false;

/** Has `seat` given back when this thread ends, if that is a worker of Node or its likes. Returns what takes that back. */
export function leaveAtExit(seat: Seat): () => void {
  const ref = new WeakRef(seat);
  seats.add(ref);
  gone?.register(seat, ref);
  if (!listens) listen();
  return () => void seats.delete(ref);
}

function listen(): void {
  listens = true;
  const { process: host } = globalThis as { process?: Host };
  // With the main thread everything ends; and its own listeners may still want the engine.
  if (host?.getBuiltinModule?.("node:worker_threads")?.isMainThread === true) return;
  // One for all engines: Node warns of many.
  host?.once?.("exit", () => {
    for (const ref of seats) ref.deref()?._abandon();
  });
}
