// The figures as a section of docs/benchmarks.md.

import { number } from "../hop/report.mjs";
import { breakEven, find } from "./figures.mjs";
import { IMPACTS } from "./impact.mjs";
import { isMet, losses, marks } from "./marks.mjs";
import { MAIN_PATHS, pathOf, TABLE_SIZES } from "./plan.mjs";

const THREADS = ["guest", "host", "device"];

function table(head, lines, texts = 1) {
  const rule = head.map((_, i) => (i < texts ? "---" : "--:"));
  return [head, rule, ...lines].map((line) => `| ${line.join(" | ")} |`).join("\n");
}

/** Two or three digits. */
const short = (figure) => {
  if (figure === undefined || figure === null) return "-";
  const { median } = figure;
  return median < 9.95 ? median.toFixed(1) : median.toFixed(0);
};
const whole = (figure) => (figure ? figure.median.toFixed(0) : "-");
const bold = (text) => `**${text}**`;

/** Throughput and CPU of the main paths; a line for each that `places` names: title, mode, device and size. */
function comparison(results, places) {
  const titles = MAIN_PATHS.map((id) => pathOf(id).title);
  // Not every device is measured with every size.
  const measured = places.filter(({ mode, device, size }) =>
    find(results, mode, device, MAIN_PATHS[0], size),
  );
  const lines = measured.map(({ title, mode, device, size }) => {
    const cases = MAIN_PATHS.map((path) => find(results, mode, device, path, size));
    const [first, ...rest] = cases.map((one) => short(one?.gbps));
    const [least, ...more] = cases.map((one) => whole(one?.cpu));
    return [title, String(size), bold(first), ...rest, bold(least), ...more];
  });
  return table(["", "bytes", ...titles.map((t) => `${t}, Gb/s`), "CPU", "", "", ""], lines);
}

function loads(results) {
  const lines = [4096, 65536].flatMap((size) =>
    MAIN_PATHS.map((path) => {
      const one = find(results, "stream", "tcp", path, size);
      if (one === undefined) return [];
      const { roles } = one;
      const percent = [...THREADS, "peer"].map((name) => whole(roles[name].percent));
      const sleeps = THREADS.map((name) => number(roles[name].sleeps?.median));
      return [pathOf(path).title, String(size), ...percent, ...sleeps];
    }),
  );
  const head = ["tcp", "bytes", "guest, %", "host", "device", "peer", "guest asleep", "host", "device"];
  return table(head, lines);
}

function trips(results) {
  const lines = [1, 1500].flatMap((size) =>
    MAIN_PATHS.map((path) => {
      const one = find(results, "rr", "tcp", path, size);
      const us = (figure) => number(figure.median / 1000);
      const cpu = number((one.cpu.median * size) / 1024 / 1000);
      return [pathOf(path).title, String(size), whole(one.rate), us(one.p50), us(one.p99), cpu];
    }),
  );
  return table(["TCP_RR", "bytes", "a second", "p50, µs", "p99, µs", "CPU, µs"], lines);
}

function jsCore(results) {
  const list = ["sum", "tcp"].flatMap((device) =>
    [4096, 65536].map((size) => {
      const [js, wasm] = ["zero-copy-js", "zero-copy"].map((path) =>
        find(results, "stream", device, path, size),
      );
      return `${short(js.gbps)} (${short(wasm.gbps)}) Gb/s of ${size} bytes to ${device}`;
    }),
  );
  return `With the JS core (in brackets with Wasm): ${list.join(", ")}.`;
}

function breakEvens(results) {
  const text = (at) => {
    if (at === 0) return "no size that was measured";
    return at === Number.POSITIVE_INFINITY ? "all sizes" : `what is smaller than ${at.toFixed(0)} bytes`;
  };
  const list = ["null", "sum", "tcp"].map((device) => {
    const cpu = breakEven(results, device, (one) => one.cpu.median);
    const time = breakEven(results, device, (one) => 1 / one.gbps.median);
    return `- to ${device}: ${text(cpu)} by CPU time, ${text(time)} by throughput`;
  });
  return `**When to copy.** The engine's copy is cheaper than lending for\n\n${list.join("\n")}`;
}

