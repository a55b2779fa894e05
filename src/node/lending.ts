// Which streams can be lent the bytes of a packet: those that do not look at them any more once they have called back.

import { WriteStream } from "node:fs";
import { Socket } from "node:net";
import { Writable } from "node:stream";
import { isMainThread } from "node:worker_threads";

/**
 * Whether a stream is one of Node's that has done with the bytes when it calls back, always calls back, and does so no
 * earlier, even if it is destroyed meanwhile:
 *
 * - sockets, of TLS too, and pipes: libuv calls back when the system has taken the bytes, or when the closed handle has given
 *   them up; TLS has encrypted them by then;
 * - files: a write in the thread pool is waited for before the file is closed;
 * - standard output and error of the main thread, which are one of these, or write at once. In a worker they are not: there
 *   the bytes travel to the main thread by message, which shares shared memory.
 *
 * Others may hold on to the bytes, as every Transform can that passes them on, and so may whoever has replaced a method. zlib
 * does not, but when it is destroyed it may never call back, and nothing else tells when its thread has stopped reading.
 */
export function isDoneWhenCalled(stream: Writable): boolean {
  // Whoever replaced `write` looks at what comes, and may keep it.
  if (stream.write !== Writable.prototype.write) return false;
  if (isStandard(stream)) return isMainThread;
  const type = stream instanceof Socket ? Socket : stream instanceof WriteStream ? WriteStream : null;
  if (type === null) return false;
  const { _write, _writev } = type.prototype as Writable;
  return stream._write === _write && stream._writev === _writev;
}

/** Whether a stream is the process's, which is not ended with whoever writes to it. */
export function isStandard(stream: Writable): boolean {
  return stream === process.stdout || stream === process.stderr;
}
