// Workers that the library starts, in Node or in a page: as their starter has them (WorkerThread), and as they have it (serve).
//
//     starter                     worker
//     new ────────── start ─────▶ run(start, starter)
//     ready    ◀──── ready ────── starter.ready()
//     post() ─────── order ─────▶ starter.listen(order)
//     said()   ◀──── said ─────── starter.say()
//     ended    ◀─ ended, failed ─ what run resolves to, or rejects with
//     gone     ◀──── exit ─────── in a page, where no exit is told, with its last word

import { heard, type Told, tell } from "./told.js";

type Kind = "start" | "order" | "ready" | "said" | "ended" | "failed";

/** A worker may be a user's, who sends it messages of another kind. */
interface Message {
  readonly skbuff: Kind;
  readonly what: unknown;
}

/** A worker of whichever kind. */
interface AnyWorker {
  postMessage(message: unknown): void;
  terminate(): unknown;
  /** Node's. */
  on?(event: "message" | "error" | "messageerror" | "exit", listener: (value: unknown) => void): unknown;
  ref?(): void;
  unref?(): void;
  /** A page's. */
  addEventListener?(
    type: "message" | "error" | "messageerror",
    listener: (event: MessageEvent & ErrorEvent) => void,
  ): void;
}

/** Of `node:worker_threads`. */
interface Threads {
  readonly isMainThread: boolean;
  readonly parentPort: {
    postMessage(message: unknown): void;
    on(event: "message", listener: (message: unknown) => void): void;
    close(): void;
  } | null;
  readonly Worker: new (url: URL, options: object) => unknown;
}

/** Node's threads; undefined in a page. No import, which a page's bundler would fall over. */
export function nodeThreads(): Threads | undefined {
  const { process: host } = globalThis as {
    process?: { getBuiltinModule?(name: string): Threads | undefined };
  };
  return host?.getBuiltinModule?.("node:worker_threads");
}

/** Why a worker has not ended as it should: `got` in a word, `cause` as it was thrown. */
export class WorkerFailure extends Error {
  readonly got: string;

  constructor(got: string, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(got === why ? got : `${got}: ${why}`, { cause });
    this.got = got;
  }
}

// ─── Its starter's side ──────────────────────────────────────────────────────────────────────────────────

export class WorkerThread<Start, Order, Said, End> {
  /** Resolves when it stands; rejects if it ends before. */
  readonly ready: Promise<void>;
  /** Resolves to its last word; rejects with a WorkerFailure. What follows then is not heard. */
  readonly ended: Promise<End>;
  /** Resolves when it is gone, with all that it had. */
  readonly gone: Promise<void>;
  readonly #worker: AnyWorker | null = null;
  #fail: (failure: WorkerFailure) => void = () => {};
  #go: () => void = () => {};

  /**
   * Starts what `make` makes, which is one of these expressions, since bundlers look for them:
   * `new Worker(new URL("./script.js", import.meta.url), ...)`. Throws nothing: `ended` says it.
   */
  constructor(make: () => unknown, start: Start, said: (what: Said) => void = () => {}) {
    let [stand, end]: [() => void, (what: End) => void] = [() => {}, () => {}];
    this.gone = new Promise((resolve) => {
      this.#go = resolve;
    });
    this.ended = new Promise((resolve, reject) => {
      end = resolve;
      this.#fail = reject;
    });
    this.ready = new Promise((resolve, reject) => {
      stand = resolve;
      this.ended.then(() => reject(new Error("a worker that ended at once")), reject);
    });
    // Who does not ask is told by another of them.
    this.ready.catch(() => {});
    const hear = (message: unknown): void => {
      const { skbuff: kind, what } = (message ?? {}) as Partial<Message>;
      if (kind === "ready") stand();
      else if (kind === "said") said(what as Said);
      else if (kind === "ended") end(what as End);
      else if (kind === "failed") {
        const cause = heard(what as Told);
        this.#fail(new WorkerFailure(cause.message, cause));
      } else return;
      if ((kind === "ended" || kind === "failed") && this.#worker?.on === undefined) this.#go();
    };
    let made: Partial<AnyWorker> | undefined;
    try {
      made = make() as Partial<AnyWorker>;
      if (typeof made?.postMessage !== "function") throw new TypeError("not a worker");
      this.#worker = made as AnyWorker;
      this.#listen(this.#worker, hear);
      this.#send("start", start);
    } catch (cause) {
      this.#fail(new WorkerFailure("a worker that does not start", cause));
      if (this.#worker === null) this.#go();
      else this.kill();
    }
  }

  #listen(worker: AnyWorker, hear: (message: unknown) => void): void {
    const die = (cause: unknown): void => this.#fail(new WorkerFailure("a worker that died", cause));
    if (worker.on !== undefined) {
      let error: unknown;
      worker.on("message", hear);
      worker.on("messageerror", die);
      worker.on("error", (cause) => {
        error = cause;
      });
      worker.on("exit", (code) => {
        die(error ?? new Error(`exit ${String(code)}`));
        this.#go();
      });
      return;
    }
    const lose = (cause: unknown): void => {
      die(cause);
      // It may still run: an error ends only what it was doing.
      this.kill();
    };
    worker.addEventListener?.("message", ({ data }) => hear(data));
    worker.addEventListener?.("messageerror", () => lose(new Error("a message that cannot be read")));
    worker.addEventListener?.("error", (event) => {
      event.preventDefault();
      lose(event.error ?? new Error(event.message || "a worker that did not start"));
    });
  }

  #send(skbuff: Kind, what: unknown): void {
    this.#worker?.postMessage({ skbuff, what } satisfies Message);
  }

