/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Packet buffers, and what passes them from thread to thread. Everything here needs an {@link Engine}.
 *
 * @module skbuff
 */

import { deflated, memoryFlags } from "../build/wasm.js";
import { provideWasm } from "./core/load.js";

export * from "./attach.js";

// The bytes travel inside the JS, where no bundler or server can lose them. Not imported when needed but at once, so that a
// bundler has nothing to split off: what it makes for a worker often must be one file.
provideWasm(deflated, memoryFlags);
