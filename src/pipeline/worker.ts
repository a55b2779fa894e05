// The worker that a pipeline starts where nobody brings one: it imports the part's module.

import makeJs from "../../build/core-js.js";
import { provideJs } from "../driver.js";
import { servePart } from "./serve.js";

// The engine may have either core.
provideJs(makeJs);
servePart();
