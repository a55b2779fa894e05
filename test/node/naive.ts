// Both formats of captures, read as their specifications say it: whole files, one field after the other, times as BigInts.
// For well-formed files only; shares nothing with the library.

export interface Frame {
  readonly bytes: Uint8Array;
  /** Bytes that were on the wire. */
  readonly length: number;
  /** Nanoseconds since 1970, modulo 2^64. */
  readonly time: bigint;
  readonly linkType: number;
  /** Counted over all sections. */
  readonly interface: number;
  /** Byte of the file behind its record. */
  readonly end: number;
}

export interface Capture {
  readonly format: "pcap" | "pcapng";
  readonly frames: Frame[];
  /** Bytes of the file behind which it may end: after each record. */
  readonly ends: number[];
  readonly interfaces: { linkType: number; snapLength: number; name: string }[];
}

export function readNaively(file: Uint8Array): Capture {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  return view.getUint32(0) === 0x0a0d0d0a ? readBlocks(file, view) : readRecords(file, view);
}

function readRecords(file: Uint8Array, view: DataView): Capture {
  const magics = [0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34];
  const little = magics.includes(view.getUint32(0, true));
  const magic = view.getUint32(0, little);
  const linkType = view.getUint32(20, little) & 0xffff;
  const frames: Frame[] = [];
  const ends = [24];
  for (let at = 24; at < file.length; ) {
    const seconds = BigInt(view.getUint32(at, little));
    const fraction = BigInt(view.getUint32(at + 4, little));
    const time = seconds * 1_000_000_000n + fraction * (magic === 0xa1b23c4d ? 1n : 1000n);
    const captured = view.getUint32(at + 8, little);
    const length = view.getUint32(at + 12, little);
    at += magic === 0xa1b2cd34 ? 24 : 16;
    const bytes = file.slice(at, at + captured);
    at += captured;
    frames.push({ bytes, length, time, linkType, interface: 0, end: at });
    ends.push(at);
  }
  const snapLength = view.getUint32(16, little);
  return { format: "pcap", frames, ends, interfaces: [{ linkType, snapLength, name: "" }] };
}

interface Described {
  linkType: number;
  snapLength: number;
  name: string;
  resolution: number;
  offset: bigint;
}

function readBlocks(file: Uint8Array, view: DataView): Capture {
  const frames: Frame[] = [];
  const ends: number[] = [];
  const all: Described[] = [];
  let first = 0;
  let little = true;
  for (let at = 0; at < file.length; ) {
    let type = view.getUint32(at, little);
    if (type === 0x0a0d0d0a) {
      little = view.getUint32(at + 8, true) === 0x1a2b3c4d;
      first = all.length;
    }
    type = view.getUint32(at, little);
    const total = view.getUint32(at + 4, little);
    if (total < 12) throw new Error(`a block of ${total} bytes at ${at}`);
    const end = at + total;
    const frame = (number: number, data: number, captured: number, length: number, ticks: bigint): void => {
      const from = all[first + number] as Described;
      const time = type === 3 ? 0n : timeOf(ticks, from);
      const bytes = file.slice(data, data + captured);
      frames.push({ bytes, length, time, linkType: from.linkType, interface: first + number, end });
    };
    if (type === 1) all.push(describe(view, at, end, little, file));
    if (type === 2 || type === 6) {
      const number = type === 2 ? view.getUint16(at + 8, little) : view.getUint32(at + 8, little);
      const ticks =
        (BigInt(view.getUint32(at + 12, little)) << 32n) | BigInt(view.getUint32(at + 16, little));
      frame(number, at + 28, view.getUint32(at + 20, little), view.getUint32(at + 24, little), ticks);
    }
    if (type === 3) {
      const length = view.getUint32(at + 8, little);
      const { snapLength } = all[first] as Described;
      frame(0, at + 12, snapLength === 0 ? length : Math.min(length, snapLength), length, 0n);
    }
    at = end;
    ends.push(at);
  }
  const interfaces = all.map(({ linkType, snapLength, name }) => ({ linkType, snapLength, name }));
  return { format: "pcapng", frames, ends, interfaces };
}

function describe(view: DataView, at: number, end: number, little: boolean, file: Uint8Array): Described {
  const found: Described = {
    linkType: view.getUint16(at + 8, little),
    snapLength: view.getUint32(at + 12, little),
    name: "",
    resolution: 6,
    offset: 0n,
  };
  for (let option = at + 16; option < end - 4; ) {
    const code = view.getUint16(option, little);
    const length = view.getUint16(option + 2, little);
    if (code === 0) break;
    if (code === 2) found.name = Buffer.from(file.subarray(option + 4, option + 4 + length)).toString();
    if (code === 9) found.resolution = view.getUint8(option + 4);
    if (code === 14) found.offset = view.getBigInt64(option + 4, little);
    option += 4 + Math.ceil(length / 4) * 4;
  }
  return found;
}

/** Rounded down, as is everything that has more digits than it shows. */
export function timeOf(
  ticks: bigint,
  { resolution, offset }: { resolution: number; offset: bigint },
): bigint {
  const power = BigInt(resolution & 0x7f);
  const perSecond = resolution > 0x7f ? 2n ** power : 10n ** power;
  return BigInt.asUintN(64, (ticks * 1_000_000_000n) / perSecond + offset * 1_000_000_000n);
}