  post(order: Order): void {
    this.#send("order", order);
  }

  /** Ends it, whatever it does. */
  kill(): void {
    void this.#worker?.terminate();
    // Of a page's worker nobody else says so.
    if (this.#worker?.on !== undefined) return;
    this.#fail(new WorkerFailure("a worker that died", new Error("a worker that was terminated")));
    this.#go();
  }

  /** Whether Node stays for it. Default: it does. */
  hold(holds: boolean): void {
    if (holds) this.#worker?.ref?.();
    else this.#worker?.unref?.();
  }
}

// ─── The worker's side ───────────────────────────────────────────────────────────────────────────────────

/** Who has started this worker. */
export interface Starter<Order, Said> {
  /** All that can fail before it begins has not. */
  ready(): void;
  say(what: Said): void;
  /** Has `on` called with each order. Those that come before are not kept. */
  listen(on: (order: Order) => void): void;
}

/** In a worker: runs `run` with what it is started with, then leaves. Does nothing on a main thread. */
export function serve<Start, Order, Said, End>(
  run: (start: Start, starter: Starter<Order, Said>) => Promise<End>,
  threads = nodeThreads(),
): void {
  const port = portOf(threads);
  if (port === null) return;
  const send = (skbuff: Kind, what?: unknown): void => port.post({ skbuff, what } satisfies Message);
  let hear: ((order: Order) => void) | undefined;
  let started = false;
  const starter: Starter<Order, Said> = {
    ready: () => send("ready"),
    say: (what) => send("said", what),
    listen: (on) => {
      hear = on;
    },
  };
  port.listen((message) => {
    const { skbuff: kind, what } = (message ?? {}) as Partial<Message>;
    if (kind === "order") hear?.(what as Order);
    if (kind !== "start" || started) return;
    started = true;
    void run(what as Start, starter)
      .then(
        (end) => send("ended", end),
        (error: unknown) => send("failed", tell(error)),
      )
      .then(() => port.leave());
  });
}

function portOf(threads: Threads | undefined): {
  post(message: unknown): void;
  listen(on: (message: unknown) => void): void;
  leave(): void;
} | null {
  if (threads !== undefined && threads.parentPort !== null) {
    const port = threads.parentPort;
    return {
      post: (message) => port.postMessage(message),
      listen: (on) => port.on("message", on),
      leave: () => port.close(),
    };
  }
  if (threads?.isMainThread === true || typeof document !== "undefined") return null;
  const scope = globalThis as unknown as {
    postMessage?(message: unknown): void;
    addEventListener?(type: "message", listener: (event: MessageEvent) => void): void;
    close?(): void;
  };
  if (scope.postMessage === undefined || scope.addEventListener === undefined) return null;
  return {
    post: (message) => scope.postMessage?.(message),
    listen: (on) => scope.addEventListener?.("message", ({ data }) => on(data)),
    leave: () => scope.close?.(),
  };
}
