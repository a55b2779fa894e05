// Runs one schedule, access by access, and tells what happened.

import { Access, CAS, CAS64, COPY, FILL, NAMES, NOTIFY, SLEEP, SPIN, SUM, sizeOf, writes } from "./access.js";
import { coreWith, type Mistake } from "./bundle.js";
import { Failure } from "./failure.js";
import { Names } from "./names.js";
import type { Operation, Scenario } from "./scenario.js";
import type { Schedule } from "./schedule.js";
import type { Thread } from "./thread.js";
import { BASE, World } from "./world.js";

interface Step {
  readonly thread: number;
  readonly operation: string;
  readonly access: Access;
  readonly text: string;
}

export interface Replay {
  readonly failure: Failure | null;
  readonly lines: readonly string[];
}

function source(operation: Operation | null): string {
  if (operation === null) return "end";
  const text = operation.toString().replace(/\s+/g, " ");
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}

/** Small numbers as they are, addresses by what lies there, all else in hexadecimal. */
function number(names: Names, value: number, bytes: number): string {
  if (value < BASE || value >= bytes) return value < 65536 ? `${value}` : `0x${value.toString(16)}`;
  return `<${names.of(value)}>`;
}

function describe(names: Names, access: Access, value: number, bytes: number): string {
  const { kind, p, a, b, c, d } = access;
  const say = (v: number): string => number(names, v >>> 0, bytes);
  const what = `${NAMES[kind]} ${names.of(p)}`;
  if (kind === COPY) return `${what} ← ${names.of(a)}, ${b} bytes`;
  if (kind === FILL) return `${what} = ${a}, ${b} bytes`;
  if (kind === SUM) return `${what}, ${a} bytes → ${say(value)}`;
  if (kind === CAS)
    return `${what}: ${say(a)} ⇒ ${say(b)} ${value === a >>> 0 ? "✓" : `✗, it is ${say(value)}`}`;
  if (kind === CAS64) return `${what}: ${say(a)} | ${b} ⇒ ${say(c)} | ${d} ${value === 1 ? "✓" : "✗"}`;
  if (kind === SLEEP || kind === SPIN) return `${what} while ${say(a)}`;
  if (kind === NOTIFY) return what;
  if (!writes(kind)) return `${what} → ${say(value)}`;
  return NAMES[kind]?.includes("tore") === true
    ? `${what} = ${say(a)}`
    : `${what}, ${say(a)} → ${say(value)}`;
}

/** Bytes that more than one thread touched, one of them writing, word by word. */
function contested(steps: readonly Step[]): Set<number> {
  const readers = new Map<number, number>();
  const writers = new Map<number, number>();
  const each = (p: number, n: number, visit: (word: number) => void): void => {
    for (let w = p >>> 2; w < (p + n + 3) >>> 2; w++) visit(w);
  };
  for (const { thread, access } of steps) {
    const { kind, p, a, b } = access;
    const add = (to: Map<number, number>) => (w: number) => to.set(w, (to.get(w) ?? 0) | (1 << thread));
    each(p, sizeOf(kind, a, b), add(writes(kind) || kind === NOTIFY ? writers : readers));
    if (kind === COPY) each(a, b, add(readers));
  }
  const found = new Set<number>();
  for (const [w, by] of writers) {
    const all = by | (readers.get(w) ?? 0);
    if ((all & (all - 1)) !== 0) found.add(w);
  }
  return found;
}

function touchesAny({ kind, p, a, b }: Access, words: Set<number>): boolean {
  const n = sizeOf(kind, a, b);
  for (let w = p >>> 2; w < (p + n + 3) >>> 2; w++) if (words.has(w)) return true;
  if (kind === COPY) for (let w = a >>> 2; w < (a + b + 3) >>> 2; w++) if (words.has(w)) return true;
  return false;
}

function play(world: World, schedule: Schedule): Failure | null {
  try {
    world.start();
    world.checkRaces();
    for (const { thread: index, accesses } of schedule) {
      const thread = world.threads[index] as Thread;
      for (let i = 0; i < accesses; i++) {
        if (!thread.enabled) return new Failure("crash", `thread ${thread.number} cannot go on`);
        thread.advance();
        world.checkRaces();
      }
    }
    if (!world.threads.some(({ enabled }) => enabled)) world.checkEnd();
    return null;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
}

/** Runs a schedule again. `all`: also the accesses that concern only one thread. */
export async function replay(
  scenario: Scenario,
  schedule: Schedule,
  { mistake = [], all = false }: { mistake?: Mistake | readonly Mistake[] | undefined; all?: boolean } = {},
): Promise<Replay> {
  const mistakes = Array.isArray(mistake) ? mistake : [mistake as Mistake];
  const world = new World(scenario, await coreWith(mistakes), true);
  const names = new Names(world, BASE);
  const steps: Step[] = [];
  world.listener = (thread, kind, p, a, b, c, d, value) => {
    const access = new Access();
    access.set(kind, p, a, b, c, d);
    const text = describe(names, access, value, world.store.bytes);
    steps.push({ thread: thread.index, operation: source(thread.operation), access, text });
  };
  const failure = play(world, schedule);
  const words = contested(steps);
  const lines: string[] = [];
  let [speaker, operation] = [-1, ""];
  for (const step of steps) {
    if (!all && !touchesAny(step.access, words)) continue;
    if (step.thread !== speaker || step.operation !== operation) {
      ({ thread: speaker, operation } = step);
      lines.push(`thread ${speaker + 1}: ${operation}`);
    }
    lines.push(`    ${step.text}`);
  }
  for (const thread of world.threads) {
    if (thread.done) continue;
    const { kind, p } = thread.pending;
    lines.push(
      `next of thread ${thread.number}: ${NAMES[kind]} ${names.of(p)}, in ${source(thread.operation)}`,
    );
  }
  return { failure, lines };
}
