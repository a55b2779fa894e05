// What ends a pipeline before its time.

import { expected, SkbuffError } from "../errors.js";

/**
 * A part of a pipeline has thrown, or its worker has died; `cause` says what. The pipeline was aborted: its packets are
 * released, its other threads have left.
 */
export class PipelineError extends SkbuffError {
  /** Which part: `source`, `stage 0`, `sink`. */
  readonly part: string;

  /** @internal */
  constructor(part: string, got: string, cause?: unknown) {
    super("PipelineError", "ERR_SKB_PIPELINE", expected(part, "one that goes on", got));
    this.part = part;
    if (cause !== undefined) this.cause = cause;
  }
}
