// Rings: packets pass, in order and once; closing, roles, joining and leaving; scatters.

import { BURST_FAILED, CONSUMES, E_CLOSED, E_ROLE, PRODUCES } from "../../../assembly/layout.js";
import type { Core } from "../bundle.js";
import {
  type End,
  first,
  type Operation,
  type Program,
  repeat,
  type Scenario,
  sequence,
} from "../scenario.js";
import { coreOf, packet } from "./kit.js";

const CLOSED = BURST_FAILED | E_CLOSED;
const ROLE = BURST_FAILED | E_ROLE;

/** A ring for `capacity` packets that each of `cores` has joined. */
export function ringOf(cores: readonly Core[], capacity: number): number {
  const one = coreOf(cores, 1);
  const ring = one.createRing(capacity);
  for (const core of cores.slice(1)) core.joinRing(one.ringIndex(ring), one.ringGeneration(ring));
  return ring;
}

/** Passes words to the core in the scratch. */
export function pass(core: Core, words: readonly number[]): number {
  for (const [i, word] of words.entries()) core.memory.store32(core.scratch() + i * 4, word);
  return words.length;
}

export const put =
  (ring: number, ...handles: readonly number[]): Operation =>
  (core) =>
    core.enqueueBurst(ring, core.scratch(), pass(core, handles));

/** One packet: its handle, 0, or BURST_FAILED and why. */
export const take =
  (ring: number): Operation =>
  (core) => {
    const n = core.dequeueBurst(ring, core.scratch(), 1);
    return n === 1 ? core.memory.load32(core.scratch()) : n;
  };

const close =
  (ring: number): Operation =>
  (core) =>
    core.closeRing(ring);

const handlesIn = (results: readonly number[]): number[] =>
  results.filter((n) => n >= 64 && n < BURST_FAILED);

/** That what came out is what went in, in order, up to what is still in the ring. */
function inOrder(end: End, sent: readonly number[], taker: number, accepted: number): string | null {
  const got = handlesIn(end.results[taker] as number[]);
  const left = end.audit.packets.filter(({ owner }) => owner === "ring 0").length;
  return first(
    got.some((handle, i) => handle !== sent[i]) && `took ${got.join(", ")} of ${sent.join(", ")}`,
    got.length + left !== accepted && `${accepted} went in, ${got.length} came out and ${left} are left`,
  );
}

const sum = (results: readonly number[]): number => results.reduce((total, n) => total + (n < 64 ? n : 0), 0);

