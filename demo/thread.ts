// A thread of the pipeline on shared memory: it blocks while it has nothing to do.

import { Engine, Mesh } from "skbuff";
import "skbuff/js";
import type { Answer, Report, ThreadJob } from "./protocol.js";
import { clockOf, type Role, Sink, Source, Stage } from "./roles.js";

export const REPORT_MS = 100;

/** Where a role's figures come from. */
export function reportOf(
  role: Role,
  which: Report["role"],
  place: number,
  busy: number,
  wall: number,
): Report {
  const { packets, bytes, latencies } = role;
  const report = { kind: "report", role: which, place, packets, bytes, busy, wall } as const;
  return latencies === undefined ? report : { ...report, latencies };
}

export async function runThread(job: ThreadJob, post: (answer: Answer) => void): Promise<void> {
  const engine = await Engine.attach(job.engine, { core: job.settings.core });
  post({ kind: "ready", thread: engine.thread });
  const role = roleOf(engine, job);
  const { place } = job;
  const start = performance.now();
  let waited = 0;
  let reported = start;
  while (!role.ended) {
    const before = performance.now();
    if (!role.step()) {
      role.wait();
      waited += performance.now() - before;
    }
    if (before - reported < REPORT_MS) continue;
    post(reportOf(role, job.role, place, before - start - waited, before - start));
    reported = before;
  }
  role.finish();
  post(reportOf(role, job.role, place, performance.now() - start - waited, performance.now() - start));
  // Packets that others still read have the source's memory: they come back as they are released.
  engine.detach({ completions: "wait" });
  post({ kind: "done" });
}

function roleOf(engine: Engine, { role, settings, plan, epoch, from, to, control }: ThreadJob): Role {
  const clock = clockOf(epoch);
  const sender = to && Mesh.attach(engine, to.mesh).sender(to.place);
  const receiver = from && Mesh.attach(engine, from.mesh).receiver(from.place);
  if (receiver === null && sender !== null)
    return new Source(engine, sender, settings, plan, clock, () => Atomics.load(control, 0) === 1);
  if (receiver !== null && sender !== null) return new Stage(receiver, sender, settings, plan);
  if (receiver !== null) return new Sink(engine, receiver, settings, plan, clock);
  throw new Error(`a ${role} between nothing and nothing`);
}
