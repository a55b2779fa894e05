// Pages: the counts of those that two threads' packets point into, the bitmap, and runs against single pages.

import { CLASS_PAGE, KIND_FRAG, LINK_PAGE } from "../../../assembly/layout.js";
import type { Core } from "../bundle.js";
import { type Program, type Scenario, sequence } from "../scenario.js";
import { completedOnce, coreOf, hand, packet, release, warm } from "./kit.js";

const takeRun = (n: number) => (core: Core) =>
  n === 1 ? core.pages.takePage(KIND_FRAG) : core.pages.takeRun(n, KIND_FRAG);
const put = (nth: number) => (core: Core, results: readonly number[]) => {
  const entry = results[nth] as number;
  if (entry !== 0) core.pages.putPage(entry);
  return 0;
};
const flush = (core: Core): number => {
  core.magazines.flush(CLASS_PAGE, LINK_PAGE);
  return 0;
};
const drain = (core: Core): number => {
  core.pages.drainPages();
  return 0;
};

/** Two packets, one for each of two threads, that share a page frag but no head. */
function shared(cores: readonly Core[]): [number, number] {
  const one = coreOf(cores, 1);
  for (const core of cores) warm(core, 3);
  const h = packet(one);
  one.addPageFrag(h, 8);
  return [h, hand(one, one.copyHead(h), 2)];
}

function counts(name: string, mine: (h: number) => Program, other: (h: number) => Program): Scenario {
  return {
    name: `pages: one frag, two heads: ${name}`,
    threads: 2,
    arena: { pages: 8, exchange: 2 },
    setup: (cores) => {
      const [h, twin] = shared(cores);
      return { programs: [mine(h), other(twin)], check: (end) => completedOnce(end, 0, []) };
    },
  };
}

const unclone = (h: number): Program => sequence((core) => core.unclone(h), release(h));
const copyHead = (h: number): Program =>
  sequence(
    (core) => core.copyHead(h),
    release(h),
    (core, [twin]) => core.release(twin as number, 0),
  );

const extract = (h: number): Program =>
  sequence(
    (core) => core.extract(h, 2, 5, 0),
    release(h),
    (core, [part]) => core.release(part as number, 0),
  );

function claim(name: string, pages: number, programs: readonly Program[], quick?: number): Scenario {
  return {
    name: `pages: ${name}`,
    threads: programs.length,
    arena: { pages },
    setup: () => ({ programs }),
    ...(quick === undefined ? {} : { quick }),
  };
}

const single = sequence(takeRun(1), put(0), drain);
const run = sequence(takeRun(2), put(0));

export const pages: readonly Scenario[] = [
  counts(
    "release, release",
    (h) => sequence(release(h)),
    (h) => sequence(release(h)),
  ),
  counts("unclone, release", unclone, (h) => sequence(release(h))),
  counts("unclone, unclone", unclone, unclone),
  counts("copyHead, release", copyHead, (h) => sequence(release(h))),
  counts("copyHead, unclone", copyHead, unclone),
  counts("copyHead, copyHead", copyHead, copyHead),
  counts("extract, release", extract, (h) => sequence(release(h))),
  counts("extract, unclone", extract, unclone),
  counts("extract, extract", extract, extract),
  claim("single pages of one word", 4, [single, single]),
  claim("a run against a single page", 2, [run, single]),
  claim("two runs", 3, [run, run]),
  claim(
    "runs over two words",
    34,
    [sequence(takeRun(33), put(0)), sequence(takeRun(33), put(0), takeRun(1), put(2))],
    3,
  ),
  claim("through the depot", 2, [
    sequence(takeRun(1), put(0), flush),
    sequence(takeRun(1), put(0), flush, takeRun(1), put(3)),
  ]),
  claim("a run against two single pages", 3, [run, single, single], 3),
];
