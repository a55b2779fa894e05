// What the threads of a scenario have in common: the memory, who sleeps, and who touches what.

import { THREAD_BYTES } from "../../assembly/layout.js";
import { auditArena } from "../../src/inspect/audit-arena.js";
import { COPY, isRace, NAMES, NOTIFY, sizeOf, writes } from "./access.js";
import type { Instantiate } from "./bundle.js";
import { Failure } from "./failure.js";
import type { End, Play, Scenario, View } from "./scenario.js";
import { mix, mixAgain, Store } from "./store.js";
import { Thread } from "./thread.js";

/** Where the arena starts: below it, no address is good. */
export const BASE = 4096;

/** Hears of every access that was performed. */
export type Listener = (
  thread: Thread,
  kind: number,
  p: number,
  a: number,
  b: number,
  c: number,
  d: number,
  value: number,
) => void;

export class World implements View {
  readonly store: Store;
  readonly threads: Thread[] = [];
  readonly play: Play;
  /** While true, accesses happen at once: the setup. */
  direct = true;
  /** Whether something was learnt that earlier decisions should have known. */
  stale = false;
  listener: Listener | null = null;
  /** Two bits a thread: asleep, woken. The address is that of its pending access. */
  sleepers = 0;
  /** Whether every access is a step: to replay. */
  readonly #everything: boolean;
  #written = 0;
  // For each word and thread, the last operation that was ever seen to read and to write it; -1 for none.
  readonly #lastRead: Int8Array[] = [];
  readonly #lastWrite: Int8Array[] = [];

  constructor(scenario: Scenario, instantiate: Instantiate, everything = false) {
    this.#everything = everything;
    const { pages = 4, skbs = 128, ubufs = 128, rings = 1, exchange = 1 } = scenario.arena ?? {};
    const all = pages + tablePages(scenario.threads, skbs, ubufs, rings);
    this.store = new Store(BASE + all * 4096);
    for (let t = 0; t < scenario.threads; t++) {
      const thread = new Thread(this, t, instantiate);
      this.threads.push(thread);
      const { core } = thread;
      if (t === 0 && core.format(BASE, all, skbs, ubufs, scenario.threads, rings, exchange) !== 0)
        throw new Error(`${scenario.name}: the arena does not fit`);
      core.attachArena(BASE);
      if (scenario.joined !== false) core.claimThread();
      this.#lastRead.push(new Int8Array(this.store.words.length).fill(-1));
      this.#lastWrite.push(new Int8Array(this.store.words.length).fill(-1));
    }
    this.play = scenario.setup(this.threads.map(({ core }) => core));
    if (this.play.programs.length !== scenario.threads)
      throw new Error(`${scenario.name}: a program is missing`);
    this.direct = false;
    this.store.back(this.store.written, 0, 0);
    this.#written = this.store.written;
    for (const thread of this.threads)
      thread.prepare(this.play.programs[thread.index] as Play["programs"][number]);
  }

