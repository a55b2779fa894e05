// A thread that can be stopped before any access and taken back to any earlier one. The core is not transformed for
// it: all that an operation knows comes from what it has read, so to go on from where it stopped it is run again from
// its start, and gets to read what it read the first time.

import { Access, SLEEP, SPIN, waits } from "./access.js";
import type { Instantiate } from "./bundle.js";
import { Failure } from "./failure.js";
import type { Port, Variables } from "./memory.js";
import type { Operation, Program } from "./scenario.js";
import { mix, mixAgain } from "./store.js";
import type { World } from "./world.js";

/** Accesses of one operation; one that needs more is in a loop that does not end. */
const LOG_MOST = 1 << 13;

/** Operations of one program: what the table of who touches what can hold. */
const STEPS_MOST = 100;

// Thrown to leave an operation. Made once: it carries no stack, which would cost more than all else.
const SUSPEND = { suspended: true };

class Log {
  readonly values = new Uint32Array(LOG_MOST);
  /** Address and kind of each access: a run that differs from the one before is an error of the scenario. */
  readonly signs = new Uint32Array(LOG_MOST);
  readonly variables: number[] = [];
  operation: Operation | null = null;
}

/** Where a thread was, to go back to. */
export class Place {
  step = 0;
  length = 0;
  performed = 0;
  logHash = 0;
  logHashAgain = 0;
  stepHash = 0;
  stepHashAgain = 0;
  done = false;
  readonly pending = new Access();
}

export class Thread implements Port {
  readonly core: ReturnType<Instantiate>;
  readonly results: number[] = [];
  readonly pending = new Access();
  /** Index of the operation that it is in. */
  step = 0;
  done = false;
  /** Accesses so far. */
  performed = 0;
  /** What it would read differently if it were elsewhere: its part of the state's hash. */
  hash = 0;
  hashAgain = 0;
  readonly #world: World;
  readonly #variables: readonly Variables[];
  readonly #logs: Log[] = [];
  #program: Program = () => null;
  #log = new Log();
  #length = 0;
  #at = 0;
  #permits = 0;
  #logHash = 0;
  #logHashAgain = 0;
  #stepHash = 0;
  #stepHashAgain = 0;

  constructor(
    world: World,
    readonly index: number,
    instantiate: Instantiate,
  ) {
    this.#world = world;
    this.core = instantiate();
    this.core.memory.bind(this);
    this.#variables = this.core.memory.allVariables();
  }

  get number(): number {
    return this.index + 1;
  }

  /** The operation that it is in; null at the end. */
  get operation(): Operation | null {
    return this.done ? null : this.#log.operation;
  }

  /** Gives it a program. Its variables are those of now: what the setup left. */
  prepare(program: Program): void {
    this.#program = program;
    this.#begin(0);
  }

  /** Back to the beginning. */
  reset(): void {
    this.#load(this.#logs[0] as Log);
    this.#begin(0);
  }

  /** Runs up to the first access that concerns another thread. */
  start(): void {
    this.#run();
  }

  save(to: Place): void {
    to.step = this.step;
    to.length = this.#length;
    to.performed = this.performed;
    to.logHash = this.#logHash;
    to.logHashAgain = this.#logHashAgain;
    to.stepHash = this.#stepHash;
    to.stepHashAgain = this.#stepHashAgain;
    to.done = this.done;
    to.pending.assign(this.pending);
  }

  restore(from: Place): void {
    this.step = from.step;
    this.results.length = from.step;
    this.#log = this.#logs[from.step] as Log;
    this.#length = from.length;
    this.performed = from.performed;
    this.#logHash = from.logHash;
    this.#logHashAgain = from.logHashAgain;
    this.#stepHash = from.stepHash;
    this.#stepHashAgain = from.stepHashAgain;
    this.done = from.done;
    this.pending.assign(from.pending);
    this.#rehash();
  }

  /** Performs the pending access, and all after it that concern no other thread. */
  advance(): void {
    this.#permits = 1;
    this.#load(this.#log);
    this.#run();
  }

  access(kind: number, p: number, a: number, b: number, c: number, d: number): number {
    const at = this.#at;
    if (at < this.#length) {
      const log = this.#log;
      if (log.signs[at] !== ((p << 5) | kind) >>> 0) throw new Error("an operation did not repeat itself");
      this.#at = at + 1;
      return log.values[at] as number;
    }
    return this.#perform(kind, p, a, b, c, d);
  }

