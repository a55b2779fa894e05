// What is free in the arena's pools, as the core counts it.

import type { Core } from "./core/load.js";

/** Objects of a kind that are not free, of `total`; `fresh` of them were never given out. Exact while no other thread runs. */
export function inUse(core: Core, kind: number, total: number, fresh: number): number {
  let used = total - fresh - core.inDepot(kind);
  for (let thread = 1; thread <= core.threads(); thread++) used -= core.inMagazine(thread, kind);
  return used;
}
