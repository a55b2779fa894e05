// What ends a pipeline before its time.

import { expected, SkbuffError } from "../errors.js";

/** What an error of another thread tells of itself: errors themselves do not always travel. @internal */
export interface Told {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly code: unknown;
}

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

/** @internal */
export function tell(error: unknown): Told {
  if (typeof error !== "object" || error === null)
    return { name: "Error", message: String(error), stack: undefined, code: undefined };
  const { name = "Error", message = "", stack, code } = error as Partial<Told>;
  // Whatever else it is, it can be cloned.
  const primitive = typeof code === "string" || typeof code === "number" ? code : undefined;
  return { name: String(name), message: String(message), stack, code: primitive };
}

/** The error that another thread told of. @internal */
export function heard({ name, message, stack, code }: Told): Error {
  const error = new Error(message);
  error.name = name;
  if (stack !== undefined) error.stack = stack;
  return code === undefined ? error : Object.assign(error, { code });
}
