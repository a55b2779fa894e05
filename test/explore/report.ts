// Results as text.

import type { Mistake } from "./bundle.js";
import { replay } from "./replay.js";
import type { Scenario } from "./scenario.js";
import { scheduleText } from "./schedule.js";
import type { Found, Result } from "./search.js";

/** Everything about a failure: what, on which steps, and how to see it again. */
export async function failureText(
  scenario: Scenario,
  { failure, schedule }: Found,
  mistake: Mistake | readonly Mistake[] = [],
): Promise<string> {
  const { lines } = await replay(scenario, schedule, { mistake });
  const again = `npm run explore -- --scenario "${scenario.name}" --replay ${scheduleText(schedule)}`;
  return [`${scenario.name}: ${failure.kind}: ${failure.message}`, ...lines, again].join("\n");
}

export function count(n: number): string {
  return n < 1e7 ? n.toLocaleString("en") : n.toExponential(2).replace("e+", "e");
}

/** One line of figures. */
export function resultText(scenario: Scenario, result: Result, bound: number | undefined): string {
  const { states, steps, schedules, ends, seconds, complete, found } = result;
  const columns = [
    scenario.name.padEnd(44),
    `${scenario.threads} threads`,
    `${count(states).padStart(10)} states`,
    `${count(schedules).padStart(10)} schedules`,
    `${count(ends).padStart(7)} ends`,
    bound === undefined ? "all  " : `≤ ${bound}  `,
    `${seconds.toFixed(2).padStart(7)} s`,
    `${count(Math.round(steps / seconds / 1000)).padStart(6)}k steps/s`,
  ];
  const outcome = found !== null ? found.failure.kind.toUpperCase() : complete ? "" : "UNFINISHED";
  return `${columns.join(" ")} ${outcome}`.trimEnd();
}
