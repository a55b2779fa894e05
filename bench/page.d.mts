/** docs/benchmarks.md, made from the results. */
export function page(): string;
