// Every scenario that is quick to explore, and every mistake that the explorer is to find.

import { describe, expect, it } from "vitest";
import { coreWith } from "./bundle.js";
import { BLUNDERS } from "./mistakes.js";
import { replay } from "./replay.js";
import { failureText } from "./report.js";
import { SCENARIOS } from "./scenarios/index.js";
import { parseSchedule, scheduleText } from "./schedule.js";
import { explore } from "./search.js";

function scenarioOf(name: string): (typeof SCENARIOS)[number] {
  const scenario = SCENARIOS.find((one) => one.name === name);
  if (scenario === undefined) throw new Error(`no scenario is called ${name}`);
  return scenario;
}

describe("every schedule ends well", () => {
  for (const scenario of SCENARIOS.filter(({ slow }) => slow !== true)) {
    it(scenario.name, async () => {
      const result = await explore(scenario, { bound: scenario.quick });
      expect(result.found === null ? "" : await failureText(scenario, result.found)).toBe("");
      expect(result.complete).toBe(true);
      expect(result.schedules).toBeGreaterThan(1);
    });
  }
});

describe("the explorer finds", () => {
  for (const { name, scenario: title, mistake } of BLUNDERS) {
    it(name, async () => {
      const scenario = scenarioOf(title);
      const { found } = await explore(scenario, { mistake, bound: scenario.quick });
      expect(found).not.toBeNull();
      if (found === null) return;
      // What it found stands by itself: the schedule alone leads there again.
      const schedule = parseSchedule(scheduleText(found.schedule));
      const { failure } = await replay(scenario, schedule, { mistake });
      expect(failure).not.toBeNull();
    });
  }
});

it("has a name for each scenario", () => {
  expect(new Set(SCENARIOS.map(({ name }) => name)).size).toBe(SCENARIOS.length);
});

it("looks at a core with assertions", async () => {
  const { ringState } = (await coreWith())();
  expect(() => ringState(1)).toThrow("the address is a ring's");
});