  /** To the beginning, with all that was learnt. */
  start(): void {
    this.store.back(this.#written, 0, 0);
    this.sleepers = 0;
    this.stale = false;
    for (const thread of this.threads) thread.reset();
    for (const thread of this.threads) thread.start();
  }

  word(address: number): number {
    return this.store.words[address >>> 2] as number;
  }

  get results(): readonly (readonly number[])[] {
    return this.threads.map(({ results }) => results);
  }

  // ─── Who touches what ────────────────────────────────────────────────────────────────────────────────

  checkAddress(kind: number, p: number, a: number, b: number): void {
    const n = sizeOf(kind, a, b);
    const bad = !(p >= BASE && p + n <= this.store.bytes);
    if (bad || (kind === COPY && !(a >= BASE && a + n <= this.store.bytes)))
      throw new Failure("crash", `${NAMES[kind]} at ${p}, outside the arena`);
  }

  /** Whether another thread may, from here on, do something with which this access does not commute. */
  concerns(thread: Thread, kind: number, p: number, a: number, b: number): boolean {
    if (this.#everything) return true;
    const n = sizeOf(kind, a, b);
    if (this.#meets(thread, p, n, writes(kind) || kind === NOTIFY)) return true;
    return kind === COPY && this.#meets(thread, a, n, false);
  }

  #meets(thread: Thread, p: number, n: number, writing: boolean): boolean {
    const end = (p + n + 3) >>> 2;
    for (const other of this.threads) {
      if (other === thread || other.done) continue;
      const lastWrite = this.#lastWrite[other.index] as Int8Array;
      const lastRead = this.#lastRead[other.index] as Int8Array;
      for (let w = p >>> 2; w < end; w++) {
        if ((lastWrite[w] as number) >= other.step) return true;
        if (writing && (lastRead[w] as number) >= other.step) return true;
      }
    }
    return false;
  }

  /** Learns that the thread's operation touches something. */
  touch(thread: Thread, kind: number, p: number, a: number, b: number): void {
    const n = sizeOf(kind, a, b);
    this.#learn(thread, p, n, writes(kind) || kind === NOTIFY);
    if (kind === COPY) this.#learn(thread, a, n, false);
  }

  #learn(thread: Thread, p: number, n: number, writing: boolean): void {
    const last = (writing ? this.#lastWrite : this.#lastRead)[thread.index] as Int8Array;
    const end = (p + n + 3) >>> 2;
    for (let w = p >>> 2; w < end; w++) {
      if ((last[w] as number) >= thread.step) continue;
      last[w] = thread.step;
      if (this.#touchedByOther(thread, w, writing)) this.stale = true;
    }
  }

  #touchedByOther(thread: Thread, w: number, writing: boolean): boolean {
    for (let t = 0; t < this.threads.length; t++) {
      if (t === thread.index) continue;
      if (((this.#lastWrite[t] as Int8Array)[w] as number) >= 0) return true;
      if (writing && ((this.#lastRead[t] as Int8Array)[w] as number) >= 0) return true;
    }
    return false;
  }

  performed(
    thread: Thread,
    kind: number,
    p: number,
    a: number,
    b: number,
    c: number,
    d: number,
    value: number,
  ): void {
    if (this.listener !== null) this.listener(thread, kind, p, a, b, c, d, value);
  }

  // ─── Sleeping ────────────────────────────────────────────────────────────────────────────────────────

  isAsleep(thread: Thread): boolean {
    return ((this.sleepers >>> (thread.index * 2)) & 1) !== 0;
  }

  isWoken(thread: Thread): boolean {
    return ((this.sleepers >>> (thread.index * 2)) & 2) !== 0;
  }

  lieDown(thread: Thread): void {
    this.sleepers |= 1 << (thread.index * 2);
  }

  rise(thread: Thread): void {
    this.sleepers &= ~(3 << (thread.index * 2));
  }

  /** What a notify does; nothing for other accesses. */
  wake(kind: number, p: number): void {
    if (kind !== NOTIFY) return;
    for (const thread of this.threads) {
      if (!this.isAsleep(thread) || thread.pending.p !== p) continue;
      this.rise(thread);
      this.sleepers |= 2 << (thread.index * 2);
    }
  }

  // ─── The state ───────────────────────────────────────────────────────────────────────────────────────

  get hash(): number {
    let hash = this.store.hash ^ mix(this.sleepers, 1);
    for (const thread of this.threads) hash ^= thread.hash;
    return hash >>> 0;
  }

  get hashAgain(): number {
    let hash = this.store.hashAgain ^ mixAgain(this.sleepers, 1);
    for (const thread of this.threads) hash ^= thread.hashAgain;
    return hash >>> 0;
  }

  /** Fails if two threads are about to touch the same bytes, one of them writing and one of them plainly. */
  checkRaces(): void {
    const { words } = this.store;
    for (const x of this.threads) {
      if (!x.enabled) continue;
      for (let t = x.index + 1; t < this.threads.length; t++) {
        const y = this.threads[t] as Thread;
        if (!y.enabled) continue;
        const [u, v] = [words[x.pending.p >>> 2] as number, words[y.pending.p >>> 2] as number];
        if (isRace(x.pending, y.pending, u, v))
          throw new Failure("race", `threads ${x.number} and ${y.number} touch the same bytes at once`);
      }
    }
    const problem = this.play.invariant?.(this) ?? null;
    if (problem !== null) throw new Failure("invariant", problem);
  }

  /** Judges a state in which no thread can go on. */
  checkEnd(): void {
    const stuck = this.threads.filter(({ done }) => !done);
    if (stuck.length > 0) {
      const who = stuck.map(
        (thread) => `thread ${thread.number} ${this.isAsleep(thread) ? "sleeps" : "spins"}`,
      );
      throw new Failure("deadlock", `${who.join(", ")} for ever`);
    }
    const audit = auditArena(this, BASE, 0);
    if (!audit.clean) throw new Failure("audit", audit.problems.join("\n"));
    const end: End = { audit, results: this.results, word: (address) => this.word(address) };
    const problem = this.play.check?.(end) ?? null;
    if (problem !== null) throw new Failure("check", problem);
  }
}

/** Pages of everything that `format` puts before the pages themselves, if these are few: no table of theirs is longer than a page. */
function tablePages(threads: number, skbs: number, ubufs: number, rings: number): number {
  const pagesFor = (bytes: number): number => Math.ceil(bytes / 4096);
  const tables = [skbs * 128, ubufs * 32, rings * 256, (skbs + 64) * 4].map(pagesFor);
  return 1 + (THREAD_BYTES / 4096) * threads + tables.reduce((sum, n) => sum + n, 0) + 2;
}
