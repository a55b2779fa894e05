// What the tests use of Node's globals, where there is no Node. Injected by the bundler.

export { Buffer } from "buffer";

/** Shorter than in Node: there are many places. */
export const process = { env: { SKBUFF_STRESS_SECONDS: "3" } };
