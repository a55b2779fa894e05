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
    const why = cause instanceof Error ? cause.message : String(cause);
    // What somebody threw is quoted: it is no phrase of ours.
    super(
      "PipelineError",
      "ERR_SKB_PIPELINE",
      expected(part, "no error", got === why ? JSON.stringify(got) : got),
    );
    this.part = part;
    if (cause !== undefined) this.cause = cause;
  }
}
