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

let start;

function sample() {
  return { cpu: process.cpuUsage(), time: performance.now(), units: meter.units };
}

function begin() {
  start = sample();
}

/** What was used since `begin`. CPU time of all threads of the process, in nanoseconds. */
function end() {
  const { cpu, time, units } = sample();
  return {
    cpu: (cpu.user - start.cpu.user + cpu.system - start.cpu.system) * 1000,
    system: (cpu.system - start.cpu.system) * 1000,
    ms: time - start.time,
    units: units - start.units,
    memory: peak(),
  };
}

/** Bytes of memory that the process had at most. */
function peak() {
  try {
    const [, kib] = /^VmHWM:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"));
    return Number(kib) * 1024;
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}

/** Says that the program can be given traffic, and what that has to know: a port, say. */
export function ready(info = {}) {
  process.send?.({ type: "ready", info });
}

/** What `before` uses is not counted. */
function without(before) {
  const from = sample();
  before();
  const to = sample();
  start.cpu.user += to.cpu.user - from.cpu.user;
  start.cpu.system += to.cpu.system - from.cpu.system;
  start.time += to.time - from.time;
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
  begin();
  do {
    without(before);
    meter.units += (await run()).units;
  } while (performance.now() - start.time < times.ms);
  process.send({ type: "ended", report: end() });
}

process.on("message", ({ type }) => {
  if (type === "begin") {
    begin();
    process.send({ type: "began" });
  } else if (type === "end") process.send({ type: "ended", report: end() });
  else if (type === "stop") {
    // Nothing but the program keeps the process from ending.
    process.disconnect();
    stop();
  }
});
