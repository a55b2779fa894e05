// Has another thread do what an engine's core does to release packets, so that the suites of the contract, written for one
// thread, prove the same of packets that end elsewhere.

import { Worker } from "node:worker_threads";
import type { Engine } from "skbuff";
import { MAY_BLOCK } from "../environment.js";

const [STATE, ENGINE, COUNT, REASON, RESULT, HANDLES] = [0, 1, 2, 3, 4, 8];
const [ASKED, DONE, ATTACH] = [1, 2, 3];
const BURST_MOST = 256;
const SPINS = 20_000;
/** Memories of closed engines that the worker may still have: browsers have address space for a hundred, and it collects late. */
const SERVED_MOST = 16;

/** What is replaced of the core. */
interface Replaced {
  release(handle: number, reason: number): number;
  releaseBurst(from: number, n: number): number;
  threadState(thread: number): number;
}

interface Inside {
  _core: Replaced;
  readonly _heap: { readonly handles: Int32Array };
}

export class Releaser {
  readonly #words = new Int32Array(new SharedArrayBuffer(4 * (HANDLES + BURST_MOST)));
  #worker = this.#start();

  /** By their number in the worker. */
  #served: (Engine | undefined)[] = [];

  #start(): Worker {
    return new Worker(new URL("./releaser.mjs", import.meta.url), {
      workerData: { mailbox: this.#words.buffer },
    });
  }

  /** Ends the worker once it has served many engines, and starts another one. */
  async #renew(): Promise<void> {
    if (this.#served.length < SERVED_MOST || this.#served.some((one) => one?.closed === false)) return;
    await this.#worker.terminate();
    this.#words.fill(0);
    this.#served = [];
    this.#worker = this.#start();
  }

  /** Makes the worker release what is released of `engine`, which must have a thread block to spare. */
  async serve(engine: Engine): Promise<void> {
    await this.#renew();
    Atomics.store(this.#words, STATE, ATTACH);
    Atomics.notify(this.#words, STATE);
    const { index, thread } = await new Promise<{ index: number; thread: number }>((resolve, reject) => {
      this.#worker.once("error", reject);
      this.#worker.once("message", (answer) => {
        this.#worker.off("error", reject);
        resolve(answer);
      });
      const closed = this.#served.flatMap((one, i) => (one?.closed ? [i] : []));
      for (const i of closed) this.#served[i] = undefined;
      this.#worker.postMessage({ token: engine.share(), closed });
    });
    this.#served[index] = engine;
    const inside = engine as unknown as Inside;
    const core = inside._core;
    inside._core = {
      ...core,
      release: (handle, reason) => {
        this.#words[HANDLES] = handle;
        return this.#ask(index, 0, reason);
      },
      releaseBurst: (from, n) => {
        const first = from >>> 2;
        this.#words.set(inside._heap.handles.subarray(first, first + n), HANDLES);
        return n === 0 ? 0 : this.#ask(index, n, 0);
      },
      // The thread is no business of the tests: it need not be named by close(), nor be in the statistics.
      threadState: (number) => (number === thread ? 0 : core.threadState(number)),
    };
  }

  #ask(index: number, n: number, reason: number): number {
    const words = this.#words;
    words[ENGINE] = index;
    words[COUNT] = n;
    words[REASON] = reason;
    Atomics.store(words, STATE, ASKED);
    Atomics.notify(words, STATE);
    for (let i = 0; i < SPINS && Atomics.load(words, STATE) !== DONE; i++);
    while (Atomics.load(words, STATE) !== DONE) if (MAY_BLOCK) Atomics.wait(words, STATE, ASKED);
    return words[RESULT] as number;
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}
