// What a role used while it was measured. All roles of a case follow one word in shared memory: warming up, measured,
// stopping. Each takes its own samples, at the first burst after the word changed, so that they are of its own thread.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { cpuTime } from "../hop/thread.mjs";

const WARMING_UP = 0;
const MEASURED = 1;
const STOPPING = 2;

/** Milliseconds between looks at how far the warming up is. */
const LOOK_MS = 10;
/** Times as long as it would take on one core: it takes no longer, however busy the machine is. */
const WARM_MOST = 4;

/** What the main thread tells the roles: the word that they follow. */
export class Phases {
  shared = new Int32Array(new SharedArrayBuffer(4));

  /**
   * Waits until the process has used `ms` of CPU time. While code is being compiled, in helper threads and for longer than one
   * would think, that is what is measured; and on a busy machine it takes as much CPU, but more time.
   */
  async warm(ms) {
    const start = performance.now();
    const { user, system } = process.cpuUsage();
    const used = () => {
      const now = process.cpuUsage();
      return (now.user - user + now.system - system) / 1000;
    };
    while (used() < ms && performance.now() - start < WARM_MOST * ms) await sleep(LOOK_MS);
  }

  measure() {
    Atomics.store(this.shared, 0, MEASURED);
  }

  stop() {
    Atomics.store(this.shared, 0, STOPPING);
  }
}

/** Times that the calling thread went to sleep by itself, as the system counts them; NaN where it does not tell. */
export function sleeps() {
  try {
    const [, count] = /^voluntary_ctxt_switches:\s*(\d+)/m.exec(
      readFileSync("/proc/thread-self/status", "utf8"),
    );
    return Number(count);
  } catch {
    return Number.NaN;
  }
}

export class Meter {
  /** How often this thread has slept as the engine counts it, for where the system does not tell. Set by the role. */
  parks = () => Number.NaN;
  /** Messages and bytes that went through this role, counted by the role. */
  messages = 0;
  bytes = 0;
  #phase;
  #seen = WARMING_UP;
  #samples = [];

  constructor(phase) {
    this.#phase = phase;
  }

  get measures() {
    return this.#seen === MEASURED;
  }

  /** To be called once a burst. Returns whether the role is to stop. */
  look() {
    const phase = Atomics.load(this.#phase, 0);
    if (phase !== this.#seen) {
      this.#seen = phase;
      this.#samples.push(this.#sample());
    }
    return phase === STOPPING;
  }

  /** The last burst of all, for roles that are told of the end by the one before them. */
  report() {
    this.look();
    // A role that was never measured has nothing to say, and a case without all roles says nothing true.
    if (this.#samples.length !== 2) throw new Error("a role has seen no measured part: it got nothing to do");
    const [from, to] = this.#samples;
    const ms = to.time - from.time;
    return {
      ms,
      messages: to.messages - from.messages,
      bytes: to.bytes - from.bytes,
      cpu: to.cpu - from.cpu,
      sleeps: to.sleeps - from.sleeps,
      all: { messages: this.messages, bytes: this.bytes },
    };
  }

  #sleeps() {
    const count = sleeps();
    return Number.isNaN(count) ? this.parks() : count;
  }

  #sample() {
    const { messages, bytes } = this;
    return { time: performance.now(), cpu: cpuTime(), sleeps: this.#sleeps(), messages, bytes };
  }
}
