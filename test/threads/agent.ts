// Worker threads for the tests: each has a seat, on which functions that the test sends it work.

import { Worker } from "node:worker_threads";
import type { AttachOptions, Completion, Engine, Ring, Skb, Ubuf, UserRegion } from "skbuff";
import { RECHECK_MS } from "../environment.js";
import { codeOf } from "../packets.js";

/** What a worker keeps from call to call. */
export interface Seat {
  readonly skbuff: typeof import("skbuff");
  readonly inspect: typeof import("skbuff/inspect");
  engine: Engine;
  ring: Ring;
  rings: Ring[];
  skbs: Skb[];
  region: UserRegion;
  ubuf: Ubuf;
  /** What callbacks of ubufs were told. */
  told: Completion[];
  /** The promise of something that goes on while other calls run. */
  pending: Promise<unknown>;
}

/** An error that was thrown in a worker. */
export interface RemoteError {
  readonly name: string;
  readonly code: string | undefined;
  readonly message: string;
  readonly holders: readonly string[] | undefined;
  readonly stack: string;
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: RemoteError;
}

export class Agent {
  readonly worker = new Worker(new URL("./agent.mjs", import.meta.url));
  readonly #calls = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #id = 0;
  #ended: Error | undefined;

  constructor() {
    this.worker.on("message", ({ id, value, error }: Answer) => {
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      if (error === undefined) call?.resolve(value as never);
      else call?.reject(Object.assign(new Error(`in the worker: ${error.stack}`), { remote: error }));
    });
    this.worker.on("error", (error) => this.#end(error as Error));
    this.worker.on("exit", () => this.#end(new Error("the worker has ended")));
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
  }

  /** Runs a function that refers to nothing but its arguments in the worker. */
  run<A extends unknown[], T>(body: (seat: Seat, ...args: A) => T, ...args: A): Promise<Awaited<T>> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const id = ++this.#id;
      this.#calls.set(id, { resolve, reject });
      this.worker.postMessage({ id, source: body.toString(), args });
    });
  }

  /** As `run`, but returns what was thrown; undefined if nothing was. */
  async fails<A extends unknown[]>(
    body: (seat: Seat, ...args: A) => unknown,
    ...args: A
  ): Promise<RemoteError | undefined> {
    try {
      await this.run(body, ...args);
    } catch (error) {
      const { remote } = error as { remote?: RemoteError };
      if (remote === undefined) throw error;
      return remote;
    }
    return undefined;
  }

  /** Attaches the worker to an engine. Returns its number there. */
  attach(engine: Engine, options?: AttachOptions): Promise<number> {
    return this.run(
      async (seat, token, given, recheckMs) => {
        seat.engine = await seat.skbuff.Engine.attach(token, given);
        (seat.engine as unknown as { _waiter: { recheckMs: number } })._waiter.recheckMs = recheckMs;
        return seat.engine.thread;
      },
      engine.share(),
      options,
      RECHECK_MS,
    );
  }

  /** Releases what the worker has, and detaches it. */
  leave(): Promise<void> {
    return this.run((seat) => {
      for (const skb of seat.skbs.splice(0)) if (skb.alive) skb.release();
      for (const ring of seat.rings.splice(0)) ring.release();
      seat.engine.detach();
    });
  }

  async stop(): Promise<void> {
    await this.worker.terminate();
  }
}

/** The code of what a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return codeOf(() => {
      throw error;
    });
  }
}
