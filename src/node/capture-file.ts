// A file, pipe or device that captures are read from or written to: system calls, and what they say when they fail.

import fs from "node:fs";
import { checkInteger } from "../check.js";
import { ArgumentTypeError } from "../errors.js";
import { CaptureError } from "./errors.js";

/** What stands for standard input or output in place of a path. */
const STANDARD = "-";

// A descriptor that does not block says EAGAIN where there is nothing to read or no room to write. Then it is asked
// again, less and less often.
const AGAIN_LEAST_MS = 1;
const AGAIN_MOST_MS = 16;

const NOBODY = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread. */
export function sleep(ms: number): void {
  Atomics.wait(NOBODY, 0, 0, ms);
}

/** Does not block it. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}

export class CaptureFile {
  /** For messages. */
  readonly name: string;
  /** Whether it has an end that stays where it is, so that it can be read again and never has to be waited for. */
  readonly regular: boolean;
  readonly #fd: number;
  /** Whether it was opened here, and is closed here. */
  readonly #owned: boolean;

  private constructor(name: string, fd: number, owned: boolean, regular: boolean) {
    this.name = name;
    this.#fd = fd;
    this.#owned = owned;
    this.regular = regular;
  }

  /** Opens a path, or takes a descriptor, which stays the caller's to close. @throws CaptureError, ArgumentTypeError */
  static open(file: string | number, flags: "r" | "w"): CaptureFile {
    if (typeof file !== "string" && typeof file !== "number") {
      throw new ArgumentTypeError("file", "a path or a file descriptor", file);
    }
    const standard = flags === "r" ? 0 : 1;
    const given = file === STANDARD ? standard : file;
    const name = typeof file === "string" ? (file === STANDARD ? `fd ${standard}` : file) : `fd ${file}`;
    const owned = typeof given === "string";
    let fd = owned ? -1 : checkInteger("file", given, 0, 2 ** 31 - 1);
    try {
      if (owned) fd = fs.openSync(given, flags);
      const stat = fs.fstatSync(fd);
      // Says what is wrong with it as the system does.
      if (stat.isDirectory()) fs.readSync(fd, new Uint8Array(1));
      return new CaptureFile(name, fd, owned, stat.isFile());
    } catch (cause) {
      if (owned && fd >= 0) fs.closeSync(fd);
      throw failure(name, 0, flags === "r" ? "a file that can be read" : "a file that can be written", cause);
    }
  }

  /** Reads up to as many bytes as `into` has, at byte `at` of the file or where its descriptor stands. 0: it has ended. */
  read(into: Uint8Array, at: number | null): number {
    for (let ms = AGAIN_LEAST_MS; ; ms = Math.min(ms * 2, AGAIN_MOST_MS)) {
      try {
        return fs.readSync(this.#fd, into, 0, into.length, at);
      } catch (error) {
        // What Windows says at the end of a pipe.
        if (codeOf(error) === "EOF") return 0;
        if (codeOf(error) !== "EAGAIN") throw error;
      }
      sleep(ms);
    }
  }

  async readAsync(into: Uint8Array, at: number | null): Promise<number> {
    for (let ms = AGAIN_LEAST_MS; ; ms = Math.min(ms * 2, AGAIN_MOST_MS)) {
      try {
        return await new Promise((resolve, reject) => {
          fs.read(this.#fd, into, 0, into.length, at, (error, n) =>
            error === null ? resolve(n) : reject(error),
          );
        });
      } catch (error) {
        if (codeOf(error) === "EOF") return 0;
        if (codeOf(error) !== "EAGAIN") throw error;
      }
      await pause(ms);
    }
  }

  /** Writes some of the views' bytes, in order. Returns how many. */
  write(views: readonly Uint8Array[]): number {
    for (let ms = AGAIN_LEAST_MS; ; ms = Math.min(ms * 2, AGAIN_MOST_MS)) {
      try {
        return fs.writevSync(this.#fd, views);
      } catch (error) {
        if (codeOf(error) !== "EAGAIN") throw error;
      }
      sleep(ms);
    }
  }

  async writeAsync(views: readonly Uint8Array[]): Promise<number> {
    for (let ms = AGAIN_LEAST_MS; ; ms = Math.min(ms * 2, AGAIN_MOST_MS)) {
      try {
        return await new Promise((resolve, reject) => {
          fs.writev(this.#fd, views, (error, n) => (error === null ? resolve(n) : reject(error)));
        });
      } catch (error) {
        if (codeOf(error) !== "EAGAIN") throw error;
      }
      await pause(ms);
    }
  }

  /** @throws CaptureError: what was written may not have arrived */
  close(offset: number): void {
    if (!this.#owned) return;
    try {
      fs.closeSync(this.#fd);
    } catch (cause) {
      throw failure(this.name, offset, "to be closed", cause);
    }
  }

  /** The error for what a system call threw. */
  failure(offset: number, wanted: string, cause: unknown): CaptureError {
    return failure(this.name, offset, wanted, cause);
  }
}

function failure(name: string, offset: number, wanted: string, cause: unknown): CaptureError {
  return new CaptureError(name, offset, wanted, cause instanceof Error ? cause.message : cause, { cause });
}
