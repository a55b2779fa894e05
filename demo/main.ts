// The page: its controls, and what is shown of the run that they start.

import { audit } from "skbuff/inspect";
import { CAPTURE_MOST, type Capture, readCapture } from "./capture.js";
import { Charts, short } from "./charts.js";
import { element, Figures, say } from "./figures.js";
import { LANGUAGE } from "./locale.js";
import { drawCell, HOLDERS, KINDS, Picture } from "./picture.js";
import type { Outcome, Report, Settings } from "./protocol.js";
import { type Run, startRun } from "./run.js";

type State = "idle" | "starting" | "running" | "stopping";

/** Milliseconds between looks at the arena for users who want less motion, and between figures for everyone. */
const CALM_MS = 500;
const FIGURES_MS = 200;
/** How many times as long as a look took, the page rests: where drawing is slow, there are other things to do. */
const REST = 3;
/** Milliseconds between what a screen reader is told of a run. */
const SPOKEN_MS = 15_000;

const select = (id: string): string => element<HTMLSelectElement>(id).value;
const button = (id: string): HTMLButtonElement => element<HTMLButtonElement>(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const figures = new Figures();
const charts = new Charts(element("throughput"), element("latency"));
const picture = new Picture(element("arena"));

let state: State = "idle";
/** The last run, which may have stopped; null once nothing of it is out. */
let run: Run | null = null;
let capture: Capture | null = null;
let leaks = 0;
let runs = 0;

// ─── What is said ────────────────────────────────────────────────────────────────────────────────────────

function complain(message: string | null): void {
  element("message").hidden = message === null;
  say("message", message ?? "");
}

function becomes(next: State): void {
  state = next;
  button("start").disabled = next !== "idle";
  button("stop").disabled = next !== "running";
  button("leak").disabled = next !== "running" || select("mode") === "post";
  button("mend").disabled = leaks === 0 || next === "stopping";
  // Of what runs, so that it is the truth until it stops.
  for (const id of ["size", "mode", "workers", "arrangement", "full", "core", "tap"])
    element<HTMLInputElement>(id).disabled = next !== "idle";
  if (capture !== null) element<HTMLInputElement>("size").disabled = true;
}

function sayOutcome({ problems, out }: Outcome): void {
  const made = figures.packetsOf("source").toLocaleString(LANGUAGE);
  const came = figures.packetsOf("sink").toLocaleString(LANGUAGE);
  const ways = `Stopped: ${made} packets left the source, ${came} came to the sink.`;
  if (select("mode") === "post") say("status", `${ways} There was no engine, so there is nothing to audit.`);
  else if (problems.length > 0) {
    say("status", ways);
    complain(`The audit found: ${problems.join("; ")}`);
  } else if (out.length > 0)
    say("status", `${ways} Not everything came back, so the engine stays open: ${out.join("; ")}.`);
  else say("status", `${ways} Every buffer came back: the audit is clean, and the engine is closed.`);
}

// ─── A run ───────────────────────────────────────────────────────────────────────────────────────────────

function settings(): Settings | null {
  if (!element<HTMLFormElement>("controls").reportValidity()) return null;
  return {
    size: element<HTMLInputElement>("size").valueAsNumber,
    mode: select("mode") as Settings["mode"],
    workers: Number(select("workers")),
    arrangement: select("arrangement") as Settings["arrangement"],
    full: select("full") as Settings["full"],
    core: select("core") as Settings["core"],
    tap: element<HTMLInputElement>("tap").checked,
    capture,
  };
}

let began = 0;
let spoken = 0;

async function start(): Promise<void> {
  const chosen = state === "idle" ? settings() : null;
  if (chosen === null) return;
  becomes("starting");
  complain(null);
  run?.abandon();
  run = null;
  leaks = 0;
  runs++;
  const own = runs;
  figures.begin(chosen.workers);
  charts.clear();
  const listener = {
    report: (report: Report) => own === runs && reported(report),
    leaked: (packets: number) => {
      if (own !== runs) return;
      leaks = packets;
      becomes(state);
    },
    failed: (message: string) => own === runs && fail(message),
  };
  try {
    run = await startRun(chosen, listener);
  } catch (error) {
    fail((error as Error).message);
    return;
  }
  began = performance.now();
  spoken = began;
  becomes("running");
  say("status", "Running.");
}

function fail(message: string): void {
  complain(`The pipeline has failed: ${message}`);
  say("status", "Stopped.");
  run?.abandon();
  run = null;
  leaks = 0;
  becomes("idle");
}

function reported(report: Report): void {
  figures.add(report);
  if (report.role !== "sink" || state !== "running") return;
  const { packets, gigabits } = figures.throughput;
  charts.add(report.wall / 1000, packets, gigabits);
  // What it is run with stays as it is until it stops.
  say(`c-${select("mode")}`, `${short(packets)} of ${element<HTMLInputElement>("size").value} bytes`);
  if (report.latencies !== undefined) charts.setLatencies(report.latencies);
  chartsDue = true;
  const now = performance.now();
  if (now - spoken < SPOKEN_MS) return;
  spoken = now;
  say(
    "status",
    `Running for ${Math.round((now - began) / 1000)} s: ${short(packets)} packets and ${gigabits.toFixed(2)} Gbit a second.`,
  );
}

async function stop(): Promise<void> {
  const own = run;
  if (state !== "running" || own === null) return;
  becomes("stopping");
  say("status", "Stopping: what is under way comes through.");
  // It may fail while it stops; that has been said then.
  try {
    const outcome = await own.stop();
    if (own === run) left(outcome);
  } catch (error) {
    if (own === run) fail((error as Error).message);
  }
}

/** A run has stopped, or what was left of it has been released. */
function left(outcome: Outcome): void {
  look();
  figures.show(run?.snapshot() ?? last, false);
  sayOutcome(outcome);
  if (outcome.out.length === 0) run = null;
  becomes("idle");
}

async function leak(): Promise<void> {
  if (run !== null && !(await run.leak()))
    complain("The pool had no memory for a packet to leak: try again.");
  else if (leaks > 0)
    say(
      "status",
      `${leaks === 1 ? "1 packet" : `${leaks} packets`} of 16 KiB leaked: see “this page” in the picture.`,
    );
}

async function mend(): Promise<void> {
  const outcome = (await run?.mend()) ?? null;
  if (outcome === null) say("status", "The leaked packets are released.");
  else left(outcome);
}

// ─── A capture ───────────────────────────────────────────────────────────────────────────────────────────

async function replay(file: File): Promise<void> {
  let read: Capture;
  try {
    read = await readCapture(file);
  } catch (error) {
    complain(`This file cannot be replayed: ${(error as Error).message}`);
    return;
  }
  complain(null);
  if (state === "running") await stop();
  capture = read;
  const { name, format, lengths, total, cut } = read;
  const what = `${lengths.length.toLocaleString(LANGUAGE)} packets, ${total.toLocaleString(LANGUAGE)} bytes`;
  say(
    "replayed",
    `Replaying ${name} (${format}): ${what}, again and again${cut === null ? "" : `; only ${cut}`}.`,
  );
  button("uncapture").hidden = false;
  becomes(state);
  await start();
}

function generate(): void {
  capture = null;
  say(
    "replayed",
    "Packets are generated again, from the next Start on. Drop a pcap or pcapng file to replay it.",
  );
  element<HTMLInputElement>("capture").value = "";
  button("uncapture").hidden = true;
  button("start").focus();
  becomes(state);
}

// ─── What is drawn, once a frame ─────────────────────────────────────────────────────────────────────────

let last: ReturnType<Run["snapshot"]> = null;
let chartsDue = false;
let looked = 0;
/** Milliseconds until the arena is looked at again. */
let pause = 0;
let shown = 0;
let focused: number | null = null;

/** Frames in the last second, and what the page spent on them. */
const frames = { since: 0, n: 0, drawn: 0, rate: 0, cost: 0, worst: 0 };

/** Shows the arena as it is now. */
function look(): void {
  const snapshot = run?.snapshot() ?? null;
  if (snapshot === null || run === null) return;
  last = snapshot;
  picture.show(snapshot.map, run.names);
}

function frame(now: number): void {
  requestAnimationFrame(frame);
  const before = performance.now();
  const running = state === "running" || state === "stopping";
  if (run !== null && now - looked >= (calm.matches ? CALM_MS : pause)) {
    looked = now;
    look();
    pause = (performance.now() - before) * REST;
  }
  if (now - shown >= FIGURES_MS) {
    shown = now;
    if (running) figures.show(run?.snapshot() === null ? null : last, true);
    showLegend();
    say("f-frames", String(frames.rate));
    say("f-cost", `${frames.cost.toFixed(1)} ms`);
    if (chartsDue) charts.draw();
    chartsDue = false;
  }
  const cost = performance.now() - before;
  frames.n++;
  frames.drawn += cost;
  frames.worst = Math.max(frames.worst, cost);
  if (now - frames.since < 1000) return;
  frames.rate = Math.round((frames.n * 1000) / (now - frames.since));
  frames.cost = frames.drawn / frames.n;
  frames.since = now;
  frames.n = 0;
  frames.drawn = 0;
}

/** The lists below the picture: their swatches are drawn when the colours change, their counts as they are. */
function makeLegend(): void {
  const entry = (id: string, name: string, swatch: HTMLCanvasElement): HTMLLIElement => {
    const item = document.createElement("li");
    const count = document.createElement("span");
    count.className = "count";
    count.id = id;
    swatch.style.width = swatch.style.height = "16px";
    swatch.setAttribute("aria-hidden", "true");
    item.append(swatch, name, count);
    return item;
  };
  const names: Record<string, string> = {
    nobody: "nobody",
    page: "this page (leaks)",
    ring: "in a ring",
    several: "several of them",
  };
  element("holders").replaceChildren(
    ...HOLDERS.map((holder, i) =>
      entry(`h-${i}`, names[holder] ?? holder, drawCell(holder === "nobody" ? 0 : 1, holder, 16, 2)),
    ),
  );
  element("kinds").replaceChildren(
    ...KINDS.map(({ kind, name }) => entry(`k-${kind}`, name, drawCell(kind, "nobody", 16, 2))),
  );
}

function showLegend(): void {
  const { holders, kinds } = picture.counts;
  HOLDERS.forEach((holder, i) => {
    say(`h-${i}`, String(holders.get(holder) ?? 0));
  });
  for (const { kind } of KINDS) say(`k-${kind}`, String(kinds.get(kind) ?? 0));
}

picture.onLook = (page) => {
  focused = page;
  if (focused !== null) say("page", `${picture.describe(focused)}.`);
};

// ─── Wiring ──────────────────────────────────────────────────────────────────────────────────────────────

element<HTMLFormElement>("controls").addEventListener("submit", (event) => {
  event.preventDefault();
  void start();
});
button("stop").addEventListener("click", () => void stop());
button("leak").addEventListener("click", () => void leak());
button("mend").addEventListener("click", () => void mend());
button("uncapture").addEventListener("click", generate);
element<HTMLInputElement>("capture").addEventListener("change", ({ target }) => {
  const file = (target as HTMLInputElement).files?.[0];
  if (file !== undefined) void replay(file);
});

const dropping = (on: boolean) => (event: DragEvent) => {
  event.preventDefault();
  document.body.classList.toggle("dropping", on);
};
addEventListener("dragover", dropping(true));
addEventListener("dragleave", dropping(false));
addEventListener("drop", (event) => {
  dropping(false)(event);
  const file = event.dataTransfer?.files[0];
  if (file !== undefined) void replay(file);
});

function restyle(): void {
  makeLegend();
  showLegend();
  picture.restyle();
  charts.restyle();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);

/** Milliseconds from one value of the clock to the next. */
function tickOf(): number {
  let least = Number.POSITIVE_INFINITY;
  const end = performance.now() + 5;
  for (let before = performance.now(), now = before; now < end; now = performance.now()) {
    if (now > before) least = Math.min(least, now - before);
    before = now;
  }
  return least;
}

element("isolation").hidden = crossOriginIsolated;
const tick = tickOf() * 1000;
say("tick", tick < 1000 ? `${Math.max(1, Math.round(tick))} µs` : `${Math.round(tick / 1000)} ms`);
say(
  "replayed",
  `Drop a pcap or pcapng file anywhere on the page to replay its packets, up to ${CAPTURE_MOST / 1024 / 1024} MiB.`,
);
makeLegend();
becomes("idle");
requestAnimationFrame(frame);

/** For the console: what the page asks is there to be asked by hand. */
Object.assign(globalThis, {
  demo: {
    get run() {
      return run;
    },
    picture,
    frames,
    audit: () => (run?.engine ? audit(run.engine) : null),
  },
});
