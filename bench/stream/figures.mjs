// Figures: from what the roles of a case report, and of several rounds medians and how far they spread.

import { SIZES } from "./plan.mjs";

const KIB = 1024;
const ROLES = ["guest", "host", "device", "peer"];

/** CPU nanoseconds a KiB, CPU in percent of a core, and how often a second the thread went to sleep. */
function roleFigures({ ms, bytes, cpu, sleeps }) {
  return { cpu: cpu / (bytes / KIB), percent: cpu / ms / 1e4, sleeps: (sleeps / ms) * 1000 };
}

/** The figures of one round from what the case reports. */
export function figuresOf({ mode, device }, report) {
  // Who gets the messages in the end, as far as this process goes.
  const last = mode === "maerts" || mode === "rr" ? report.guest : report.device;
  const perKib = KIB / last.bytes;
  const roles = ROLES.filter((name) => report[name] !== undefined);
  const own = roles.filter((name) => name !== "peer");
  const { trips } = report.guest;
  return {
    gbps: (last.bytes * 8) / last.ms / 1e6,
    rate: (last.messages / last.ms) * 1000,
    // Everything in the process: also what collects garbage on other threads, which no role is charged with.
    cpu: report.process * perKib,
    other: Math.max(report.process - own.reduce((sum, name) => sum + report[name].cpu, 0), 0) * perKib,
    roles: Object.fromEntries(roles.map((name) => [name, roleFigures(report[name])])),
    ...(trips && { p50: trips.p50, p99: trips.p99 }),
    ...(device === "udp" && { arrived: report.peer.all.bytes / last.all.bytes }),
    ...(report.bytesCopied !== undefined && {
      messages: report.guest.all.messages,
      bytesCopied: report.bytesCopied,
      sent: report.guest.sent ?? 0,
      copied: report.guest.copied ?? 0,
    }),
  };
}

/** The value that a part of the others is below. */
function quantile(sorted, part) {
  const at = (sorted.length - 1) * part;
  const low = sorted[Math.floor(at)];
  return low + (sorted[Math.ceil(at)] - low) * (at - Math.floor(at));
}

/** Median, quartiles and ends of several figures; null where none is a number, as where the system does not tell. */
export function spread(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  const [least, low, median, high, most] = [0, 0.25, 0.5, 0.75, 1].map((part) => quantile(sorted, part));
  return { median, low, high, least, most };
}

/** The same of each figure of several rounds. */
export function spreadAll(rounds) {
  return Object.fromEntries(
    Object.entries(rounds[0]).map(([name, value]) => {
      const values = rounds.map((round) => round[name]);
      return [name, typeof value === "number" ? spread(values) : spreadAll(values)];
    }),
  );
}

/** The spread of the ratios of figures that were taken side by side; and the median of either. */
export function ratiosOf(values, others) {
  const ratio = spread(values.map((value, i) => value / others[i]));
  return { ratio, ns: spread(values).median, other: spread(others).median };
}

/** The figures of a case; undefined if it was not measured. */
export function find(results, mode, device, path, size) {
  return results.cases.find(
    (one) => one.mode === mode && one.device === device && one.path === path && one.size === size,
  );
}

/**
 * The size from which on zero-copy takes less of `cost` than the engine's copy: interpolated between sizes, on logarithmic
 * scales. 0 if it always does, Infinity if it never does; undefined if there are no figures.
 */
export function breakEven(results, device, cost) {
  const points = SIZES.map((size) => {
    const [ours, copy] = ["zero-copy", "engine-copy"].map((path) =>
      find(results, "stream", device, path, size),
    );
    return ours && copy && { size: Math.log(size), excess: Math.log(cost(ours) / cost(copy)) };
  }).filter((point) => point !== undefined);
  // Some devices are measured with one size less.
  if (points.length < SIZES.length - 1) return undefined;
  const last = points.findLastIndex(({ excess }) => excess > 0);
  if (last === -1) return 0;
  if (last === points.length - 1) return Number.POSITIVE_INFINITY;
  const [from, to] = [points[last], points[last + 1]];
  const part = from.excess / (from.excess - to.excess);
  return Math.exp(from.size + part * (to.size - from.size));
}
