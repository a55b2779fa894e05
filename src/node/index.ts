// What connects packets to Node's files and sockets.

export type { CaptureInterface } from "./capture-format.js";
export { type CaptureNote, interfaceOf, linkTypeOf, noteCapture, originalLengthOf } from "./capture-note.js";
export { CaptureReader, type CaptureReaderOptions, type CaptureReaderStats } from "./capture-reader.js";
export type { Resolution } from "./capture-records.js";
export { CaptureWriter, type CaptureWriterOptions, type CaptureWriterStats } from "./capture-writer.js";
export { CaptureError, FramingError, TransportError } from "./errors.js";
