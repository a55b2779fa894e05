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

// Not weak: of an engine that is forgotten, its block in the arena is left.
const seats = new Set<Seat>();
/** Whether the end of this thread is told, and matters; undefined until somebody asks. */
let listens: boolean | undefined;

/** Has `seat` given back when this thread ends, if that is a worker of Node or its likes. Returns what takes that back. */
export function leaveAtExit(seat: Seat): () => void {
  listens ??= listen();
  if (listens) seats.add(seat);
  return () => void seats.delete(seat);
}

function listen(): boolean {
  const { process: host } = globalThis as { process?: Host };
  // With the main thread everything ends; and its own listeners may still want the engine.
  if (host?.once === undefined || host.getBuiltinModule?.("node:worker_threads")?.isMainThread === true)
    return false;
  // One for all engines: Node warns of many.
  host.once("exit", () => {
    for (const seat of seats) seat._abandon();
  });
  return true;
}
