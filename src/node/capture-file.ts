// A file, pipe or device that captures are read from or written to: system calls, and what they say when they fail.

import fs from "node:fs";
import { checkInteger } from "../check.js";
import { ArgumentTypeError } from "../errors.js";
import { CaptureError } from "./errors.js";
import type { Halt } from "./halt.js";
import { claim, type Use } from "./open-files.js";

/** What stands for standard input or output in place of a path. */
const STANDARD = "-";

// A descriptor that does not block says EAGAIN where there is nothing to read or no room to write. Then it is asked
// again, less and less often: at first so soon that a pipe, which holds 64 KiB, is no slower than one that blocks.
const AGAIN_LEAST_MS = 1 / 16;
const AGAIN_MOST_MS = 16;

/** So that nobody waits for the other end of a named pipe while it is opened. Windows has none. */
const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NONBLOCK = 0 } = fs.constants;
const MODE = 0o666;

const NOBODY = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread. */
export function sleep(ms: number): void {
  Atomics.wait(NOBODY, 0, 0, ms);
}

/** Does not block it. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    // Timers know whole milliseconds only.
    if (ms < 1) setImmediate(resolve);
    else setTimeout(resolve, ms);
  });
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}

export class CaptureFile {
  /** For messages. */
  readonly name: string;
  /** Whether it has an end that stays where it is, so that it can be read again and never has to be waited for. */
  readonly regular: boolean;
  #fd: number;
  /** Its path, if it was opened by that. */
  readonly #path: string | null;
  /** Whether its descriptor was opened here, and is closed here. */
  readonly #own: boolean;
  /** Whether there was none before. */
  readonly #made: boolean;
  /** Whether it is a named pipe of which nobody has opened the other end: what can be read from it then is no end. */
  #lonely: boolean;
  readonly #unclaim: () => void;
  /** By which another thread ends the writing. */
  readonly #halt: Halt | null;
  #closed = false;

  private constructor(
    name: string,
    path: string | null,
    { fd, own, made, lonely, stat }: Opened,
    unclaim: () => void,
    halt: Halt | null,
  ) {
    this.name = name;
    this.#fd = fd;
    this.#path = path;
    this.#own = own;
    this.#made = made;
    this.#lonely = lonely;
    this.regular = stat.isFile();
    this.#unclaim = unclaim;
    this.#halt = halt;
  }

  /**
   * Opens a path, or takes a descriptor, which stays the caller's to close. Never waits for the other end of a named pipe:
   * whoever reads or writes does. What is in a file stays until `empty`. Writes fail once `halt` is halted, also those that
   * wait for room.
   *
   * @throws CaptureError, also for a file that this thread reads and is to write, or writes already; ArgumentTypeError
   */
  static open(file: string | number, use: Use, halt: Halt | null = null): CaptureFile {
    if (typeof file !== "string" && typeof file !== "number") {
      throw new ArgumentTypeError("file", "a path or a file descriptor", file);
    }
    const standard = use === "r" ? 0 : 1;
    const given = file === STANDARD ? standard : file;
    const name = typeof file === "string" ? (file === STANDARD ? `fd ${standard}` : file) : `fd ${file}`;
    const path = typeof given === "string" ? given : null;
    if (path === null) checkInteger("file", given as number, 0, 2 ** 31 - 1);
    const wanted = use === "r" ? "a file that can be read" : "a file that can be written";
    let opened: Opened | null = null;
    try {
      if (path === null) opened = use === "r" ? taken(given as number) : takenOutput(given as number);
      else opened = use === "r" ? openInput(path) : openOutput(path);
      // Says what is wrong with it as the system does.
      if (opened.stat.isDirectory()) fs.readSync(opened.fd, new Uint8Array(1));
    } catch (cause) {
      if (opened?.own === true) fs.closeSync(opened.fd);
      throw failure(name, 0, wanted, cause);
    }
    const claimed = claim(opened.stat, opened.fd, use);
    if (typeof claimed === "function") return new CaptureFile(name, path, opened, claimed, halt);
    if (opened.own && opened.fd >= 0) fs.closeSync(opened.fd);
    throw claimed === "r"
      ? new CaptureError(name, 0, "a file that nobody reads", "one that is being read here")
      : new CaptureError(name, 0, "a file that nobody writes", "one that is being written here");
  }

  /** Whether it has been read from byte 0 on, and can be read so again: where a descriptor stood nobody knows. */
  get again(): boolean {
    return this.regular && this.#path !== null;
  }

  /** Its descriptor; -1 for a named pipe that nobody reads yet. */
  get fd(): number {
    return this.#fd;
  }

  /** Forgets what is in a regular file that was opened here. @throws CaptureError */
  empty(): void {
    if (this.#path === null || !this.regular || this.#made) return;
    try {
      fs.ftruncateSync(this.#fd);
    } catch (cause) {
      throw failure(this.name, 0, "a file that can be emptied", cause);
    }
  }

  /** Reads up to as many bytes as `into` has, at byte `at` of the file or where its descriptor stands. 0: it has ended. */
  read(into: Uint8Array, at: number | null): number {
    for (let ms = AGAIN_LEAST_MS; ; ms = Math.min(ms * 2, AGAIN_MOST_MS)) {
      let n: number;
      try {
        n = fs.readSync(this.#fd, into, 0, into.length, at);
      } catch (error) {
        n = unread(error);
      }
      if (this.#came(n)) return n;
      sleep(ms);
    }
  }

  /** The same without blocking. Once the file is closed, it has ended. */
  async readAsync(into: Uint8Array, at: number | null): Promise<number> {
    for (let ms = AGAIN_LEAST_MS; !this.#closed; ms = Math.min(ms * 2, AGAIN_MOST_MS)) {
      const n = await new Promise<number>((resolve, reject) => {
        fs.read(this.#fd, into, 0, into.length, at, (error, read) => {
          try {
            resolve(error === null ? read : unread(error));
          } catch {
            reject(error);
          }
        });
      });
      if (this.#came(n)) return n;
      await pause(ms);
    }
    return 0;
  }

  /** Whether what a read returned, or `NOTHING_YET`, is an answer. */
  #came(n: number): boolean {
    if (n > 0) this.#lonely = false;
    return n > 0 || (n === 0 && !this.#lonely);
  }

  /** Writes some of the views' bytes, in order. Returns how many. Throws once it is halted. */
  write(views: readonly Uint8Array[]): number {
    for (let ms = AGAIN_LEAST_MS; ; ms = Math.min(ms * 2, AGAIN_MOST_MS)) {
      if (this.#halt?.halted === true) throw new Error("an aborted one");
      try {
        if (this.#isRead()) return fs.writevSync(this.#fd, views);
      } catch (error) {
        if (codeOf(error) !== "EAGAIN") throw error;
      }
      if (this.#halt === null) sleep(ms);
      else this.#halt.sleep(ms);
    }
  }

  /** The same without blocking. Once the file is closed, it writes nothing. */
  async writeAsync(views: readonly Uint8Array[]): Promise<number> {
    for (let ms = AGAIN_LEAST_MS; !this.#closed; ms = Math.min(ms * 2, AGAIN_MOST_MS)) {
      try {
        if (this.#isRead()) {
          return await new Promise((resolve, reject) => {
            fs.writev(this.#fd, views, (error, n) => (error === null ? resolve(n) : reject(error)));
          });
        }
      } catch (error) {
        if (codeOf(error) !== "EAGAIN") throw error;
      }
      await pause(ms);
    }
    return 0;
  }

  /** Whether there is somebody who reads what is written: always, but for a named pipe. */
  #isRead(): boolean {
    if (this.#fd < 0) this.#fd = openPipe(this.#path as string);
    return this.#fd >= 0;
  }

  /** Lets go of it. A read that is under way ends. @throws CaptureError: what was written may not have arrived */
  close(offset: number): void {
    this.stop();
    this.#unclaim();
    if (!this.#own || this.#fd < 0) return;
    try {
      fs.closeSync(this.#fd);
    } catch (cause) {
      throw failure(this.name, offset, "a file that can be closed", cause);
    }
  }

  /** Ends a `readAsync` or `writeAsync` that waits, before it is closed. */
  stop(): void {
    this.#closed = true;
  }

  /** Lets go of it as if it had not been opened: one that was made here is removed. */
  abandon(): void {
    this.close(0);
    if (this.#made) fs.rmSync(this.#path as string, { force: true });
  }

  /** The error for what a system call threw. */
  failure(offset: number, wanted: string, cause: unknown): CaptureError {
    return failure(this.name, offset, wanted, cause);
  }
}

function failure(name: string, offset: number, wanted: string, cause: unknown): CaptureError {
  return new CaptureError(name, offset, wanted, cause instanceof Error ? cause.message : cause, { cause });
}

// ─── Opening ─────────────────────────────────────────────────────────────────────────────────────────────

/** What was opened, or taken. */
interface Opened {
  readonly fd: number;
  /** Whether it is closed here. */
  readonly own: boolean;
  readonly stat: fs.BigIntStats;
  readonly made: boolean;
  readonly lonely: boolean;
}

/** A read that says neither what there is nor that there will be nothing. */
const NOTHING_YET = -1;

/** What a read that failed has come to. Throws what is no answer. */
function unread(error: unknown): number {
  // What Windows says at the end of a pipe.
  if (codeOf(error) === "EOF") return 0;
  if (codeOf(error) === "EAGAIN") return NOTHING_YET;
  throw error;
}

function taken(fd: number): Opened {
  return { fd, own: false, stat: fs.fstatSync(fd, { bigint: true }), made: false, lonely: false };
}

function opening(fd: number): Opened {
  return { ...taken(fd), own: true };
}

/**
 * A thread that the system holds in a write to a pipe that nobody reads cannot be ended. So a pipe is opened once more, not to
 * block: its other users keep theirs as it is. Where the system has no /proc, or forbids that, it stays as it is.
 */
function takenOutput(fd: number): Opened {
  const given = taken(fd);
  if (!given.stat.isFIFO()) return given;
  try {
    // The end of it that is read would give one that is written.
    fs.writeSync(fd, new Uint8Array(0));
    return opening(fs.openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK));
  } catch {
    return given;
  }
}

function openInput(path: string): Opened {
  const opened = opening(fs.openSync(path, O_RDONLY | O_NONBLOCK));
  return { ...opened, lonely: opened.stat.isFIFO() && hasName(path) };
}

/** Whether a pipe has a name. /dev/stdin is no name: who stands at the other end of it was there before. */
function hasName(path: string): boolean {
  try {
    return fs.statSync(fs.realpathSync(path)).isFIFO();
  } catch {
    return false;
  }
}

function openOutput(path: string): Opened {
  try {
    return { ...opening(fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NONBLOCK, MODE)), made: true };
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
  const fd = openPipe(path);
  if (fd >= 0) return opening(fd);
  return { fd, own: true, stat: fs.statSync(path, { bigint: true }), made: false, lonely: true };
}

/** Opens what is there, whatever it is. Returns -1 for a named pipe that nobody reads. */
function openPipe(path: string): number {
  try {
    return fs.openSync(path, O_WRONLY | O_CREAT | O_NONBLOCK, MODE);
  } catch (error) {
    if (codeOf(error) === "ENXIO" && fs.statSync(path).isFIFO()) return -1;
    throw error;
  }
}
