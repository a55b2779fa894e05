// The full set, or one scenario, or one schedule of it, from the command line.

import { parseArgs } from "node:util";
import { replay } from "./replay.js";
import { failureText, resultText } from "./report.js";
import type { Scenario } from "./scenario.js";
import { SCENARIOS } from "./scenarios/index.js";
import { parseSchedule } from "./schedule.js";
import { explore } from "./search.js";

const { values } = parseArgs({
  options: {
    scenario: { type: "string" },
    replay: { type: "string" },
    bound: { type: "string" },
    quick: { type: "boolean", default: false },
    all: { type: "boolean", default: false },
    most: { type: "string" },
  },
});

async function again(scenario: Scenario, schedule: string): Promise<boolean> {
  const { failure, lines } = await replay(scenario, parseSchedule(schedule), { all: values.all });
  console.log(lines.join("\n"));
  console.log(failure === null ? "nothing wrong" : `${failure.kind}: ${failure.message}`);
  return failure === null;
}

async function run(scenario: Scenario): Promise<boolean> {
  if (values.replay !== undefined) return again(scenario, values.replay);
  const own = values.quick ? scenario.quick : scenario.full;
  const bound = values.bound === undefined ? own : Number(values.bound);
  const result = await explore(scenario, { bound, most: Number(values.most ?? 2e7) });
  console.log(resultText(scenario, result, bound));
  if (result.found !== null) console.log(await failureText(scenario, result.found));
  return result.found === null && result.complete;
}

const exact = SCENARIOS.filter(({ name }) => name === values.scenario);
const similar = SCENARIOS.filter(
  ({ name, slow }) => name.includes(values.scenario ?? "") && !(values.quick && slow === true),
);
const chosen = exact.length > 0 ? exact : similar;
if (chosen.length === 0) throw new Error(`no scenario is called ${values.scenario}`);
let good = true;
for (const scenario of chosen) good = (await run(scenario)) && good;
process.exitCode = good ? 0 : 1;