  #perform(kind: number, p: number, a: number, b: number, c: number, d: number): number {
    const world = this.#world;
    if (world.direct) return world.store.perform(kind, p, a, b, c, d);
    world.checkAddress(kind, p, a, b);
    if (this.#permits > 0) this.#permits -= 1;
    else if (waits(kind) || world.concerns(this, kind, p, a, b)) this.#suspend(kind, p, a, b, c, d);
    if (this.#length === LOG_MOST) throw new Failure("endless", "an operation does not end");
    world.touch(this, kind, p, a, b);
    this.performed += 1;
    const value = this.#value(kind, p, a, b, c, d);
    const log = this.#log;
    log.signs[this.#length] = ((p << 5) | kind) >>> 0;
    log.values[this.#length] = value;
    this.#length += 1;
    this.#at = this.#length;
    this.#logHash = mix(this.#logHash, value);
    this.#logHashAgain = mixAgain(this.#logHashAgain, value);
    world.performed(this, kind, p, a, b, c, d, value);
    return value;
  }

  #value(kind: number, p: number, a: number, b: number, c: number, d: number): number {
    const world = this.#world;
    if (kind !== SLEEP) {
      world.wake(kind, p);
      return world.store.perform(kind, p, a, b, c, d);
    }
    if (world.isWoken(this)) {
      world.rise(this);
      return 0;
    }
    if (world.store.words[p >>> 2] !== a) return 1;
    world.lieDown(this);
    world.performed(this, kind, p, a, b, c, d, 0);
    return this.#suspend(kind, p, a, b, c, d);
  }

  #suspend(kind: number, p: number, a: number, b: number, c: number, d: number): never {
    this.pending.set(kind, p, a, b, c, d);
    throw SUSPEND;
  }

  /** Whether its next access can happen at all. */
  get enabled(): boolean {
    if (this.done) return false;
    const { kind, p, a } = this.pending;
    if (kind === SPIN) return this.#world.store.words[p >>> 2] !== a;
    return kind !== SLEEP || !this.#world.isAsleep(this);
  }

  #run(): void {
    while (!this.done) {
      this.#at = 0;
      let result = 0;
      try {
        result = (this.#log.operation as Operation)(this.core, this.results) >>> 0;
      } catch (error) {
        if (error === SUSPEND) break;
        if (error instanceof Failure) throw error;
        throw new Failure("crash", error instanceof Error ? error.message : String(error));
      }
      if (this.#at !== this.#length) throw new Error("an operation did not repeat itself");
      this.results[this.step] = result;
      this.#begin(this.step + 1);
    }
    this.#permits = 0;
    this.#rehash();
  }

  /** Enters the next operation. What the last one read does not matter any more, only what it returned. */
  #begin(step: number): void {
    if (step === 0) {
      this.results.length = 0;
      this.performed = 0;
    }
    if (step > STEPS_MOST) throw new Error("a program is too long to explore");
    const log = this.#logs[step] ?? new Log();
    this.#logs[step] = log;
    this.step = step;
    this.#log = log;
    this.#length = 0;
    this.#logHash = 0;
    this.#logHashAgain = 0;
    let at = 0;
    for (const module of this.#variables) {
      module.save(log.variables, at);
      at += module.names.length;
    }
    let [hash, again] = [step, step];
    for (const value of log.variables) {
      hash = mix(hash, value);
      again = mixAgain(again, value);
    }
    for (const value of this.results) {
      hash = mix(hash, value);
      again = mixAgain(again, value);
    }
    this.#stepHash = hash;
    this.#stepHashAgain = again;
    log.operation = this.#program(this.results);
    this.done = log.operation === null;
  }

  #load(log: Log): void {
    let at = 0;
    for (const module of this.#variables) {
      module.load(log.variables, at);
      at += module.names.length;
    }
  }

  #rehash(): void {
    this.hash = mix(mix(this.#stepHash, this.#logHash), this.#length + (this.number << 16));
    this.hashAgain = mixAgain(
      mixAgain(this.#stepHashAgain, this.#logHashAgain),
      this.#length + (this.number << 16),
    );
  }
}
