// The whole pipeline on one thread, over unshared memory: for pages that are not cross-origin isolated. It never blocks,
// so that it hears the page, and sends it what it cannot see from there.

import { Engine, Mesh, type Skb } from "skbuff";
import { type PageMap, pageMap, stats } from "skbuff/inspect";
import "skbuff/js";
import { leakIn, leaveEmpty } from "./leak.js";
import type { Answer, Command, Report, SoloJob } from "./protocol.js";
import { clockOf, type Role, Sink, Source, Stage } from "./roles.js";
import { REPORT_MS, reportOf } from "./thread.js";

/** Milliseconds of work between looks at what the page wants. */
const TURN_MS = 8;
const SNAPSHOT_MS = 50;

interface Seat {
  readonly role: Role;
  readonly which: Report["role"];
  readonly place: number;
  busy: number;
}

/** Lets events happen; sooner than a timer would. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

function seatsOf(
  engine: Engine,
  { settings, plan, epoch }: SoloJob,
  stopped: () => boolean,
): { seats: Seat[]; meshes: Mesh[] } {
  const { workers, arrangement } = settings;
  const clock = clockOf(epoch);
  const { capacity } = plan;
  const side = arrangement === "side";
  const meshes = side
    ? [
        new Mesh(engine, 1, workers, { capacity, spread: "in-turn" }),
        new Mesh(engine, workers, 1, { capacity, spread: "in-turn" }),
      ]
    : Array.from({ length: workers + 1 }, () => new Mesh(engine, 1, 1, { capacity, spread: "in-turn" }));
  const mesh = (i: number): Mesh => meshes[i] as Mesh;
  const seat = (which: Report["role"], place: number, role: Role): Seat => ({ which, place, role, busy: 0 });
  const seats = [seat("source", 0, new Source(engine, mesh(0).sender(0), settings, plan, clock, stopped))];
  for (let i = 0; i < workers; i++) {
    const receiver = side ? mesh(0).receiver(i) : mesh(i).receiver(0);
    const sender = side ? mesh(1).sender(i) : mesh(i + 1).sender(0);
    seats.push(seat("worker", i, new Stage(receiver, sender, settings, plan)));
  }
  seats.push(seat("sink", 0, new Sink(engine, mesh(meshes.length - 1).receiver(0), settings, plan, clock)));
  return { seats, meshes };
}

export async function runSolo(
  job: SoloJob,
  post: (answer: Answer) => void,
  listen: (on: (command: Command) => void) => void,
): Promise<void> {
  const { plan, settings } = job;
  const engine = await Engine.create({
    memory: plan.memory,
    core: settings.core,
    shared: false,
    ubufs: 1024,
  });
  post({ kind: "ready", thread: engine.thread });
  let stopping = false;
  let map: PageMap | undefined;
  const leaked: Skb[] = [];

  function snapshot(): void {
    if (engine.closed) return;
    map = pageMap(engine, map);
    const { sent, copied, drops } = stats(engine);
    post({ kind: "snapshot", map, sent, copied, drops: drops.reduce((sum, n) => sum + n, 0) });
  }

  function end(): void {
    snapshot();
    post({ kind: "outcome", outcome: leaveEmpty(engine) });
  }

  let ended = false;
  listen(({ kind }) => {
    if (kind === "stop") stopping = true;
    else if (kind === "leak") post({ kind: "leaked", got: leakIn(engine, leaked), packets: leaked.length });
    else if (kind === "mend") {
      if (!engine.closed) engine.releaseBurst(leaked);
      leaked.length = 0;
      post({ kind: "leaked", got: true, packets: 0 });
      if (ended) end();
    }
  });

  const { seats, meshes } = seatsOf(engine, job, () => stopping);
  const start = performance.now();
  let reported = start;
  let shown = start;
  const report = (): void => {
    const wall = performance.now() - start;
    for (const { role, which, place, busy } of seats) post(reportOf(role, which, place, busy, wall));
  };
  while (seats.some(({ role }) => !role.ended)) {
    const begun = performance.now();
    let now = begun;
    for (let moved = true; moved && now - begun < TURN_MS; ) {
      moved = false;
      for (const seat of seats) {
        if (seat.role.ended) continue;
        if (seat.role.step()) moved = true;
        const then = now;
        now = performance.now();
        seat.busy += now - then;
      }
    }
    if (now - reported >= REPORT_MS) {
      report();
      reported = now;
    }
    if (now - shown >= SNAPSHOT_MS) {
      snapshot();
      shown = now;
    }
    await turn();
  }
  report();
  for (const { role } of seats) role.finish();
  for (const mesh of meshes) mesh.release();
  ended = true;
  post({ kind: "done" });
  end();
}
