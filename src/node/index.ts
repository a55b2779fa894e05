// What connects packets to Node's files and sockets.

export { CaptureError, FramingError, TransportError } from "./errors.js";
