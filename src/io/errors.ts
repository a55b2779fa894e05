// What goes wrong with sockets and streams. The same grammar as elsewhere: what, what was expected, what was there instead.

import { expected, SkbuffError } from "../errors.js";

/** A socket or stream failed, or is closed. The packets that it had were released. */
export class TransportError extends SkbuffError {
  /** @internal */
  constructor(what: string, wanted: string, got: unknown, options?: { cause: unknown }) {
    super("TransportError", "ERR_SKB_TRANSPORT", expected(what, wanted, got));
    if (options !== undefined) this.cause = options.cause;
  }
}

/** A length in front of a packet in a stream that nobody would send. */
export class FramingError extends SkbuffError {
  /** Byte of the stream where the length is. */
  readonly offset: number;

  /** @internal */
  constructor(what: string, offset: number, wanted: string, got: unknown) {
    super("FramingError", "ERR_SKB_FRAMING", expected(`${what}, byte ${offset}`, wanted, got));
    this.offset = offset;
  }
}

/** `ECONNRESET` or the like; the message of an error that has no such name. @internal */
export function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null) return String(error);
  // Also of an error of another realm.
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code === "string") return code;
  return typeof message === "string" ? message : String(error);
}
