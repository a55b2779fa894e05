// The core in JavaScript: whoever imports this has it on this thread, for `core: "js"`, and for `core: "auto"` where
// WebAssembly is missing or not allowed. It is apart because nearly nobody needs it, and it is as long as all the rest.
//
//     import "skbuff/js";

import makeJs from "../build/core-js.js";
import { type MakeJs, provideJs } from "./core/load-js.js";

provideJs(makeJs);

/** @internal Puts another build of the core in place of this one: the tests' has assertions. */
export const _provideJs = (make: () => object): void => provideJs(make as MakeJs);
