// What a replay reads and writes, looked at before anything is opened for good: so that no file is emptied in vain, and none
// is both.

import fs from "node:fs";
import { isatty } from "node:tty";

/** What stands for standard input and output. */
const STANDARD = "-";
const { O_WRONLY, O_CREAT, O_EXCL, O_NONBLOCK = 0 } = fs.constants;
const MODE = 0o666;
/** Milliseconds between looks whether somebody reads a named pipe. */
const PIPE_MS = 50;

/** Where packets are read from. */
export interface Input {
  /** For people. */
  readonly name: string;
  /** For CaptureReader. */
  readonly file: string | number;
  /** Whether its bytes are there for a second time. */
  readonly again: boolean;
  readonly identity: string | null;
}

/**
 * What a file is, the same for each of its paths, links and descriptors. null for what may be read and written at once: a
 * socket, which has two directions, and a device that keeps nothing, as /dev/null.
 */
function identityOf(stat: fs.BigIntStats, fd: number | null): string | null {
  if (stat.isSocket()) return null;
  if (stat.isCharacterDevice()) return fd !== null && isatty(fd) ? `terminal ${stat.rdev}` : null;
  return stat.ino === 0n ? null : `${stat.dev} ${stat.ino}`;
}

/** Looks at what is to be read; it is opened by the thread that reads it. */
export function lookAtInput(file: string): Input {
  const standard = file === STANDARD;
  const name = standard ? "standard input" : file;
  if (standard && isatty(0))
    throw new Error("standard input is a terminal: pipe a capture into it, or name a file");
  const stat = standard ? fs.fstatSync(0, { bigint: true }) : fs.statSync(file, { bigint: true });
  if (stat.isDirectory()) throw new Error(`${name} is a folder`);
  if (!standard) fs.accessSync(file, fs.constants.R_OK);
  // Node makes its descriptor one that does not block: then a read of it can be given up.
  if (standard && !stat.isFile()) void process.stdin;
  return {
    name,
    file: standard ? 0 : file,
    again: stat.isFile(),
    identity: identityOf(stat, standard ? 0 : null),
  };
}

/** Whether what is written to a path goes to standard output: where nothing else may go then. */
export function isStandardOutput(path: string): boolean {
  return path === STANDARD || isDescriptor(path, 1);
}

/** Whether two descriptors lead to the same, other than a terminal or a device that keeps nothing. */
function isSameFile(a: number, b: number): boolean {
  const [one, other] = [a, b].map((fd) => identityOf(fs.fstatSync(fd, { bigint: true }), null));
  return one !== null && one === other;
}

/** Whether a path leads to what one of the three standard descriptors is open on. */
function isDescriptor(path: string, fd: number): boolean {
  try {
    const identity = identityOf(fs.statSync(path, { bigint: true }), null);
    return identity !== null && identity === identityOf(fs.fstatSync(fd, { bigint: true }), null);
  } catch {
    return false;
  }
}

/** Where packets are written. */
export class Output {
  /** For people. */
  readonly name: string;
  readonly fd: number;
  /** Whether it can be read when it is written. */
  readonly again: boolean;
  /** Its path, if it was opened here. */
  readonly #path: string | null;
  /** Whether there was none before. */
  readonly #made: boolean;

  private constructor(name: string, fd: number, path: string | null, made: boolean) {
    this.name = name;
    this.fd = fd;
    this.again = path !== null && fs.fstatSync(fd).isFile();
    this.#path = path;
    this.#made = made;
  }

  /**
   * Opens a file, and leaves what is in it. Waits for somebody who reads a named pipe, and calls `waits` if so. Throws for one
   * that is the input, too, or cannot be written.
   */
  static async open(path: string, input: Input, waits: () => void, signal?: AbortSignal): Promise<Output> {
    if (isStandardOutput(path) ? isSameFile(1, 2) : isDescriptor(path, 2))
      throw new Error(`${path} is standard error, too: what is said there would go into the capture`);
    if (isStandardOutput(path)) {
      if (isatty(1))
        throw new Error("standard output is a terminal: redirect the capture into a file or a pipe");
      const stat = fs.fstatSync(1, { bigint: true });
      if (isSame(stat, 1, input))
        throw new Error(
          `standard output is ${input.name}, too: what the shell has not emptied already would be overwritten`,
        );
      return new Output("standard output", 1, null, false);
    }
    const { fd, made } = await openForWriting(path, input, waits, signal);
    try {
      const stat = fs.fstatSync(fd, { bigint: true });
      if (isatty(fd)) throw new Error(`${path} is a terminal: name a file or a pipe`);
      if (isSame(stat, fd, input)) throw sameFile(path, input);
      return new Output(path, fd, path, made);
    } catch (error) {
      fs.closeSync(fd);
      throw error;
    }
  }

  /** Lets go of it as it was found. */
  abandon(): void {
    this.close();
    if (this.#made) fs.rmSync(this.#path as string, { force: true });
  }

  close(): void {
    if (this.#path !== null) fs.closeSync(this.fd);
  }
}

function isSame(stat: fs.BigIntStats, fd: number | null, input: Input): boolean {
  return input.identity !== null && identityOf(stat, fd) === input.identity;
}

function sameFile(path: string, { name }: Input): Error {
  return new Error(
    path === name
      ? `${path} cannot be input and output: it would be overwritten before it is read`
      : `${path} is the same file as ${name}: it would be overwritten before it is read`,
  );
}

async function openForWriting(
  path: string,
  input: Input,
  waits: () => void,
  signal?: AbortSignal,
): Promise<{ fd: number; made: boolean }> {
  try {
    return { fd: fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NONBLOCK, MODE), made: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  for (let waited = false; ; ) {
    try {
      return { fd: fs.openSync(path, O_WRONLY | O_CREAT | O_NONBLOCK, MODE), made: false };
    } catch (error) {
      // What the system says of a named pipe that nobody reads.
      const stat =
        (error as NodeJS.ErrnoException).code === "ENXIO" ? fs.statSync(path, { bigint: true }) : null;
      if (stat?.isFIFO() !== true) throw error;
      // It would be read by this process, which waits.
      if (isSame(stat, null, input)) throw sameFile(path, input);
    }
    if (signal?.aborted === true) throw new Error(`interrupted: nobody reads ${path}`);
    if (!waited) waits();
    waited = true;
    await new Promise((resolve) => setTimeout(resolve, PIPE_MS));
  }
}
