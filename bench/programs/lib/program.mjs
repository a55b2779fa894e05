// What a program has of the harness: it says when it is ready, counts what came out, and hears when it is to end. It is measured
// from outside: CPU time and memory are those of its whole process.

import { readFileSync } from "node:fs";

/** What the case says to its programs. */
export const options = JSON.parse(process.argv[2] ?? "{}");

/** Units that came out, counted by the program. */
export const meter = { units: 0 };

let stop;
/** Resolves when the program is to give everything back, and end. */
export const stopped = new Promise((resolve) => {
  stop = resolve;
});

/** Of a process: bytes of memory that it had at most. NaN where the system does not tell. */
export function peakOf(pid) {
  try {
    const [, kib] = /^VmHWM:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return Number(kib) * 1024;
  } catch {
    return Number.NaN;
  }
}

/** Of a process: nanoseconds of CPU of its first thread. NaN where the system does not tell. */
export function mainOf(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ")[0]);
  } catch {
    return Number.NaN;
  }
}

/**
 * What was used so far: CPU time of all threads in nanoseconds, of it the system's and the first thread's, bytes of memory at
 * most; when that was; and units that came out.
 */
function own() {
  const { user, system } = process.cpuUsage();
  const peak = peakOf("self");
  return {
    cpu: (user + system) * 1000,
    system: system * 1000,
    main: mainOf(process.pid),
    memory: Number.isNaN(peak) ? process.resourceUsage().maxRSS * 1024 : peak,
    time: performance.now(),
    units: meter.units,
  };
}

let sample = own;
/** Of a program whose work is done by another process: `other` returns the same as `own`, or a promise of it. */
export function measureBy(other) {
  sample = other;
}

let start;

async function begin() {
  start = await sample();
}

/** What was used since `begin`. */
async function end() {
  const to = await sample();
  const { cpu, system, main, time, units } = start;
  return {
    cpu: to.cpu - cpu,
    system: to.system - system,
    main: to.main - main,
    ms: to.time - time,
    units: to.units - units,
    memory: to.memory,
  };
}

/** Says that the program can be given traffic, and what that has to know: a port, say. */
export function ready(info = {}) {
  process.send?.({ type: "ready", info });
}

/** What `before` uses is not counted. */
async function without(before) {
  const from = await sample();
  before();
  const to = await sample();
  for (const name of ["cpu", "system", "main", "time"]) start[name] += to[name] - from[name];
}

/**
 * For programs without traffic. `run` does the work once, and returns how many `units` that was, and a `digest` of what came
 * out. It is run until `warmUp` milliseconds of CPU time were used, then measured for at least `ms`; or once, if it is only to be
 * looked what comes out. `before` is called before each time, and what it uses is not measured.
 */
export async function work(run, before = () => {}) {
  const { times, check } = options;
  if (check) {
    before();
    const { units, digest } = await run();
    process.send({ type: "checked", report: { sent: units, came: units, digests: [digest] } });
    return;
  }
  const used = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  const cold = used();
  do {
    before();
    await run();
  } while (used() - cold < times.warmUp);
  await begin();
  do {
    await without(before);
    meter.units += (await run()).units;
  } while (performance.now() - start.time < times.ms);
  process.send({ type: "ended", report: await end() });
}

process.on("message", async ({ type }) => {
  if (type === "begin") {
    await begin();
    process.send({ type: "began" });
  } else if (type === "end") process.send({ type: "ended", report: await end() });
  else if (type === "stop") {
    // Nothing but the program keeps the process from ending.
    process.disconnect();
    stop();
  }
});
