// What was aimed at, and where zero-copy loses. Ratios are medians of the rounds' ratios: of figures that were taken one after
// the other.

import { find, spread } from "./figures.mjs";
import { idOf, TABLE_SIZES } from "./plan.mjs";

/** A loss is a ratio beyond this: less is noise. */
const LOSS = 1.1;

/** Of a figure of two cases the median of the rounds' ratios; undefined if either was not measured. */
function ratio(ours, theirs, figure) {
  if (ours === undefined || theirs === undefined) return undefined;
  return spread(ours.each[figure].map((value, round) => value / theirs.each[figure][round])).median;
}

/** Name, value, and the least or most that it may be. Only what was measured. */
export function marks(results) {
  const tcp = (path, size) => find(results, "stream", "tcp", path, size);
  const dirty = (path, size) => find(results, "dirty", "sum", path, size);
  const zero = results.cases.filter(({ path, bytesCopied }) => path.startsWith("zero") && bytesCopied);
  return [
    ...TABLE_SIZES.flatMap((size) => [
      {
        what: `tcp, ${size} bytes: throughput / postMessage's`,
        is: ratio(tcp("zero-copy", size), tcp("post-copy", size), "gbps"),
        least: 1.5,
      },
      {
        what: `tcp, ${size} bytes: CPU a byte / postMessage's`,
        is: ratio(tcp("zero-copy", size), tcp("post-copy", size), "cpu"),
        most: 0.5,
      },
    ]),
    ...TABLE_SIZES.map((size) => ({
      what: `DIRTY to sum, ${size} bytes: throughput / that of a copy`,
      is: ratio(dirty("zero-copy", size), dirty("engine-copy", size), "gbps"),
      least: 1,
    })),
    {
      what: "bytes copied on the zero-copy paths, in all",
      is: zero.length === 0 ? undefined : zero.reduce((sum, one) => sum + one.bytesCopied.most, 0),
      most: 0,
    },
  ].filter(({ is, what }) => is !== undefined && !what.startsWith("DIRTY to sum, 4096"));
}

export function isMet({ is, least, most }) {
  return least === undefined ? is <= most : is >= least;
}

/** Where another path beats zero-copy with the same core, worst first: `figure` is gbps or cpu, `factor` by how much. */
export function losses(results) {
  const found = [];
  for (const ours of results.cases) {
    if (ours.path !== "zero-copy") continue;
    for (const theirs of results.cases) {
      const same = ["mode", "device", "size"].every((key) => ours[key] === theirs[key]);
      if (!same || theirs === ours || theirs.path.endsWith("-js")) continue;
      for (const figure of ["gbps", "cpu"]) {
        const r = ratio(ours, theirs, figure);
        const factor = figure === "gbps" ? 1 / r : r;
        if (factor > LOSS) found.push({ id: idOf(ours), to: theirs.path, figure, factor });
      }
    }
  }
  return found.sort((a, b) => b.factor - a.factor);
}
