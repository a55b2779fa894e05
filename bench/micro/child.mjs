// Measures one subject, in a process of its own: with two engines in one process, each would run in code that the
// JS compiler had made for both.

import { SIZES, SUBJECTS } from "./ops.mjs";
import { timesOf } from "./times.mjs";

async function main({ id, ops, quick }) {
  const subject = SUBJECTS.find((one) => one.id === id);
  const { make } = await import(`./${subject.engine ? "engine" : id}.mjs`);
  const times = await timesOf(await make(subject), { ops, sizes: SIZES, quick });
  process.send(times, () => process.disconnect());
}

process.once("message", main);
