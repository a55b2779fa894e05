// What sender and receiver of datagrams have in common: where a host is, and how a socket comes up.

import { createSocket, type Socket, type SocketOptions } from "node:dgram";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { isIP } from "node:net";
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

/** Looks a host up, once. @throws TransportError (as a rejection) */
export async function find(host: string, type: UdpType | undefined): Promise<Place> {
  const version = isIP(host);
  if (version !== 0 && type === undefined) return { address: host, type: version === 6 ? "udp6" : "udp4" };
  try {
    const { address, family } = await lookup(host, type === undefined ? 0 : type === "udp6" ? 6 : 4);
    return { address, type: type ?? (family === 6 ? "udp6" : "udp4") };
  } catch (error) {
    throw new TransportError("host", "one that has an address", codeOf(error), { cause: error });
  }
}

/** Closes the socket of an engine that was closed while it came up. @throws EngineClosedError */
export function checkStillOpen(engine: Engine, socket: Socket): void {
  if (engine.closed) socket.close();
  checkOpen(engine);
}

/**
 * A socket that `start` has brought to the event that `until` names.
 *
 * @throws TransportError (as a rejection)
 */
export async function opened(
  options: SocketOptions,
  until: "connect" | "listening",
  wanted: string,
  start: (socket: Socket) => void,
): Promise<Socket> {
  const socket = createSocket(options);
  try {
    const event = once(socket, until);
    start(socket);
    await event;
    return socket;
  } catch (error) {
    socket.close();
    throw new TransportError("socket", wanted, codeOf(error), { cause: error });
  }
}
