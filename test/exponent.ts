// How the time of something grows with its size.

import { expect } from "vitest";

/** The slope of the line that fits the points best, both axes logarithmic: the exponent of the growth. */
export function exponent(xs: readonly number[], ys: readonly number[]): number {
  const lx = xs.map(Math.log);
  const ly = ys.map(Math.log);
  const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
  const mx = mean(lx);
  const my = mean(ly);
  const covariance = mean(lx.map((x, i) => (x - mx) * ((ly[i] as number) - my)));
  return covariance / mean(lx.map((x) => (x - mx) ** 2));
}

/** Expects that any of a few fits is below the bound. Quadratic growth gives 2 each time; noise does not always strike. */
export function expectLinear(measure: (n: number) => number, sizes: readonly number[]): void {
  const seen: number[] = [];
  for (let attempt = 0; attempt < 4; attempt++) {
    const slope = exponent(sizes, sizes.map(measure));
    seen.push(slope);
    if (slope < 1.3) return;
  }
  expect(seen).toEqual("an exponent below 1.3");
}

/** Milliseconds of processor time that this process has used: what else the machine does is not in it, as it is in the clock's. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Milliseconds of processor time that \`run\` takes. */
export function timed(run: () => void): number {
  const start = processorMs();
  run();
  return processorMs() - start;
}

/** The least of what a run took, in milliseconds. The minimum, because whatever else the machine does only ever adds. */
export function fastest(times: number, run: () => number): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < times; i++) best = Math.min(best, run());
  return best;
}
