// The page's numbers: what the threads report, as rates of the last second, and where they are shown.

import { short } from "./charts.js";
import { microseconds, quantile } from "./histogram.js";
import { LANGUAGE } from "./locale.js";
import type { Report, Snapshot } from "./protocol.js";
import { nameOf } from "./run.js";

/** Milliseconds that a rate is taken over. */
const RATE_MS = 1000;

export function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as T;
}

/** Sets a text only if it is another: the page has less to lay out, and a screen reader less to say. */
export function say(id: string, text: string): void {
  const at = element(id);
  if (at.textContent !== text) at.textContent = text;
}

/** What one thread has reported in the last second. */
class Thread {
  readonly #reports: Report[] = [];

  get last(): Report | undefined {
    return this.#reports.at(-1);
  }

  add(report: Report): void {
    this.#reports.push(report);
    while (this.#reports.length > 2 && report.wall - (this.#reports[1] as Report).wall > RATE_MS)
      this.#reports.shift();
  }

  /** How much of a figure came in each millisecond, lately; since it began, if there is one report only. */
  rate(of: "packets" | "bytes" | "busy"): number {
    const last = this.last;
    if (last === undefined) return 0;
    const first = this.#reports.length > 1 ? this.#reports[0] : undefined;
    return (last[of] - (first?.[of] ?? 0)) / Math.max(last.wall - (first?.wall ?? 0), 1);
  }
}

export class Figures {
  readonly #threads = new Map<string, Thread>();
  #latencies: Uint32Array | undefined;

  /** Begins anew, with a row for each thread. */
  begin(workers: number): void {
    this.#threads.clear();
    this.#latencies = undefined;
    const names = ["source", ...Array.from({ length: workers }, (_, i) => nameOf("worker", i)), "sink"];
    for (const name of names) this.#threads.set(name, new Thread());
    for (const id of ["packets", "gigabits", "median", "late", "completions", "drops"]) say(`f-${id}`, "–");
    say("f-total", "0");
    element("threads").replaceChildren(
      ...names.map((name) => {
        const row = document.createElement("tr");
        const head = document.createElement("th");
        head.scope = "row";
        head.textContent = name;
        row.append(head, ...[0, 1, 2].map(() => document.createElement("td")));
        return row;
      }),
    );
  }

  add(report: Report): void {
    this.#threads.get(nameOf(report.role, report.place))?.add(report);
    if (report.latencies !== undefined) this.#latencies = report.latencies;
  }

  /** Of all that came out at the end: packets and Gbit a second. */
  get throughput(): { packets: number; gigabits: number } {
    const sink = this.#threads.get("sink");
    return { packets: (sink?.rate("packets") ?? 0) * 1000, gigabits: ((sink?.rate("bytes") ?? 0) * 8) / 1e6 };
  }

  /** Packets that a thread has passed on. */
  packetsOf(name: string): number {
    return this.#threads.get(name)?.last?.packets ?? 0;
  }

  show(snapshot: Snapshot | null, running: boolean): void {
    const { packets, gigabits } = this.throughput;
    if (running) {
      say("f-packets", short(packets));
      say("f-gigabits", gigabits >= 10 ? gigabits.toFixed(1) : gigabits.toFixed(2));
    }
    say("f-total", this.packetsOf("sink").toLocaleString(LANGUAGE));
    if (this.#latencies !== undefined) {
      say("f-median", microseconds(quantile(this.#latencies, 0.5)));
      say("f-late", microseconds(quantile(this.#latencies, 0.99)));
    }
    say("f-completions", snapshot === null ? "–" : `${short(snapshot.sent)}, ${short(snapshot.copied)}`);
    say("f-drops", snapshot === null ? "–" : short(snapshot.drops));
    let row = element("threads").firstElementChild;
    for (const thread of this.#threads.values()) {
      const cells = row?.querySelectorAll("td") ?? [];
      const texts = [
        `${Math.min(100, Math.round(thread.rate("busy") * 100))} %`,
        short(thread.rate("packets") * 1000),
        (thread.last?.packets ?? 0).toLocaleString(LANGUAGE),
      ];
      cells.forEach((cell, i) => {
        if (cell.textContent !== texts[i]) cell.textContent = texts[i] as string;
      });
      row = row?.nextElementSibling ?? null;
    }
  }
}
