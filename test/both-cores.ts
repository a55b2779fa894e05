// Before each test file: the JS core beside the Wasm one, on the thread that runs the tests, and with assertions: what the
// core trusts its callers with is checked. Workers import the product's themselves.

import * as js from "skbuff/js";
import checked from "../build/core-js-checked.js";

(js as unknown as { _provideJs(make: typeof checked): void })._provideJs(checked);
