// Heads that two threads' packets share, with a frag that a user lent: every pair of operations that meet there.

import type { Core } from "../bundle.js";
import { type Program, type Scenario, sequence } from "../scenario.js";
import { complete, completedOnce, coreOf, hand, lent, packet, release, releaseOf, warm } from "./kit.js";

/** What a thread does with its packet before it releases it. All return what is to be released as well. */
const ACTIONS = {
  release: null,
  clone: (core: Core, h: number) => core.clone(h),
  copyHead: (core: Core, h: number) => core.copyHead(h),
  copy: (core: Core, h: number) => core.copySkb(h),
  unclone: (core: Core, h: number) => core.unclone(h),
  expandHead: (core: Core, h: number) => core.expandHead(h, 0, 0),
  copyUbufs: (core: Core, h: number) => core.copyUbufs(h),
  trim: (core: Core, h: number) => core.trim(h, 4),
  // From the last byte of the head on: some of what is lent, whatever that is.
  extract: (core: Core, h: number) => core.extract(h, 1, core.length(h) - 1, 0),
} as const;
type Action = keyof typeof ACTIONS;

function program(action: Action, handle: number, completes: boolean): Program {
  const act = ACTIONS[action];
  const end = completes ? [release(handle), complete] : [release(handle)];
  if (act === null) return sequence(...end);
  return sequence((core) => act(core, handle), releaseOf(0), ...end);
}

function warmAll(cores: readonly Core[]): void {
  for (const core of cores) warm(core, 3);
}

function meet(x: Action, y: Action, how: "clones" | "heads" | "copies", slow: boolean): Scenario {
  const what = { clones: "one head", heads: "two heads of a packet", copies: "one ubuf, copied when shared" };
  return {
    name: `heads: ${what[how]}: ${x}, ${y}`,
    threads: 2,
    arena: { pages: 12, exchange: 2 },
    slow,
    setup: (cores) => {
      const one = coreOf(cores, 1);
      warmAll(cores);
      const [mine, other] = lent(one, how === "copies" ? 2 : 1, how === "copies" ? "copy" : "refcount");
      const h = mine as number;
      const twin = how === "copies" ? (other as number) : how === "clones" ? one.clone(h) : one.copyHead(h);
      hand(one, twin, 2);
      return {
        programs: [program(x, h, true), program(y, twin, false)],
        check: (end) => completedOnce(end, 1, end.results[0]?.slice(-1) ?? []),
      };
    },
  };
}

function pairs(how: "clones" | "heads" | "copies", quick: readonly string[]): Scenario[] {
  const actions = Object.keys(ACTIONS) as Action[];
  return actions.flatMap((x) => actions.map((y) => meet(x, y, how, !quick.includes(`${x} ${y}`))));
}

const QUICK = [
  "release release",
  "release unclone",
  "clone release",
  "unclone unclone",
  "copyUbufs clone",
  "copyUbufs release",
  "copyUbufs copyUbufs",
];

const LISTS: readonly (readonly [Action, Action])[] = [
  ["release", "release"],
  ["release", "unclone"],
  ["clone", "release"],
  ["copyHead", "release"],
  ["copyHead", "copyHead"],
  ["unclone", "copyHead"],
  ["unclone", "unclone"],
];

export const heads: readonly Scenario[] = [
  ...pairs("clones", QUICK),
  ...pairs("heads", ["release copyUbufs", "copyUbufs copyUbufs"]),
  ...pairs("copies", ["release clone", "clone copyUbufs"]),
  {
    name: "heads: three clones released",
    threads: 3,
    arena: { pages: 12, exchange: 2 },
    setup: (cores) => {
      const one = coreOf(cores, 1);
      warmAll(cores);
      const h = lent(one, 1, "refcount")[0] as number;
      const [two, three] = [hand(one, one.clone(h), 2), hand(one, one.clone(h), 3)];
      return {
        programs: [sequence(release(h), complete), sequence(release(two)), sequence(release(three))],
        check: (end) => completedOnce(end, 1, end.results[0]?.slice(-1) ?? []),
      };
    },
    quick: 2,
  },
  {
    name: "heads: three clones, one of them cloned, one its own",
    threads: 3,
    arena: { pages: 12, exchange: 2 },
    setup: (cores) => {
      const one = coreOf(cores, 1);
      warmAll(cores);
      const h = lent(one, 1, "refcount")[0] as number;
      const [two, three] = [hand(one, one.clone(h), 2), hand(one, one.clone(h), 3)];
      return {
        programs: [
          program("unclone", h, true),
          program("clone", two, false),
          program("copyUbufs", three, false),
        ],
        check: (end) => completedOnce(end, 1, end.results[0]?.slice(-1) ?? []),
      };
    },
    slow: true,
    full: 3,
  },
  ...LISTS.map(
    ([x, y]): Scenario => ({
      name: `heads: two clones with a frag list: ${x}, ${y}`,
      threads: 2,
      arena: { pages: 12, exchange: 2 },
      setup: (cores) => {
        const one = coreOf(cores, 1);
        warmAll(cores);
        const h = packet(one);
        one.addFragList(h, packet(one));
        const twin = hand(one, one.clone(h), 2);
        return {
          programs: [program(x, h, false), program(y, twin, false)],
          check: (end) => completedOnce(end, 0, []),
        };
      },
    }),
  ),
];
