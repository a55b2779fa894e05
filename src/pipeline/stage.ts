// stage: how a module that is a worker by itself takes part in a pipeline.

import { checkFunction } from "../check.js";
import { ArgumentTypeError } from "../errors.js";
import { nodeThreads } from "../io/worker.js";
import type { Make } from "./make.js";
import type { MakeStage } from "./plan.js";
import { servePart } from "./serve.js";

/**
 * For a stage's module, if a bundler makes a worker of it: has it serve the pipeline that starts it. Returns `make`, so that
 * the same module can be imported where there are no threads. Does nothing on a main thread, and where the pipeline's own
 * worker imports the module.
 *
 * @throws ArgumentTypeError
 * @example
 * const marker = stage(() => (packet) => {
 *   packet.mark = packet.checksum();
 *   return packet;
 * });
 * typeof marker; // → "function"
 */
export function stage<D = never, M extends MakeStage<D> = MakeStage<D>>(make: M): M {
  if (checkFunction("make", make) === undefined) throw new ArgumentTypeError("make", "a function", make);
  // Node's workers are started by the library's own module, which has imported this one.
  if (nodeThreads() === undefined) servePart(make as unknown as Make);
  return make;
}
