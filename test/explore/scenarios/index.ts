import type { Scenario } from "../scenario.js";
import { begin } from "./begin.js";
import { completion } from "./completion.js";
import { dressed } from "./dressed.js";
import { heads } from "./heads.js";
import { magazine } from "./magazine.js";
import { pages } from "./pages.js";
import { parking } from "./parking.js";
import { rings } from "./rings.js";
import { running } from "./running.js";
import { slabs } from "./slabs.js";
import { spinning } from "./spinning.js";
import { wanted } from "./wanted.js";

export const SCENARIOS: readonly Scenario[] = [
  ...begin,
  ...magazine,
  ...pages,
  ...slabs,
  ...wanted,
  ...dressed,
  ...heads,
  ...completion,
  ...rings,
  ...parking,
  ...spinning,
  ...running,
];
