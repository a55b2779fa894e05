// Before each test file: the JS core beside the Wasm one, on the thread that runs the tests. Workers import it themselves.

import "skbuff/js";
