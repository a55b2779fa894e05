// How UDP sockets come up: where a host is, and a socket that is bound or connected.

import { createSocket, type Socket, type SocketOptions } from "node:dgram";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { isIP } from "node:net";
import { type AbortSignalLike, onAbort } from "../abort.js";
import { checkOneOf, checkString } from "../check.js";
import { checkOpen } from "../driver.js";
import type { Engine } from "../engine.js";
import { codeOf, TransportError } from "../io/errors.js";

/** Bytes: what the system takes for the size of a buffer is an int. */
export const BUFFER_MOST = 2 ** 31 - 1;

/** `udp4` or `udp6`. */
export type UdpType = "udp4" | "udp6";

/** Where a host is, and by which protocol. */
export interface Place {
  readonly address: string;
  readonly type: UdpType;
}

/** Checks what says where a host is. Returns the host. @throws ArgumentTypeError */
export function checkHost(host: string | undefined, type: UdpType | undefined): string {
  if (type !== undefined) checkOneOf("type", type, ["udp4", "udp6"]);
  return checkString("host", host);
}

/** What `promise` gives, unless the signal is aborted before: then its reason. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignalLike | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => reject(signal.reason));
    if (signal.aborted) reject(signal.reason);
    promise.then(resolve, reject).finally(forget);
  });
}

/** @throws the reason of a signal that is aborted */
function checkAborted(signal: AbortSignalLike | undefined): void {
  if (signal?.aborted === true) throw signal.reason;
}

/** Looks a host up, once. @throws TransportError, the reason of the signal (as rejections) */
export async function find(
  host: string,
  type: UdpType | undefined,
  signal?: AbortSignalLike,
): Promise<Place> {
  checkAborted(signal);
  const version = isIP(host);
  if (version !== 0 && type === undefined) return { address: host, type: version === 6 ? "udp6" : "udp4" };
  try {
    const asked = lookup(host, type === undefined ? 0 : type === "udp6" ? 6 : 4);
    const { address, family } = await unlessAborted(asked, signal);
    return { address, type: type ?? (family === 6 ? "udp6" : "udp4") };
  } catch (error) {
    checkAborted(signal);
    throw new TransportError("host", "one that has an address", codeOf(error), { cause: error });
  }
}

/**
 * A socket that `open` has brought up. If it can't, or the engine was closed meanwhile, nothing is left open.
 *
 * @throws what `open` throws; EngineClosedError (as rejections)
 */
export async function opened(
  engine: Engine,
  options: SocketOptions,
  open: (socket: Socket) => Promise<void>,
): Promise<Socket> {
  // Addresses were looked up already. Node's own way takes a turn of the event loop even for those, and until then the system
  // would not have the bytes that were sent: whoever sends relies on that.
  const literal = { lookup: lookedUp } as unknown as SocketOptions;
  const socket = createSocket({ ...options, ...literal });
  try {
    await open(socket);
    checkOpen(engine);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

function lookedUp(
  address: string,
  family: number,
  done: (error: null, address: string, family: number) => void,
): void {
  done(null, address, family);
}

/**
 * Waits for the event that `start` brings.
 *
 * @throws TransportError, the reason of the signal (as rejections)
 */
export async function reached(
  socket: Socket,
  until: "connect" | "listening",
  wanted: string,
  start: () => void,
  signal?: AbortSignalLike,
): Promise<void> {
  await attempted(wanted, signal, async () => {
    const event = once(socket, until);
    // Whoever is told first that it is aborted need not wait for this one.
    event.catch(() => {});
    start();
    await unlessAborted(event, signal);
  });
}

/** Runs what the system may refuse. @throws TransportError, the reason of the signal (as rejections) */
export async function attempted(
  wanted: string,
  signal: AbortSignalLike | undefined,
  run: () => Promise<void>,
): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    throw new TransportError("socket", wanted, codeOf(error), { cause: error });
  }
}

/** Closes a socket. Resolves when it is closed, also if somebody else has done it. */
export function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    try {
      socket.close(resolve);
    } catch {
      resolve();
    }
  });
}
