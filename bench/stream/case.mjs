// One case in a process of its own: main thread and a worker for each role, JSON on stdout. `node case.mjs <case as JSON>`

import { setTimeout as sleep } from "node:timers/promises";
import { start } from "../hop/thread.mjs";
import { withFile } from "./file.mjs";
import { CHECKED_EVERY } from "./message.mjs";
import { Phases } from "./meter.mjs";
import { Peer } from "./peers.mjs";
import { pathOf, windowOf } from "./plan.mjs";
import { verify } from "./verify.mjs";
import { portsOf, throughEngine, throughPosts } from "./wiring.mjs";

const WORKER = new URL("./worker.mjs", import.meta.url);

/** What the peer is, and whether it is there before the device; null if there is none. */
function peerOf({ mode, device, size, dirty, file }) {
  if (mode === "rr") return { first: true, spec: { kind: "echo" } };
  if (mode === "maerts") return { first: true, spec: { kind: "source", size } };
  if (device === "udp") return { first: true, spec: { kind: "udp", size } };
  if (device !== "tcp") return null;
  // Messages that are not written are all the same.
  const wrap = dirty ? undefined : (file?.messages ?? 1);
  return { first: false, spec: { kind: "sink", size, dirty, every: CHECKED_EVERY, wrap } };
}

/** Starts the roles, and the peer as soon as there is something that it can connect to. */
async function startAll(roles, wanted, early) {
  const threads = {};
  let peer = early;
  for (const [name, role] of Object.entries(roles)) {
    const thread = await start(WORKER, role, portsOf(role));
    threads[name] = { found: thread.next() };
    // Until somebody waits for it, a failure is nobody's.
    threads[name].found.catch(() => {});
    if (name === "device" && wanted?.first === false)
      peer = new Peer({ ...wanted.spec, port: thread.said.port });
  }
  return { threads, peer };
}

/** CPU time of the process, in nanoseconds. */
function cpuOf({ user, system }) {
  return (user + system) * 1000;
}

async function run(given) {
  const path = pathOf(given.path);
  const phases = new Phases();
  const shared = {
    ...given,
    path,
    phase: phases.shared,
    window: windowOf(given.size),
    dirty: given.mode === "dirty",
  };
  const wanted = peerOf(shared);
  const early = wanted?.first ? new Peer(wanted.spec) : undefined;
  if (early) shared.port = await early.port();
  const { engine, roles } = await (path.engine === undefined ? throughPosts : throughEngine)(shared);
  const { threads, peer } = await startAll(roles, wanted, early);
  const names = Object.keys(threads);
  const found = Promise.all(names.map((name) => threads[name].found));
  await Promise.race([found, phases.warm(given.warmUp)]);
  const before = process.cpuUsage();
  phases.measure();
  await peer?.sample("measured");
  await Promise.race([found, sleep(given.ms)]);
  const used = cpuOf(process.cpuUsage(before));
  phases.stop();
  await peer?.sample("stop");
  const reports = await found;
  const figures = Object.fromEntries(names.map((name, i) => [name, reports[i]]));
  const ended = given.device === "udp" ? undefined : await peer?.ended();
  const checked = verify(shared, figures, engine, ended);
  if (peer) figures.peer = peer.report();
  await peer?.close();
  return { ...figures, process: used, ...checked };
}

const given = JSON.parse(process.argv[2]);
console.log(JSON.stringify(await withFile(given, run)));
process.exit(0);
