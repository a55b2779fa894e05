// What is measured in a browser: of the hop's ways those that there are, and the operations of the micro benchmark on the
// engine's cores.

import { LATENCIES } from "../hop/latency.mjs";
import { PIPES } from "../hop/pipe.mjs";
import { OPS as ALL, SUBJECTS as EVERYBODY } from "../micro/ops.mjs";

/** Packets, messages or round trips a round: about a second's worth. */
const COUNTS = {
  default: 50_000,
  skbuff: 4_000_000,
  fresh: 4_000_000,
  touched: 2_000_000,
  js: 1_000_000,
  bytes: 1_000_000,
};

/** A stream of Node's is not in browsers. */
const WAYS = PIPES.filter(({ id }) => id !== "stream");

export const HOPS = [
  ...WAYS.map(({ id }) => ({ what: "pipe", id, n: COUNTS[id] ?? COUNTS.default })),
  ...LATENCIES.map(({ id }) => ({ what: "latency", id, n: id.includes("spinning") ? 100_000 : 5000 })),
];

export const SUBJECTS = EVERYBODY.filter(({ engine }) => engine !== undefined);
export const OPS = ALL;
export const SIZES = [64, 1500, 65536];
export { LATENCIES, WAYS };
