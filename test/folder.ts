// Other people's captures, which are not in the repository: SKBUFF_CAPTURES names a folder of them.

import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const FOLDER =
  process.env.SKBUFF_CAPTURES ?? fileURLToPath(new URL("../../shared/captures", import.meta.url));
export const FOUND = existsSync(FOLDER);
if (!FOUND) console.warn(`captures: no folder ${FOLDER}; set SKBUFF_CAPTURES to one`);

/** Names of the files in it that match, in order. */
export function filesIn(pattern: RegExp): string[] {
  return FOUND
    ? readdirSync(FOLDER)
        .filter((name) => pattern.test(name))
        .sort()
    : [];
}