export const rings: readonly Scenario[] = [
  {
    name: "ring: bursts in, singles out, around the edge",
    threads: 2,
    setup: (cores) => {
      const ring = ringOf(cores, 2);
      const h = [1, 2, 3, 4].map(() => packet(coreOf(cores, 1)));
      return {
        programs: [
          sequence(put(ring, h[0] as number, h[1] as number), put(ring, h[2] as number)),
          repeat(4, take(ring)),
        ],
        check: (end) => inOrder(end, h, 1, sum(end.results[0] as number[])),
      };
    },
  },
  {
    name: "ring: one slot, three packets",
    threads: 2,
    setup: (cores) => {
      const ring = ringOf(cores, 1);
      const h = [1, 2, 3].map(() => packet(coreOf(cores, 1)));
      // Each packet again until it is taken, so many times at most.
      const producer: Program = (results) => {
        const next = h[sum(results)];
        return results.length < 5 && next !== undefined ? put(ring, next) : null;
      };
      return {
        programs: [producer, repeat(4, take(ring))],
        check: (end) => inOrder(end, h, 1, sum(end.results[0] as number[])),
      };
    },
  },
  {
    name: "ring: the consumer closes while packets come",
    threads: 2,
    setup: (cores) => {
      const ring = ringOf(cores, 4);
      const h = [1, 2, 3].map(() => packet(coreOf(cores, 1)));
      return {
        programs: [
          sequence(put(ring, h[0] as number), put(ring, h[1] as number, h[2] as number)),
          sequence(close(ring), take(ring), take(ring), take(ring), take(ring)),
        ],
        check: (end) => {
          const [sent = [], taken = []] = end.results;
          const accepted = sent.reduce((n, result) => n + (result === CLOSED ? 0 : result), 0);
          const ended = taken.includes(CLOSED);
          const left = end.audit.packets.filter(({ owner }) => owner === "ring 0").length;
          return first(
            inOrder(end, h, 1, accepted),
            ended && left !== 0 && `the ring had ended, and has ${left} packets`,
          );
        },
      };
    },
  },
  {
    name: "ring: a third thread closes",
    threads: 3,
    setup: (cores) => {
      const ring = ringOf(cores, 2);
      const h = [1, 2].map(() => packet(coreOf(cores, 1)));
      return {
        programs: [
          sequence(put(ring, h[0] as number), put(ring, h[1] as number)),
          repeat(3, take(ring)),
          sequence(close(ring)),
        ],
        check: (end) => {
          const sent = end.results[0] as number[];
          return inOrder(end, h, 1, sent.filter((n) => n === 1).length);
        },
      };
    },
    quick: 4,
  },
  {
    name: "ring: two want to be the producer",
    threads: 2,
    setup: (cores) => {
      const ring = ringOf(cores, 2);
      const h = cores.map((core) => packet(core));
      return {
        programs: cores.map((_, i) => sequence(put(ring, h[i] as number))),
        check: (end) => {
          const got = end.results.map(([result]) => result).sort();
          return got[0] === 1 && got[1] === ROLE ? null : `both were told ${got.join(", ")}`;
        },
      };
    },
  },
  {
    name: "ring: the producer's end changes hands",
    threads: 3,
    setup: (cores) => {
      const ring = ringOf(cores, 4);
      const h = cores.map((core) => packet(core));
      return {
        programs: [
          sequence(put(ring, h[0] as number), (core) => {
            core.leaveRing(ring, PRODUCES | CONSUMES);
            return 0;
          }),
          (results) => (results.length < 2 && !results.includes(1) ? put(ring, h[1] as number) : null),
          repeat(2, take(ring)),
        ],
        check: (end) => {
          const accepted = end.results.slice(0, 2).filter((results) => results.includes(1)).length;
          const got = handlesIn(end.results[2] as number[]).length;
          const left = end.audit.packets.filter(({ owner }) => owner === "ring 0").length;
          return got + left === accepted ? null : `${accepted} went in, ${got} came out, ${left} are left`;
        },
      };
    },
    quick: 3,
    full: 8,
  },
  {
    name: "ring: both leave, one wants to join",
    threads: 3,
    arena: { exchange: 8 },
    setup: (cores) => {
      const [one, two] = [coreOf(cores, 1), coreOf(cores, 2)];
      const ring = one.createRing(2);
      const [index, generation] = [one.ringIndex(ring), one.ringGeneration(ring)];
      two.joinRing(index, generation);
      one.enqueueBurst(ring, one.scratch(), pass(one, [packet(one)]));
      const leave: Operation = (core) => {
        core.leaveRing(ring, PRODUCES | CONSUMES);
        return 1;
      };
      return {
        programs: [
          sequence(leave),
          sequence(leave),
          (results) => {
            if (results.length === 0) return (core) => core.joinRing(index, generation);
            return results.length === 1 && (results[0] as number) >= 64 ? leave : null;
          },
        ],
        check: (end) =>
          first(
            end.audit.packets.length !== 0 && "the packet in the ring was not released",
            end.audit.ringPages !== 0 && "the ring's slots were not freed",
          ),
      };
    },
    quick: 4,
  },
  {
    name: "ring: two are made at once, one is given up",
    threads: 2,
    arena: { rings: 2, exchange: 2, pages: 24 },
    setup: () => {
      const make: Operation = (core) => core.createRing(1);
      const drop: Operation = (core, results) => {
        core.leaveRing(results[0] as number, PRODUCES | CONSUMES);
        return 0;
      };
      return {
        programs: [sequence(make, drop, make), sequence(make)],
        check: (end) => {
          const [a = [], b = []] = end.results;
          return a[2] !== b[0] && end.audit.ringPages === 2 ? null : "two rings are one";
        },
      };
    },
  },
  {
    name: "ring: a scatter over two, one is drained, one closed",
    threads: 3,
    arena: { rings: 2 },
    setup: (cores) => {
      const one = coreOf(cores, 1);
      const rings = [one.createRing(1), one.createRing(1)];
      for (const core of cores.slice(1))
        for (const ring of rings) core.joinRing(one.ringIndex(ring), one.ringGeneration(ring));
      const h = [1, 2, 3].map(() => packet(one));
      one.setTarget(0, rings[0] as number);
      one.setTarget(1, rings[1] as number);
      const scatter: Operation = (core) => core.scatter(pass(core, h), 2, 0);
      return {
        programs: [
          sequence(scatter),
          repeat(2, take(rings[0] as number)),
          sequence(close(rings[1] as number), take(rings[1] as number)),
        ],
        check: (end) => {
          const [result = 0] = end.results[0] as number[];
          const accepted = result === CLOSED ? 0 : result;
          const got =
            handlesIn(end.results[1] as number[]).length + handlesIn(end.results[2] as number[]).length;
          const kept = end.audit.packets.filter(({ owner }) => owner === "thread 1").length;
          const left = end.audit.packets.filter(({ owner }) => owner.startsWith("ring")).length;
          return first(
            got + left !== accepted && `${accepted} taken, ${got} came out and ${left} are left`,
            kept !== 3 - accepted && `${kept} kept of 3, ${accepted} taken`,
          );
        },
      };
    },
    quick: 3,
    full: 8,
  },
];
