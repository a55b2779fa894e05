// A capture that the user dropped: where its packets are. The parsers are those of CaptureReader.

import { type CaptureBytes, type CaptureFormat, hex } from "../src/node/capture-format.js";
import { CaptureError } from "../src/node/errors.js";
import { PcapFormat } from "../src/node/pcap.js";
import { PcapngFormat } from "../src/node/pcapng.js";
import type { Records } from "./protocol.js";

/** Bytes of a file that are read: they are to fit an arena that one can look at. */
export const CAPTURE_MOST = 16 * 1024 * 1024;
/** What one linear head holds, less its headroom. */
const LONGEST = 131_008;
const MAGIC_BYTES = 4;

/** A file that is there as a whole. */
class FileBytes implements CaptureBytes {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  position = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get available(): number {
    return this.#bytes.length - this.position;
  }

  u16(offset: number, little: boolean): number {
    return this.#view.getUint16(this.position + offset, little);
  }

  u32(offset: number, little: boolean): number {
    return this.#view.getUint32(this.position + offset, little);
  }

  copy(offset: number, n: number): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(this.position + offset, this.position + offset + n);
  }

  skip(n: number): void {
    this.position += n;
  }
}

export interface Capture extends Records {
  readonly name: string;
  readonly format: "pcap" | "pcapng";
  /** Bytes of its packets. */
  readonly total: number;
  /** Why not all of the file is replayed; null if all is. */
  readonly cut: string | null;
}

/**
 * Finds the packets of a capture.
 *
 * @throws CaptureError if it is none, or has no packet before the fault
 */
export async function readCapture(file: File): Promise<Capture> {
  const bytes = new Uint8Array(await file.slice(0, CAPTURE_MOST).arrayBuffer());
  const stream = new FileBytes(bytes);
  const fault = (offset: number, wanted: string, got: unknown): CaptureError =>
    new CaptureError(file.name, stream.position + offset, wanted, got);
  const [offsets, lengths]: [number[], number[]] = [[], []];
  let total = 0;
  let cut = file.size > CAPTURE_MOST ? `the first ${CAPTURE_MOST / 1024 / 1024} MiB of it` : null;
  const format = formatOf(stream, fault);
  const short = (): CaptureError =>
    format.unfinished() ?? fault(0, format.wanted, `${stream.available} bytes and the end of the file`);
  if (format.start() !== 0) throw short();
  try {
    while (format.find() === 0) {
      const { offset, captured, after } = format.packet;
      if (captured > 0) {
        offsets.push(stream.position + offset);
        lengths.push(captured);
        total += captured;
      }
      stream.skip(offset + captured + after);
    }
    if (cut === null && !(format.between && stream.available === 0)) throw short();
  } catch (error) {
    if (!(error instanceof CaptureError) || offsets.length === 0) throw error;
    cut = `what lies before a fault: ${error.message}`;
  }
  if (format.skipped > 0)
    cut = `${cut === null ? "" : `${cut}, and of that only `}packets of at most ${LONGEST} bytes (${format.skipped} are longer)`;
  if (offsets.length === 0) throw fault(0, "a packet", "the end of the file");
  const packets = { offsets: Uint32Array.from(offsets), lengths: Uint32Array.from(lengths) };
  return { name: file.name, format: format.name, bytes, total, cut, ...packets };
}

function formatOf(
  stream: FileBytes,
  fault: (offset: number, wanted: string, got: unknown) => CaptureError,
): CaptureFormat {
  if (stream.available < MAGIC_BYTES)
    throw fault(0, "a capture, pcap or pcapng", `a file of ${stream.available} bytes`);
  const format =
    PcapFormat.of(stream, fault, LONGEST) ?? PcapngFormat.of(stream, fault, LONGEST, CAPTURE_MOST);
  if (format === null) throw fault(0, "a capture, pcap or pcapng", hex(stream.u32(0, false)));
  return format;
}
