/// <reference lib="esnext.disposable" preserve="true" />
/**
 * What connects packets to the web's sockets and streams: in browsers, and wherever else there are such.
 *
 * @module skbuff/web
 */

export { FramingError, TransportError } from "../io/errors.js";
export type { Framing } from "../io/framing.js";
export { Inbox } from "../io/inbox.js";
export { Outbox } from "../io/outbox.js";
export type { PacketSource } from "../io/packet-source.js";
export { StreamInbox, type StreamReceiverOptions, type StreamReceiverStats } from "../io/stream-inbox.js";
export type { Transmitter } from "../io/transmitter.js";
export { readablePackets, writablePackets } from "./packet-streams.js";
export type { WebSocketLike } from "./web-socket.js";
export {
  WebSocketReceiver,
  type WebSocketReceiverOptions,
  type WebSocketReceiverStats,
} from "./web-socket-receiver.js";
export {
  WebSocketSender,
  type WebSocketSenderOptions,
  type WebSocketSenderStats,
} from "./web-socket-sender.js";
export { WebStreamReceiver, type WebStreamReceiverOptions } from "./web-stream-receiver.js";
export {
  WebStreamSender,
  type WebStreamSenderOptions,
  type WebStreamSenderStats,
} from "./web-stream-sender.js";
