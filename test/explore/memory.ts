// The core's `memory` in the explorer: every access goes to the thread that the instance plays, which decides whether
// it happens now, happened before, or has to wait for its turn. What touches no memory is as in memory.host.ts.

import {
  ATOMIC_ADD,
  ATOMIC_LOAD,
  ATOMIC_OR,
  ATOMIC_STORE,
  ATOMIC_SUB,
  CAS,
  CAS64,
  COPY,
  EXCHANGE,
  FILL,
  LOAD_NET16,
  LOAD_NET32,
  LOAD8,
  LOAD16,
  LOAD32,
  NOTIFY,
  SLEEP,
  SPECULATE,
  SPIN,
  STORE_NET16,
  STORE_NET32,
  STORE8,
  STORE16,
  STORE32,
  SUM,
} from "./access.js";

/** Where accesses go. */
export interface Port {
  access(kind: number, p: number, a: number, b: number, c: number, d: number): number;
}

/** The module-level variables of one module: how to store them into a list, and how to set them from one. */
export interface Variables {
  readonly names: readonly string[];
  readonly save: (to: number[], at: number) => void;
  readonly load: (from: readonly number[], at: number) => void;
}

let port: Port = { access: () => 0 };
const variables: Variables[] = [];

export function bind(to: Port): void {
  port = to;
}
/** Called by every module that has variables, as it is evaluated. */
export function registerVariables(
  names: readonly string[],
  save: Variables["save"],
  load: Variables["load"],
): void {
  variables.push({ names, save, load });
}
export function allVariables(): readonly Variables[] {
  return variables;
}

export function load8(p: number): number {
  return port.access(LOAD8, p, 0, 0, 0, 0);
}
export function store8(p: number, v: number): void {
  port.access(STORE8, p, v, 0, 0, 0);
}
export function load16(p: number): number {
  return port.access(LOAD16, p, 0, 0, 0, 0);
}
export function store16(p: number, v: number): void {
  port.access(STORE16, p, v, 0, 0, 0);
}
export function load32(p: number): number {
  return port.access(LOAD32, p, 0, 0, 0, 0);
}
export function store32(p: number, v: number): void {
  port.access(STORE32, p, v, 0, 0, 0);
}
export function loadNet16(p: number): number {
  return port.access(LOAD_NET16, p, 0, 0, 0, 0);
}
export function loadNet32(p: number): number {
  return port.access(LOAD_NET32, p, 0, 0, 0, 0);
}
export function storeNet16(p: number, v: number): void {
  port.access(STORE_NET16, p, v, 0, 0, 0);
}
export function storeNet32(p: number, v: number): void {
  port.access(STORE_NET32, p, v, 0, 0, 0);
}

export function atomicLoad32(p: number): number {
  return port.access(ATOMIC_LOAD, p, 0, 0, 0, 0);
}
export function speculate32(p: number): number {
  return port.access(SPECULATE, p, 0, 0, 0, 0);
}
export function atomicStore32(p: number, v: number): void {
  port.access(ATOMIC_STORE, p, v, 0, 0, 0);
}
export function atomicAdd32(p: number, v: number): number {
  return port.access(ATOMIC_ADD, p, v, 0, 0, 0);
}
export function atomicSub32(p: number, v: number): number {
  return port.access(ATOMIC_SUB, p, v, 0, 0, 0);
}
export function atomicOr32(p: number, v: number): number {
  return port.access(ATOMIC_OR, p, v, 0, 0, 0);
}
export function atomicExchange32(p: number, v: number): number {
  return port.access(EXCHANGE, p, v, 0, 0, 0);
}
export function atomicCas32(p: number, expected: number, desired: number): number {
  return port.access(CAS, p, expected, desired, 0, 0);
}
export function cas64(p: number, low: number, high: number, newLow: number, newHigh: number): boolean {
  return port.access(CAS64, p, low, high, newLow, newHigh) !== 0;
}

/** Atomics.wait without a timeout: sleeps if `v` is there. 0 when woken, 1 when something else was there. */
export function sleep(p: number, v: number): number {
  return port.access(SLEEP, p, v, 0, 0, 0);
}
/** Wakes all who sleep at `p`. */
export function notify(p: number): void {
  port.access(NOTIFY, p, 0, 0, 0, 0);
}
/** A loop that loads until something else than `v` is there: the thread has no turn before. */
export function spinWhile(p: number, v: number): void {
  port.access(SPIN, p, v, 0, 0, 0);
}

export function copy(to: number, from: number, n: number): void {
  if (n !== 0) port.access(COPY, to, from, n, 0, 0);
}
export function fill(p: number, value: number, n: number): void {
  if (n !== 0) port.access(FILL, p, value, n, 0, 0);
}
export function clear32(p: number): void {
  port.access(FILL, p, 0, 32, 0, 0);
}
export function storeFour(p: number, a: number, b: number, c: number, d: number): void {
  store32(p, a);
  store32(p + 4, b);
  store32(p + 8, c);
  store32(p + 12, d);
}
export function copy128(to: number, from: number): void {
  port.access(COPY, to, from, 128, 0, 0);
}
export function sum16(p: number, n: number): number {
  return n === 0 ? 0 : port.access(SUM, p, n, 0, 0, 0);
}

export function wrapAdd(a: number, b: number): number {
  return (a + b) >>> 0;
}
export function wrapSub(a: number, b: number): number {
  return (a - b) >>> 0;
}
export function wrapMul(a: number, b: number): number {
  return Math.imul(a, b) >>> 0;
}
export function leadingZeros(v: number): number {
  return Math.clz32(v);
}
export function quotient(a: number, b: number): number {
  return Math.floor(a / b);
}
