// What the tests use of node:worker_threads, on the web's own workers.

import type { WebWorker } from "./relay.js";

type Listener = (value: never) => void;

/** Says to a worker that it is a thread of a test, whose first message is its workerData. */
const NAME = "thread of a test";

class Events {
  readonly #listeners = new Map<string, Set<Listener>>();

  on(event: string, listener: Listener): this {
    const known = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, known.add(listener));
    return this;
  }

  once(event: string, listener: Listener): this {
    const first = ((value: never) => {
      this.off(event, first);
      listener(value);
    }) as Listener;
    return this.on(event, first);
  }

  off(event: string, listener: Listener): this {
    this.#listeners.get(event)?.delete(listener);
    return this;
  }

  emit(event: string, value: unknown): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(value as never);
  }
}

export class Worker extends Events {
  readonly #worker: WebWorker;

  constructor(url: URL, options: { workerData?: unknown } = {}) {
    super();
    const { pageMakesWorkers } = globalThis as {
      pageMakesWorkers?: (url: string, name: string) => WebWorker;
    };
    this.#worker =
      pageMakesWorkers?.(url.href, NAME) ?? new globalThis.Worker(url, { type: "module", name: NAME });
    this.#worker.onmessage = ({ data }) => this.emit("message", data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.emit("error", new Error(event.message || `the worker ${url} failed to start`));
    };
    this.#worker.postMessage(options.workerData ?? null);
  }

  postMessage(message: unknown): void {
    this.#worker.postMessage(message);
  }

  terminate(): Promise<number> {
    this.#worker.terminate();
    this.emit("exit", 1);
    return Promise.resolve(1);
  }
}

interface Scope {
  readonly name?: string;
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}

const scope = globalThis as unknown as Scope;

export const isMainThread = typeof document !== "undefined" || scope.name !== NAME;

class Port extends Events {
  readonly #early: unknown[] = [];
  #data: ((data: unknown) => void) | undefined;
  readonly data = new Promise((resolve) => {
    this.#data = resolve;
  });

  constructor() {
    super();
    // At once: what comes before somebody listens would be lost.
    scope.addEventListener("message", ({ data }) => {
      if (this.#data === undefined) {
        if (this.#listened) this.emit("message", data);
        else this.#early.push(data);
        return;
      }
      this.#data(data);
      this.#data = undefined;
    });
  }

  #listened = false;

  override on(event: string, listener: Listener): this {
    super.on(event, listener);
    if (event === "message") {
      this.#listened = true;
      for (const data of this.#early.splice(0)) this.emit("message", data);
    }
    return this;
  }

  postMessage(message: unknown): void {
    scope.postMessage(message);
  }
}

export const parentPort = isMainThread ? null : new Port();
export const workerData = await parentPort?.data;
