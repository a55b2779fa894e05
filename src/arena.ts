// How an arena lies in memory.

import { PAGE_BYTES } from "../assembly/layout.js";

/** Where the arena starts: behind the first page, so that no object has an address below ERROR_LIMIT. */
export const BASE = PAGE_BYTES;
