// Runs one case for the page that asks.

import { SUBJECTS } from "../micro/ops.mjs";
import { timesOf } from "../micro/times.mjs";

async function run({ what, id, n, ops, sizes, quick }) {
  if (what === "micro") {
    const { make } = await import("../micro/engine.mjs");
    const subject = SUBJECTS.find((one) => one.id === id);
    return timesOf(await make(subject), { ops, sizes, quick });
  }
  // Beside this file, not in it: it starts itself as its other thread.
  const { run: hop } = await import(new URL(`${what}.mjs`, import.meta.url).href);
  return (await hop(id, n)).ns;
}

addEventListener("message", async ({ data }) => {
  if (data.what === undefined) return;
  try {
    postMessage({ value: await run(data) });
  } catch (error) {
    postMessage({ error: `${error}\n${error.stack}` });
  }
});
