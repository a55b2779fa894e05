// One case in a process of its own: main thread and workers, JSON on stdout. `node case.mjs <kind> <id> <n>`

const [kind, id, n] = process.argv.slice(2);
const { run } = await import(`./${kind}.mjs`);
console.log(JSON.stringify(await run(id, Number(n))));
process.exit(0);
