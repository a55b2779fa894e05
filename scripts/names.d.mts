export function coreNames(names: readonly string[]): Map<string, string>;
