// The explorer itself: that it sees what it should on programs whose answer is known, and overlooks nothing when it
// leaves orders out.

import { expect, it } from "vitest";
import type { Core } from "./bundle.js";
import { type Operation, type Program, type Scenario, sequence } from "./scenario.js";
import { SCENARIOS } from "./scenarios/index.js";
import { scheduleText } from "./schedule.js";
import { explore } from "./search.js";

// Two words of the header that nothing uses.
const FLAG = 4096 + 3000;
const DATA = 4096 + 3004;

const act =
  (run: (memory: Core["memory"]) => void): Operation =>
  ({ memory }) => {
    run(memory);
    return 0;
  };
const post = act((memory) => memory.atomicStore32(FLAG, 1));
const notify = act((memory) => memory.notify(FLAG));
const sleep: Operation = ({ memory }) => memory.sleep(FLAG, 0);
const spin = act((memory) => memory.spinWhile(FLAG, 0));
const write = act((memory) => memory.store32(DATA, 7));
const read: Operation = ({ memory }) => memory.load32(DATA);

function scenario(...programs: readonly Program[]): Scenario {
  return { name: "test", threads: programs.length, setup: () => ({ programs }) };
}

async function kind(...programs: readonly Program[]): Promise<string | undefined> {
  return (await explore(scenario(...programs))).found?.failure.kind;
}

it("a sleeper is woken", async () => {
  expect(await kind(sequence(sleep), sequence(post, notify))).toBe(undefined);
  expect(await kind(sequence(sleep), sequence(sleep), sequence(post, notify))).toBe(undefined);
});

it("a wake-up that comes before its reason is lost", async () => {
  expect(await kind(sequence(sleep), sequence(notify, post))).toBe("deadlock");
});

it("a spinner has no turn before its word changes", async () => {
  expect(await kind(sequence(spin), sequence(post))).toBe(undefined);
  expect(await kind(sequence(spin), sequence(notify))).toBe("deadlock");
});

it("plain accesses race, unless something comes between them", async () => {
  expect(await kind(sequence(read), sequence(write))).toBe("race");
  expect(await kind(sequence(write), sequence(write))).toBe("race");
  expect(await kind(sequence(read), sequence(read))).toBe(undefined);
  expect(await kind(sequence(spin, read), sequence(write, post))).toBe(undefined);
  expect(await kind(sequence(spin, read), sequence(post, write))).toBe("race");
});

it("counts every order of two independent steps that meet", async () => {
  const add: Operation = ({ memory }) => memory.atomicAdd32(FLAG, 1);
  const { schedules, ends } = await explore(scenario(sequence(add, add), sequence(add, add)));
  expect(schedules).toBe(6);
  // Which of the four values each thread saw differs in all of them.
  expect(ends).toBe(6);
});

it("finds what needs a preemption only when it may preempt", async () => {
  const increment = act((memory) => memory.atomicStore32(FLAG, memory.atomicLoad32(FLAG) + 1));
  const lost: Scenario = {
    ...scenario(),
    threads: 2,
    setup: () => ({
      programs: [sequence(increment), sequence(increment)],
      check: (end) => (end.word(FLAG) === 2 ? null : `${end.word(FLAG)}`),
    }),
  };
  expect((await explore(lost, { bound: 0 })).found).toBeNull();
  const { found } = await explore(lost, { bound: 1 });
  expect(found?.failure.kind).toBe("check");
  expect(scheduleText(found?.schedule ?? [])).toMatch(/^(1x1\.2x2\.1x1|2x1\.1x2\.2x1)$/);
});

// With every access a step of its own, the search is the plain one, and has to come to the same ends.
const SMALL = [
  "magazine: chains",
  "pages: two runs",
  "pages: one frag, two heads: unclone, unclone",
  "slabs: drained by one, taken by the other",
  "heads: one head: clone, release",
  "heads: one head: release, unclone",
  "completion: one pushes two, the owner takes twice",
];
for (const name of SMALL) {
  it(`leaves out nothing that matters: ${name}`, async () => {
    const small = SCENARIOS.find((one) => one.name === name) as Scenario;
    const [some, all] = [await explore(small), await explore(small, { reduce: false })];
    expect(all.found).toBeNull();
    expect(all.complete).toBe(true);
    expect(some.ends).toBe(all.ends);
    expect(some.states).toBeLessThan(all.states);
  });
}
