// Node's globals by their modules' names, for its likes that have no such globals. Injected by the bundler.

export { Buffer } from "node:buffer";
export { default as process } from "node:process";
export { setImmediate } from "node:timers";
