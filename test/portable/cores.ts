// The explorer's cores where nothing can be bundled any more: made before, and found by their mistakes.

import type { Instantiate, Mistake } from "../explore/bundle.js";

export type { Core, Instantiate, Mistake } from "../explore/bundle.js";

/** The name under which the core with these mistakes lies beside this file. */
export function nameOf(all: readonly (readonly Mistake[])[], mistakes: readonly Mistake[]): string {
  const key = JSON.stringify(mistakes);
  return `core-${all.findIndex((one) => JSON.stringify(one) === key)}.mjs`;
}

export async function coreWith(mistakes: readonly Mistake[] = []): Promise<Instantiate> {
  const { BLUNDERS } = await import("../explore/mistakes.js");
  const file = nameOf(coresOf(BLUNDERS), mistakes);
  const { default: instantiate } = await import(new URL(file, import.meta.url).href);
  return instantiate;
}

/** All sets of mistakes that the explorer's quick set needs a core with; first none. */
export function coresOf(
  blunders: readonly { mistake: Mistake | readonly Mistake[] }[],
): readonly (readonly Mistake[])[] {
  return [[], ...blunders.map(({ mistake }) => (Array.isArray(mistake) ? mistake : [mistake]) as Mistake[])];
}
