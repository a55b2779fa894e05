// How a UDP socket comes up, and where its host is.

import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { isIP } from "node:net";
import { onAbort } from "../abort.js";
import { checkInteger, checkOneOf, checkOptions, checkString, type Names } from "../check.js";
import type { Engine } from "../engine.js";
import { ArgumentTypeError } from "../errors.js";
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

/** Looks a host up, once. @throws TransportError, the reason of `signal` (as rejections) */
export async function find(
  host: string,
  type: UdpType | undefined,
  signal: AbortSignal | undefined,
): Promise<Place> {
  const version = isIP(host);
  if (version !== 0 && type === undefined) return { address: host, type: version === 6 ? "udp6" : "udp4" };
  try {
    const looked = lookup(host, type === undefined ? 0 : type === "udp6" ? 6 : 4);
    const { address, family } = await orAborted(looked, signal);
    return { address, type: type ?? (family === 6 ? "udp6" : "udp4") };
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    throw new TransportError("host", "one that has an address", codeOf(error), { cause: error });
  }
}

/** `promise`, unless `signal` is aborted before. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => reject(signal.reason));
    promise.then(resolve, reject).finally(forget);
  });
}

/** What a socket is told before it is anywhere, and once it is. */
export interface UdpSettings {
  readonly type: UdpType;
  readonly sendBuffer?: number | undefined;
  readonly receiveBuffer?: number | undefined;
  readonly reuseAddr?: boolean | undefined;
  readonly broadcast?: boolean | undefined;
  readonly ttl?: number | undefined;
  readonly multicast?: MulticastOptions | undefined;
}

/** How multicast datagrams are sent and received. */
export interface MulticastOptions {
  /** Addresses of the groups whose datagrams are received. Default: none. */
  groups?: readonly string[];
  /** Routers that a datagram may pass, 0..255. Default: the system's, 1. */
  ttl?: number;
  /** Whether sockets of this machine get what this one sends. Default: the system's, true. */
  loopback?: boolean;
  /**
   * By which interface groups are joined and datagrams are sent: an address of it, or for IPv6 `::%eth0`. Default: the system's
   * choice.
   */
  interface?: string;
}

const MULTICAST: Names<MulticastOptions> = { groups: true, ttl: true, loopback: true, interface: true };

/** Returns `multicast` if it is in order. @throws ArgumentTypeError, ArgumentRangeError */
export function checkMulticast(multicast: MulticastOptions | undefined): MulticastOptions | undefined {
  if (multicast === undefined) return undefined;
  const { groups = [], ttl, loopback } = checkOptions(multicast, MULTICAST);
  if (!Array.isArray(groups)) throw new ArgumentTypeError("groups", "an array", groups);
  for (const group of groups) checkString("group", group);
  if (ttl !== undefined) checkInteger("ttl", ttl, 0, 255);
  if (loopback !== undefined) checkOneOf("loopback", loopback, [true, false]);
  if (multicast.interface !== undefined) checkString("interface", multicast.interface);
  return multicast;
}

/**
 * A socket that is bound to `local`, if there is one, and connected to `peer`, if there is one.
 *
 * @throws TransportError, the reason of `signal` (as rejections): then nothing is left open
 */
export async function opened(
  engine: Engine,
  settings: UdpSettings,
  local: { readonly address: string | undefined; readonly port: number } | null,
  peer: { readonly address: string; readonly port: number } | null,
  wanted: string,
  signal: AbortSignal | undefined,
): Promise<Socket> {
  const { sendBuffer, receiveBuffer, reuseAddr } = settings;
  const socket = createSocket({
    type: settings.type,
    // Every address is one by now: to look it up would put off each datagram by a turn.
    lookup: (address, _options, done) => done(null, address, 0),
    ...(sendBuffer === undefined ? {} : { sendBufferSize: sendBuffer }),
    ...(receiveBuffer === undefined ? {} : { recvBufferSize: receiveBuffer }),
    ...(reuseAddr === undefined ? {} : { reuseAddr }),
  });
  try {
    if (local !== null) {
      const listening = once(socket, "listening");
      socket.bind(local.port, local.address);
      await orAborted(listening, signal);
      tell(socket, settings);
    }
    if (peer !== null) {
      const connected = once(socket, "connect");
      socket.connect(peer.port, peer.address);
      await orAborted(connected, signal);
    }
  } catch (error) {
    close(socket);
    if (signal?.aborted === true) throw signal.reason;
    throw new TransportError("socket", wanted, codeOf(error), { cause: error });
  }
  // The engine may have been closed while the socket came up.
  if (engine.closed) close(socket);
  engine._open();
  return socket;
}

function tell(socket: Socket, { broadcast, ttl, multicast }: UdpSettings): void {
  if (broadcast !== undefined) socket.setBroadcast(broadcast);
  if (ttl !== undefined) socket.setTTL(ttl);
  if (multicast === undefined) return;
  const { groups = [], ttl: hops, loopback, interface: by } = multicast;
  if (hops !== undefined) socket.setMulticastTTL(hops);
  if (loopback !== undefined) socket.setMulticastLoopback(loopback);
  if (by !== undefined) socket.setMulticastInterface(by);
  for (const group of groups) socket.addMembership(group, by);
}

/** Closes a socket. Resolves when it is closed, also if somebody else has done it. */
export function close(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    try {
      socket.close(resolve);
    } catch {
      resolve();
    }
  });
}
