// Sleeping and waking: nobody sleeps for ever while there is something to wake up for.

import { ASLEEP, BURST_FAILED } from "../../../assembly/layout.js";
import type { Core } from "../bundle.js";
import { first, type Operation, type Program, type Scenario, sequence } from "../scenario.js";
import { coreOf, lent, packet, release } from "./kit.js";
import { pass, put, ringOf, take } from "./rings.js";

/** What a blocking wait does: sleeps until one of the (ring, room) pairs is ready, or a completion came. */
const sleep = (core: Core, pairs: readonly number[], completions = 0): number => {
  const word = core.park(pass(core, pairs) / 2, completions);
  if (word === 0) return 0;
  core.memory.sleep(word, ASLEEP);
  core.unpark();
  return 1;
};

const isHandle = (n: number): boolean => n >= 64 && n < BURST_FAILED;
const handles = (results: readonly number[]): number => results.filter(isHandle).length;

/** Takes `n` packets out of any of the rings, and sleeps while there are none, or until it is closed. */
function consumer(n: number, ...from: readonly number[]): Program {
  const pairs = from.flatMap((ring) => [ring, 0]);
  const each: Operation = (core) => {
    for (const ring of from) {
      const result = take(ring)(core, []);
      if (result !== 0) return result;
    }
    sleep(core, pairs);
    return 0;
  };
  return (results) => (handles(results) < n && !results.some((r) => r >= BURST_FAILED) ? each : null);
}

/** Puts packets into the ring one by one, and sleeps while it is full. */
function producer(ring: number, packets: readonly number[]): Program {
  const next =
    (handle: number): Operation =>
    (core) => {
      if (put(ring, handle)(core, []) === 1) return 1;
      sleep(core, [ring, 1]);
      return 0;
    };
  return (results) => {
    const handle = packets[results.filter((n) => n === 1).length];
    return handle === undefined ? null : next(handle);
  };
}

const allGone =
  (n: number, taker: number) =>
  ({ results }: { results: readonly (readonly number[])[] }) =>
    handles(results[taker] as number[]) === n ? null : `took ${handles(results[taker] as number[])} of ${n}`;

export const parking: readonly Scenario[] = [
  {
    name: "parking: the consumer sleeps until a packet comes",
    threads: 2,
    setup: (cores) => {
      const ring = ringOf(cores, 2);
      const h = packet(coreOf(cores, 1));
      return { programs: [sequence(put(ring, h)), consumer(1, ring)], check: allGone(1, 1) };
    },
  },
  {
    name: "parking: it sleeps again for the second",
    threads: 2,
    setup: (cores) => {
      const ring = ringOf(cores, 2);
      const h = [1, 2].map(() => packet(coreOf(cores, 1)));
      const programs = [sequence(put(ring, h[0] as number), put(ring, h[1] as number)), consumer(2, ring)];
      return { programs, check: allGone(2, 1) };
    },
    quick: 4,
  },
  {
    name: "parking: one slot, both sides sleep",
    threads: 2,
    setup: (cores) => {
      const ring = ringOf(cores, 1);
      const h = [1, 2, 3].map(() => packet(coreOf(cores, 1)));
      return { programs: [producer(ring, h), consumer(3, ring)], check: allGone(3, 1) };
    },
    quick: 3,
    full: 6,
  },
  {
    name: "parking: a sleeping consumer learns that the ring is closed",
    threads: 3,
    setup: (cores) => {
      const ring = ringOf(cores, 2);
      const h = packet(coreOf(cores, 1));
      return {
        programs: [sequence(put(ring, h)), consumer(2, ring), sequence((core) => core.closeRing(ring))],
      };
    },
    quick: 3,
    full: 8,
  },
  {
    name: "parking: a sleeping producer learns that the ring is closed",
    threads: 2,
    setup: (cores) => {
      const ring = ringOf(cores, 1);
      const h = [1, 2].map(() => packet(coreOf(cores, 1)));
      const each: Operation = (core) => {
        const result = put(ring, h[1] as number)(core, []);
        if (result === 0) sleep(core, [ring, 1]);
        return result;
      };
      return {
        programs: [
          (results) => {
            if (results.length === 0) return put(ring, h[0] as number);
            return results.some((n) => n >= BURST_FAILED) ? null : each;
          },
          sequence((core) => core.closeRing(ring)),
        ],
      };
    },
  },
  {
    name: "parking: one consumer of two rings",
    threads: 3,
    arena: { rings: 2 },
    setup: (cores) => {
      const one = coreOf(cores, 1);
      const rings = [one.createRing(1), one.createRing(1)] as const;
      for (const core of cores.slice(1))
        for (const ring of rings) core.joinRing(one.ringIndex(ring), one.ringGeneration(ring));
      const [a, b] = [packet(one), packet(coreOf(cores, 2))];
      const programs = [sequence(put(rings[0], a)), sequence(put(rings[1], b)), consumer(2, ...rings)];
      return { programs, check: allGone(2, 2) };
    },
    quick: 3,
    full: 8,
  },
  {
    name: "parking: the owner sleeps until its ubuf completes",
    threads: 2,
    setup: (cores) => {
      const [one, two] = [coreOf(cores, 1), coreOf(cores, 2)];
      const [h = 0] = lent(one, 1, "copy");
      two.memory.store32(two.skbAddress(h) + 4, 2);
      const each: Operation = (core) => {
        const ubuf = core.takeCompletion();
        if (ubuf === 0) sleep(core, [], 1);
        else core.finishUbuf(ubuf);
        return ubuf;
      };
      return {
        programs: [(results) => (results.some((n) => n !== 0) ? null : each), sequence(release(h))],
        check: (end) =>
          first(
            end.audit.ubufs !== 0 && "the ubuf is left",
            end.audit.packets.length !== 0 && "the packet is left",
          ),
      };
    },
  },
  {
    name: "parking: a packet or a completion, whatever comes",
    threads: 3,
    setup: (cores) => {
      const [one, two, three] = [coreOf(cores, 1), coreOf(cores, 2), coreOf(cores, 3)];
      const ring = ringOf(cores, 1);
      const [h = 0] = lent(one, 1, "copy");
      two.memory.store32(two.skbAddress(h) + 4, 2);
      const p = packet(three);
      const each: Operation = (core) => {
        const handle = take(ring)(core, []);
        if (handle !== 0) return handle;
        const ubuf = core.takeCompletion();
        if (ubuf === 0) sleep(core, [ring, 0], 1);
        else core.finishUbuf(ubuf);
        return ubuf === 0 ? 0 : 1;
      };
      return {
        programs: [
          (results) => (results.includes(1) && results.some(isHandle) ? null : each),
          sequence(release(h)),
          sequence(put(ring, p)),
        ],
      };
    },
    quick: 3,
    full: 6,
  },
];
