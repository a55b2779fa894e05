// Measures the operations of one subject.

import { measure } from "mitata";
import { OPS } from "./ops.mjs";

// Long enough that young collections happen inside, so that whoever leaves garbage pays for it.
const SAMPLE_NS = 3e6;
const QUICK_SAMPLE_NS = 2.5e6;
const UNROLL = 4;
/** A difference smaller than this part of what was taken off cannot be told from noise. */
const DIFFERENCE = 0.1;

/** Nanoseconds a call, collections included. */
async function time(op, size, quick) {
  const always = {
    args: { size },
    warmup_threshold: Infinity,
    batch_threshold: Infinity,
    batch_unroll: UNROLL,
  };
  const warm = await measure(op, {
    ...always,
    gc: false,
    batch_samples: 64,
    min_samples: 3,
    min_cpu_time: 12e6,
  });
  // Where the clock has steps of 20 microseconds, most samples are none: only the mean says how long a call takes.
  const calls = (quick ? QUICK_SAMPLE_NS : SAMPLE_NS) / (warm.p50 || Math.max(warm.avg, 1));
  const { p25 } = await measure(op, {
    ...always,
    gc: globalThis.gc ?? false,
    batch_samples: Math.max(2, Math.ceil(calls / UNROLL)) * UNROLL,
    // mitata drops the two fastest and the two slowest. Of the rest the lower quartile: other programs on the machine
    // make a sample slower, never faster.
    min_samples: 13,
    min_cpu_time: 0,
  });
  return p25;
}

/** Nanoseconds of each operation that the subject has, by size. */
export async function timesOf(subjectOps, { ops, sizes, quick }) {
  const times = {};
  for (const { id: op, per = 1, less } of OPS) {
    if (!ops.includes(op) || subjectOps[op] === undefined) continue;
    times[op] = {};
    for (const size of sizes) {
      // Node and bl have nothing to take off: they need no copyHead before they linearize.
      const off = subjectOps[less] === undefined ? 0 : await time(subjectOps[less], size, quick);
      const rest = (await time(subjectOps[op], size, quick)) - off;
      // No figure is better than one that is noise.
      if (rest > off * DIFFERENCE) times[op][size] = rest / per;
    }
  }
  return times;
}