function impact({ impact: found }) {
  if (found === null) return "";
  const list = IMPACTS.map(({ id, title }) => {
    const { checks, same } = found[id];
    const noise = Math.max(Math.abs(same.ratio.low - 1), Math.abs(same.ratio.high - 1)) * 100;
    return `${title} ${checks.ratio.median.toFixed(3)} (a core beside itself differs by up to ${noise.toFixed(0)}%)`;
  });
  return `**What the others pay.** Packets that carry no lent memory are asked whether they do. Time with the checks,
divided by that of a core without them: ${list.join("; ")}.`;
}

function aims(results) {
  const lines = marks(results).map((mark) => [
    mark.what,
    mark.is.toFixed(mark.most === 0 ? 0 : 2),
    mark.least === undefined ? `at most ${mark.most}` : `at least ${mark.least}`,
    isMet(mark) ? "met" : "missed",
  ]);
  return table(["", "is", "aim", ""], lines);
}

/** Losses to one path in one figure, on a line. */
function lossList(results) {
  const groups = new Map();
  for (const { id, to, figure, factor } of losses(results)) {
    const [mode, device, , size] = id.split("/");
    const key = `${figure === "gbps" ? "in throughput" : "in CPU time"} to ${pathOf(to).title}`;
    const where = mode === "stream" ? `${device} ${size}` : `${mode.toUpperCase()} ${device} ${size}`;
    groups.set(key, [...(groups.get(key) ?? []), `${where} (${factor.toFixed(1)})`]);
  }
  if (groups.size === 0) return "**Where zero-copy loses:** nowhere by more than a tenth.";
  const lines = [...groups].map(([key, list]) => `- ${key}: ${list.join(", ")}`);
  return `**Where zero-copy loses** by more than a tenth: device, bytes, and by what factor\n\n${lines.join("\n")}`;
}

export function markdown(results) {
  const { node, cpu, cores, date, rounds, ms } = results;
  const at = (mode, device, sizes, title) => sizes.map((size) => ({ title, mode, device, size }));
  const stream = [
    ...at("stream", "sum", TABLE_SIZES, "sum"),
    ...at("stream", "tcp", TABLE_SIZES, "tcp"),
    ...at("stream", "udp", [4096, 16384, 65507], "udp"),
  ];
  const others = [
    ...at("dirty", "sum", [4096, 16384, 65536], "DIRTY, sum"),
    ...at("dirty", "tcp", [4096, 16384, 65536], "DIRTY, tcp"),
    ...at("sendfile", "tcp", [4096, 65536], "TCP_SENDFILE"),
    ...at("maerts", "tcp", [4096, 65536], "TCP_MAERTS"),
  ];
  return [
    "### The patch's table",
    `\`npm run bench:stream\`, after the table of the patch that brought zero-copy buffers to Linux in 2011: a guest thread has
messages, a host thread makes of each what goes down, a device thread gives it to whoever is below. Lent, the guest's memory goes
down in place; else the engine copies it in the host (the patch's "Orig"), or it goes by \`postMessage\`, copied or transferred.
The same number of messages is in flight on all paths, 256 or 4 MiB at most. Node ${node}, ${cpu}, ${cores} cores for all
threads and the peer, ${date.slice(0, 10)}. Medians of ${rounds} rounds of ${ms} ms; Gb/s of payload, and the CPU nanoseconds a KiB
of the whole process, in the same order. All figures and their spread are in [stream.json](bench/results/stream.json), drawn in
[stream-throughput.svg](bench/results/stream-throughput.svg) and [stream-cpu.svg](bench/results/stream-cpu.svg).`,
    comparison(results, stream),
    `\`sum\` reads every byte, \`tcp\` and \`udp\` write to a socket whose peer is another process; its CPU time is not in the above, but
here, in percent of a core, with how often a second each thread went to sleep:`,
    loads(results),
    "DIRTY writes and reads every byte, TCP_SENDFILE reads messages from a file, TCP_MAERTS goes from the peer up to the guest:",
    comparison(results, others),
    trips(results),
    jsCore(results),
    breakEvens(results),
    impact(results),
    aims(results),
    lossList(results),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}
