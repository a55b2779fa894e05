// One case in a process of its own: main thread and workers, JSON on stdout, with how far apart the cores were before and after.
// `node case.mjs <kind> <id> <n>`

import { distance } from "./distance.mjs";

const [kind, id, n] = process.argv.slice(2);
const { run } = await import(`./${kind}.mjs`);
const before = await distance();
const figures = await run(id, Number(n));
console.log(JSON.stringify({ ...figures, trips: [before, await distance()] }));
process.exit(0);
