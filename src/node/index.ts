/// <reference lib="esnext.disposable" preserve="true" />
/**
 * What connects packets to Node's files and sockets: captures, UDP, streams, taps.
 *
 * @module skbuff/node
 */

export { FramingError, TransportError } from "../io/errors.js";
export type { Framing } from "../io/framing.js";
export { Inbox } from "../io/inbox.js";
export { Outbox } from "../io/outbox.js";
export { StreamInbox, type StreamReceiverOptions, type StreamReceiverStats } from "../io/stream-inbox.js";
export type { Transmitter } from "../io/transmitter.js";
export type { CaptureInterface } from "./capture-format.js";
export {
  type CaptureNote,
  interfaceOf,
  linkTypeOf,
  noteCapture,
  originalLengthOf,
  timeOf,
} from "./capture-note.js";
export { CaptureReader, type CaptureReaderOptions, type CaptureReaderStats } from "./capture-reader.js";
export type { Resolution } from "./capture-records.js";
export { CaptureWriter, type CaptureWriterOptions, type CaptureWriterStats } from "./capture-writer.js";
export { threadCpuTime } from "./cpu.js";
export { CaptureError } from "./errors.js";
export { type StreamConnectOptions, StreamReceiver } from "./stream-receiver.js";
export { StreamSender, type StreamSenderOptions, type StreamSenderStats } from "./stream-sender.js";
export { Tap, type TapOptions, type TapStats } from "./tap.js";
export {
  answerTo,
  destinationOf,
  setDestination,
  sourceOf,
  type UdpAddress,
  type UdpDestination,
} from "./udp-address.js";
export type { UdpType } from "./udp-open.js";
export { UdpReceiver, type UdpReceiverOptions, type UdpReceiverStats } from "./udp-receiver.js";
export { UdpSender, type UdpSenderOptions, type UdpSenderStats } from "./udp-sender.js";
export {
  type UdpMulticastOptions,
  UdpSocket,
  type UdpSocketOptions,
  type UdpSocketStats,
} from "./udp-socket.js";
