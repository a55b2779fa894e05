// What of a WebSocket the sender and the receiver use.

import { ArgumentTypeError } from "../errors.js";
import type { UnsharedBytes } from "../skb.js";

/** A WebSocket: a browser's, Node's, Deno's, Bun's, or one of the package `ws`. */
export interface WebSocketLike {
  /** Set to `arraybuffer` by a receiver. */
  binaryType: string;
  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  readonly readyState: number;
  /** Bytes that were sent and have not left yet. */
  readonly bufferedAmount: number;
  /** Sends a binary message. */
  send(data: UnsharedBytes): void;
  /** Begins to close. */
  close(): void;
  /** As an EventTarget has it. Every library types it in its own way, which `never` lets pass. */
  addEventListener(...typeAndListener: never[]): void;
  /** Undoes it. */
  removeEventListener(...typeAndListener: never[]): void;
}

/** The types of events, and who is told of them. */
export type Listeners = readonly (readonly [string, (event: never) => void])[];

/** Adds the listeners to a socket. */
export function listen(socket: WebSocketLike, listeners: Listeners): void {
  for (const listener of listeners) socket.addEventListener(...(listener as unknown as never[]));
}

/** Takes them away. */
export function unlisten(socket: WebSocketLike, listeners: Listeners): void {
  for (const listener of listeners) socket.removeEventListener(...(listener as unknown as never[]));
}

/** What of the event that says that a WebSocket was closed is looked at. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

// `readyState`.
export const CONNECTING = 0;
export const CLOSING = 2;
export const CLOSED = 3;

/** Returns `socket` if it looks like a WebSocket. @throws ArgumentTypeError */
export function checkSocket<W extends WebSocketLike>(socket: W): W {
  if (
    typeof socket?.send === "function" &&
    typeof socket.addEventListener === "function" &&
    typeof socket.readyState === "number"
  )
    return socket;
  throw new ArgumentTypeError("socket", "a WebSocket", socket);
}

/** Closes a socket without waiting for the peer, if it can (`ws` can); else as soon as that has answered. */
export function breakOff(socket: WebSocketLike): void {
  const { terminate } = socket as { terminate?: () => void };
  if (typeof terminate === "function") terminate.call(socket);
  else socket.close();
}

/** How a socket was closed, for messages. */
export function closing({ code, reason, wasClean }: Closed): string {
  const how = wasClean ? "a closed one" : "one that broke off";
  return `${how} (code ${code}${reason === "" ? "" : `, ${reason}`})`;
}

/** Codes with which a peer ends what went well: normal, going away, none given. */
const NORMAL = [1000, 1001, 1005];

/** Whether the peer has said all that it wanted to. */
export function endedWell({ code, wasClean }: Closed): boolean {
  return wasClean && NORMAL.includes(code);
}
