// Worker threads, as Node has them or as pages do: started, heard, ended.

/** A worker of whichever kind. */
interface AnyWorker {
  postMessage(message: unknown): void;
  terminate(): unknown;
  /** Node's. */
  on?(event: "message" | "error" | "messageerror" | "exit", listener: (value: unknown) => void): unknown;
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
  readonly Worker: new (url: URL, options: object) => AnyWorker;
}

/** Node's threads; undefined in a page. No import, which a page's bundler would fall over. */
export function nodeThreads(): Threads | undefined {
  const { process: host } = globalThis as {
    process?: { getBuiltinModule?(name: string): Threads | undefined };
  };
  return host?.getBuiltinModule?.("node:worker_threads");
}

/** What is heard of a worker. */
export interface Hearer {
  message(message: unknown): void;
  /** It is gone, or cannot be: what it said of why. Once; of a page's worker that ends by itself, never. */
  gone(cause: unknown): void;
}

export class Host {
  /** Whether its end will be heard of. */
  readonly tells: boolean;
  readonly #worker: AnyWorker;
  readonly #end: (cause: unknown) => void;

  /** Starts what `make` makes. @throws whatever making it does */
  constructor(make: () => unknown, hearer: Hearer) {
    const worker = make() as AnyWorker;
    if (typeof worker?.postMessage !== "function") throw new TypeError("not a worker");
    this.#worker = worker;
    this.tells = worker.on !== undefined;
    let error: unknown;
    let gone = false;
    const end = (cause: unknown): void => {
      if (!gone) hearer.gone(cause);
      gone = true;
    };
    this.#end = end;
    if (worker.on !== undefined) {
      worker.on("message", (message) => hearer.message(message));
      worker.on("messageerror", end);
      worker.on("error", (cause) => {
        error = cause;
      });
      worker.on("exit", (code) => end(error ?? new Error(`exit ${String(code)}`)));
      return;
    }
    worker.addEventListener?.("message", ({ data }) => hearer.message(data));
    worker.addEventListener?.("messageerror", () => end(new Error("a message that cannot be read")));
    worker.addEventListener?.("error", (event) => {
      event.preventDefault();
      end(event.error ?? new Error(event.message || "a worker that did not start"));
    });
  }

  post(message: unknown): void {
    this.#worker.postMessage(message);
  }

  kill(): void {
    void this.#worker.terminate();
    // Of a page's worker nobody else says so.
    if (!this.tells) this.#end(new Error("a worker that was terminated"));
  }
}

/** Starts the worker that imports a part's module. */
export function startOwn(): unknown {
  const threads = nodeThreads();
  // In these words bundlers find it.
  if (threads === undefined)
    return new Worker(new URL("./pipeline-worker.js", import.meta.url), { type: "module" });
  // What the program was started with is not for a script of ours: `--input-type`, say, forbids it.
  return new threads.Worker(new URL("./pipeline-worker.js", import.meta.url), { execArgv: [] });
}

/** In a worker: what its maker says, and how to answer. Null on a main thread. */
export function parent(): {
  post(message: unknown): void;
  listen(on: (message: unknown) => void): void;
  leave(): void;
} | null {
  const threads = nodeThreads();
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
