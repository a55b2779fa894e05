// Which files this thread has open as captures, and for what. None may be written while it is read, or by two at once: the
// packets that are still to be read would be overwritten, and whoever copies a file onto itself never comes to its end.

import fs from "node:fs";
import { isatty } from "node:tty";

/** Read or written. */
export type Use = "r" | "w";

/** A file that is in use. */
interface Open {
  /** -1 for a pipe that is opened when somebody reads it. */
  readonly fd: number;
  readonly identity: string;
  readonly use: Use;
}

const open = new Set<Open>();

/**
 * What a file is, the same for every path, link and descriptor of it. null for what several may use at once: a socket has two
 * directions, and a device that is no terminal keeps nothing, as /dev/null.
 */
function identityOf(stat: fs.BigIntStats, fd: number): string | null {
  if (stat.isSocket()) return null;
  if (stat.isCharacterDevice()) return isatty(fd) ? `terminal ${stat.rdev}` : null;
  // Windows has no number for a pipe.
  return stat.ino === 0n ? null : `${stat.dev} ${stat.ino}`;
}

/** Whether a descriptor still leads to what it led to: its owner may have closed it, and the number be another file's. */
function isStill({ fd, identity }: Open): boolean {
  if (fd < 0) return true;
  try {
    return identityOf(fs.fstatSync(fd, { bigint: true }), fd) === identity;
  } catch {
    return false;
  }
}

/**
 * Says that a file is in use from now on. Returns what ends that; or, if it is in a use already that does not go with this
 * one, that use.
 */
export function claim(stat: fs.BigIntStats, fd: number, use: Use): (() => void) | Use {
  const identity = identityOf(stat, fd);
  if (identity === null) return () => {};
  for (const other of open) {
    if (other.identity !== identity || (use === "r" && other.use === "r")) continue;
    if (isStill(other)) return other.use;
    open.delete(other);
  }
  const own = { fd, identity, use };
  open.add(own);
  return () => void open.delete(own);
}
