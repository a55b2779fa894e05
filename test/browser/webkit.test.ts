import { suitesIn } from "./suites.js";

await suitesIn("webkit");
