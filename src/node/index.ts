/// <reference lib="esnext.disposable" preserve="true" />
// What connects packets to Node's files and sockets.

export { CaptureError, FramingError, TransportError } from "./errors.js";
export type { Framing } from "./framing.js";
export { Inbox } from "./inbox.js";
export { Outbox } from "./outbox.js";
export { type Source, sourceOf } from "./source.js";
export { StreamSender, type StreamSenderOptions, type StreamSenderStats } from "./stream-sender.js";
export type { Transmitter } from "./transmitter.js";
export { UdpReceiver, type UdpReceiverOptions, type UdpReceiverStats } from "./udp-receiver.js";
export { UdpSender, type UdpSenderOptions, type UdpSenderStats } from "./udp-sender.js";
export type { UdpType } from "./udp-socket.js";
