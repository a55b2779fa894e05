import { suitesIn } from "./suites.js";

await suitesIn("firefox");
