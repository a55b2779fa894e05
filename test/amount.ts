// How much the tests do: `quick` for every edit, `all` for everything, else what `npm test` has time for. In browsers and on
// other runtimes they do what `npm test` does.

const mode = (globalThis as { process?: { env: Record<string, string | undefined> } }).process?.env
  .SKBUFF_TESTS;

/** Whether everything is to be done, however long it takes. */
export const ALL: boolean = mode === "all";

/** The number for how much is to be done now. */
export function amount(quick: number, usual: number, all: number): number {
  if (mode === "quick") return quick;
  return ALL ? all : usual;
}

/** The first few of what `npm test` need not try one by one; all of it in `all`. */
export function some<T>(list: readonly T[], few: number): readonly T[] {
  return ALL ? list : list.filter((_, i) => i % Math.ceil(list.length / few) === 0);
}
