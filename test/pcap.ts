// The classic capture format, as far as the tests need it: the frames of a file, in order.

const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const MAGIC_NANOSECONDS = 0xa1b23c4d;
const FILE_HEADER = 24;
const FRAME_HEADER = 16;

export interface Frame {
  /** As it was captured, perhaps less than was on the wire. */
  readonly bytes: Uint8Array;
  /** Bytes that were on the wire. */
  readonly length: number;
}

/** Reads a file of either byte order. Returns null if it is no such file. A frame cut off at the end is left out. */
export function readPcap(file: Uint8Array): { linkType: number; frames: Frame[] } | null {
  if (file.length < FILE_HEADER) return null;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const little = [MAGIC_MICROSECONDS, MAGIC_NANOSECONDS].includes(view.getUint32(0, true));
  if (!little && ![MAGIC_MICROSECONDS, MAGIC_NANOSECONDS].includes(view.getUint32(0, false))) return null;
  const frames: Frame[] = [];
  for (let at = FILE_HEADER; at + FRAME_HEADER <= file.length; ) {
    const captured = view.getUint32(at + 8, little);
    const length = view.getUint32(at + 12, little);
    at += FRAME_HEADER;
    if (captured > file.length - at) break;
    frames.push({ bytes: file.slice(at, at + captured), length });
    at += captured;
  }
  return { linkType: view.getUint32(20, little), frames };
}
