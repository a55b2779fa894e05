// What goes wrong with captures.

import { expected, SkbuffError } from "../errors.js";

/** A capture that is none, is cut off, or says what cannot be. Every packet before the fault was given out. */
export class CaptureError extends SkbuffError {
  /** The file, as it was named to the reader or writer. */
  readonly file: string;
  /** Byte of the file where the fault is. */
  readonly offset: number;

  /** @internal */
  constructor(file: string, offset: number, wanted: string, got: unknown, options?: { cause: unknown }) {
    super("CaptureError", "ERR_SKB_CAPTURE", expected(`${file}, byte ${offset}`, wanted, got));
    this.file = file;
    this.offset = offset;
    if (options !== undefined) this.cause = options.cause;
  }
}
