// Of the figures of several rounds medians, how far they spread, and ratios of those that were taken side by side.

/** The figures, and whether more of it is better. */
export const FIGURES = {
  cpu: { title: "CPU, µs", scale: 1e-3 },
  rate: { title: "a second", scale: 1, more: true },
  p50: { title: "p50, µs", scale: 1e-3 },
  p99: { title: "p99, µs", scale: 1e-3 },
  p999: { title: "p99.9, µs", scale: 1e-3 },
  memory: { title: "memory, MiB", scale: 2 ** -20 },
  // Of all threads' CPU time that of the first, by which a page hangs.
  main: { title: "main thread, %", scale: 100 },
};

/** The middle of the values, the least and the most. */
export function spread(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >>> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, least: sorted[0], most: sorted.at(-1) };
}

/** Of all figures; what could not be measured in a run is none of that one's. */
function spreads(runs) {
  const names = new Set(runs.flatMap(Object.keys));
  const known = [...names].map((name) => [name, runs.map((run) => run[name]).filter(Number.isFinite)]);
  return Object.fromEntries(
    known.filter(([, all]) => all.length > 0).map(([name, all]) => [name, spread(all)]),
  );
}

/** Of a load: the figures of each side, and the ratios of ours to each of the others. */
export function summaryOf(one, load, runs) {
  const { ours, ...others } = runs;
  const ratios = {};
  for (const [side, theirs] of Object.entries(others)) {
    ratios[side] = {};
    for (const name of Object.keys(FIGURES)) {
      if (ours[0]?.[name] === undefined || theirs[0]?.[name] === undefined) continue;
      ratios[side][name] = spread(ours.map((run, i) => run[name] / theirs[i][name]));
    }
  }
  const sides = Object.fromEntries(Object.entries(runs).map(([side, all]) => [side, spreads(all)]));
  return { id: load.id, title: load.title ?? load.id, unit: one.unit, sides, ratios };
}

/** The marks of a case, and whether they are met: of several loads the worst counts. */
export function marksOf(one, measured) {
  return one.marks.map((mark) => {
    const { figure, against = "plain", most, least } = mark;
    const loads = measured.loads.filter(({ id }) => mark.load === undefined || mark.load === id);
    const of = (load) => (against === "nothing" ? load.sides.ours : load.ratios[against])?.[figure];
    const is = loads.map((load) => of(load)?.median).filter((ratio) => ratio !== undefined);
    const worst = most === undefined ? Math.min(...is) : Math.max(...is);
    const known = is.length > 0;
    return {
      ...mark,
      against,
      is,
      worst,
      met: known && (most === undefined ? worst >= least : worst <= most),
    };
  });
}
