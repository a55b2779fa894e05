// The figures as text.

import { number, rows } from "../hop/report.mjs";
import { LATENCIES, OPS, SIZES, SUBJECTS, WAYS } from "./plan.mjs";

const KEPT = ["wasm-shared", "wasm-unshared", "js-shared"];

const names = ({ browsers }) => Object.keys(browsers);

/** Of each browser the time, and how many times that postMessage takes. */
export function hopTable({ browsers }) {
  const all = Object.values(browsers);
  const lines = WAYS.map(({ id, title }) => [
    title,
    ...all.flatMap(({ hop }) => [number(hop[id]), number(hop.post / hop[id])]),
  ]);
  const trips = LATENCIES.map(({ id, title }) => [
    `there and back: ${title}`,
    ...all.flatMap(({ hop }) => [number(hop[id]), ""]),
  ]);
  const head = ["a packet or message", ...names({ browsers }).flatMap((name) => [name, "post /"])];
  return rows(head, [...lines, ...trips]);
}

/** Wasm on shared memory, and by how many times the others are slower. */
export function microTable({ browsers }) {
  return Object.entries(browsers)
    .map(([name, { version, micro }]) => {
      const lines = OPS.flatMap(({ id, title }) =>
        SIZES.map((size) => {
          const ours = micro["wasm-shared"][id]?.[size];
          const others = KEPT.slice(1).map((other) => number(micro[other][id]?.[size] / ours));
          return [title.split(" (")[0], String(size), number(ours), ...others];
        }),
      );
      return rows([`${name} ${version}`, "bytes", "Wasm shared", "Wasm unsh. /", "JS shared /"], lines);
    })
    .join("\n\n");
}

/** A hop of a page's packet against what it replaces. */
const LEAST = 50;

export function marksTable({ browsers }) {
  const lines = Object.entries(browsers).map(([name, { hop }]) => {
    const is = hop.post / hop.skbuff;
    return [
      `${name}: postMessage of 1500 bytes / a hop`,
      is.toFixed(0),
      `at least ${LEAST}`,
      is >= LEAST ? "met" : "missed",
    ];
  });
  return rows(["ratio", "is", "aim", ""], lines);
}

export { SUBJECTS };
