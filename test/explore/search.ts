// Depth-first search through all schedules of a scenario.
//
// A thread runs on without a choice as long as what it does concerns nobody: no other thread touches the same word
// later in a way that matters. Who touches what is learnt on the way; if something new turns up that concerns an
// earlier decision, the search starts again and knows it. So it ends at a fix point, where nothing was overlooked.
// A state that was seen before is not explored again; how many schedules go on from it is remembered.

import { coreWith, type Mistake } from "./bundle.js";
import { Failure } from "./failure.js";
import type { Scenario } from "./scenario.js";
import { type Schedule, ScheduleWriter } from "./schedule.js";
import { mix, mixAgain } from "./store.js";
import { Place, type Thread } from "./thread.js";
import { Visited } from "./visited.js";
import { World } from "./world.js";

export interface Options {
  /** Deliberate mistakes in the core. */
  readonly mistake?: Mistake | readonly Mistake[] | undefined;
  /** Preemptions at most: switches from a thread that could have gone on. None: all schedules. */
  readonly bound?: number | undefined;
  /** Whether steps that concern nobody are run through; true unless said. To test the search itself. */
  readonly reduce?: boolean | undefined;
  /** States at most. */
  readonly most?: number | undefined;
}

export interface Found {
  readonly failure: Failure;
  readonly schedule: Schedule;
}

export interface Result {
  readonly states: number;
  readonly steps: number;
  /** Schedules that the states stand for: every order of the steps that matter. Rounded above 2^53. */
  readonly schedules: number;
  /** Different states at the end. */
  readonly ends: number;
  readonly seconds: number;
  /** Whether the search came to its end. */
  readonly complete: boolean;
  readonly found: Found | null;
}

const STEPS_WHILE_STALE = 3000;
const STATES_MOST = 20_000_000;

// Thrown to end a search early; both say why in the searcher.
const STOP = { stopped: true };

class Searcher {
  readonly visited = new Visited();
  readonly schedule = new ScheduleWriter();
  readonly #places: Place[] = [];
  readonly #world: World;
  readonly #bounded: boolean;
  readonly #most: number;
  #staleSince = 0;
  steps = 0;
  ends = 0;
  complete = true;

  constructor(world: World, bounded: boolean, most: number) {
    this.#world = world;
    this.#bounded = bounded;
    this.#most = most;
  }

  /** Explores everything. Returns how many schedules that are. */
  run(budget: number): number {
    const { threads } = this.#world;
    try {
      this.#world.start();
    } finally {
      for (const thread of threads) this.schedule.push(thread.index, thread.performed);
    }
    return this.#explore(0, null, budget);
  }

  /** Explores everything from the present state on, and comes back to it. Returns how many schedules that are. */
  #explore(depth: number, last: Thread | null, budget: number): number {
    const world = this.#world;
    world.checkRaces();
    const { hash, again } = this.#hash(last, budget);
    const known = this.visited.get(hash, again);
    if (known !== 0) return known;
    if (this.visited.size >= this.#most) {
      this.complete = false;
      throw STOP;
    }
    let schedules = 0;
    const alone = this.#unconcerned();
    if (alone !== null) {
      // Commutes with all that the others will do: one order stands for all, and costs no preemption.
      schedules = this.#branch(depth, alone, last, budget);
    } else {
      const running = last?.enabled === true;
      if (running) schedules += this.#branch(depth, last, last, budget);
      for (const thread of world.threads) {
        if (!thread.enabled || (running && thread === last)) continue;
        const left = running ? budget - 1 : budget;
        if (left >= 0) schedules += this.#branch(depth, thread, thread, left);
      }
    }
    if (schedules === 0) {
      world.checkEnd();
      this.ends += 1;
      schedules = 1;
    }
    this.visited.set(hash, again, schedules);
    return schedules;
  }

  #hash(last: Thread | null, budget: number): { hash: number; again: number } {
    const { hash, hashAgain } = this.#world;
    if (!this.#bounded) return { hash, again: hashAgain };
    const rest = (last === null ? 0 : last.number) + (budget << 3);
    return { hash: (hash ^ mix(rest, 3)) >>> 0, again: (hashAgain ^ mixAgain(rest, 3)) >>> 0 };
  }

  /** A thread whose next access concerns nobody any more. */
  #unconcerned(): Thread | null {
    for (const thread of this.#world.threads) {
      if (!thread.enabled) continue;
      const { kind, p, a, b } = thread.pending;
      if (!this.#world.concerns(thread, kind, p, a, b)) return thread;
    }
    return null;
  }

  #branch(depth: number, thread: Thread, last: Thread | null, budget: number): number {
    const world = this.#world;
    const { store } = world;
    const { written, hash, hashAgain } = store;
    const { sleepers } = world;
    const place = this.#places[depth] ?? new Place();
    this.#places[depth] = place;
    thread.save(place);
    this.steps += 1;
    const mark = this.schedule.mark();
    try {
      thread.advance();
    } finally {
      this.schedule.push(thread.index, thread.performed - place.performed);
    }
    if (world.stale) this.#restartSoon();
    const schedules = this.#explore(depth + 1, last, budget);
    this.schedule.back(mark);
    store.back(written, hash, hashAgain);
    world.sleepers = sleepers;
    thread.restore(place);
    return schedules;
  }

  /** Goes on for a while, because more may turn up, and then gives up. */
  #restartSoon(): void {
    if (this.#staleSince === 0) this.#staleSince = this.steps;
    if (this.steps - this.#staleSince > STEPS_WHILE_STALE) throw STOP;
  }
}

/** Explores a scenario. */
export async function explore(scenario: Scenario, options: Options = {}): Promise<Result> {
  const { mistake = [], bound, reduce = true, most = STATES_MOST } = options;
  const instantiate = await coreWith(Array.isArray(mistake) ? mistake : [mistake as Mistake]);
  const begun = performance.now();
  let steps = 0;
  const world = new World(scenario, instantiate, !reduce);
  for (;;) {
    const searcher = new Searcher(world, bound !== undefined, most);
    let schedules = 0;
    let found: Found | null = null;
    try {
      schedules = searcher.run(bound ?? 0xffff);
    } catch (error) {
      if (error instanceof Failure) found = { failure: error, schedule: searcher.schedule.schedule() };
      else if (error !== STOP) throw error;
    }
    steps += searcher.steps;
    if (world.stale && found === null && searcher.complete) continue;
    const { ends, complete } = searcher;
    const seconds = (performance.now() - begun) / 1000;
    return { states: searcher.visited.size, steps, schedules, ends, seconds, complete, found };
  }
}
