// The only place that writes to standard output and standard error: it knows whether what was to be said could be.

import fs from "node:fs";
import { plain } from "./plain.js";
import { alarm } from "./table.js";

/** What a result is written to. */
type Stream = typeof process.stdout | typeof process.stderr;

/** What was to be said could not be. */
class UnsaidError extends Error {}

// A stream also says of itself that it has failed, and the process would die of it. Who writes learns it anyway; of standard
// error nobody can be told.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

/** Writes a result, and a line's end. Resolves when the system has it. Rejects if it does not take it. */
export async function print(text: string, stream: Stream): Promise<void> {
  const line = `${text.replace(/\n$/, "")}\n`;
  try {
    if (fs.fstatSync(stream.fd).isFile()) writeFile(stream.fd, Buffer.from(line));
    else
      await new Promise<void>((resolve, reject) => {
        stream.write(line, (error) => (error == null ? resolve() : reject(error)));
      });
  } catch (cause) {
    const name = stream.fd === 1 ? "standard output" : "standard error";
    throw new UnsaidError(`${name}: ${(cause as Error).message}`, { cause });
  }
}

/** All of it: a stream would take for written what a disk that is nearly full took a part of. */
function writeFile(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done);
}

/** Says something beside the result. */
export function say(text: string): void {
  process.stderr.write(`skbuff: ${plain(text)}\n`);
}

/** Says what went wrong; but not to a reader that has stopped, and knows it. */
export function sayError(error: unknown): void {
  if (error instanceof UnsaidError && (error.cause as NodeJS.ErrnoException).code === "EPIPE") return;
  const text = plain(`skbuff: ${error instanceof Error ? error.message : error}`);
  process.stderr.write(`${alarm(text, process.stderr)}\n`);
}
