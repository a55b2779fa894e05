// What the tests use of Node's globals, where there is no Node. Injected by the bundler.

export { Buffer } from "buffer";

export const process = { env: {} };
