// Captures made by hand, byte by byte, and places to put them.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** Numbers of a byte order, one after the other. */
export class Maker {
  readonly #parts: Buffer[] = [];

  constructor(readonly little: boolean) {}

  u16(...values: number[]): this {
    for (const value of values) {
      const part = Buffer.alloc(2);
      new DataView(part.buffer, part.byteOffset).setUint16(0, value, this.little);
      this.#parts.push(part);
    }
    return this;
  }

  u32(...values: number[]): this {
    for (const value of values) {
      const part = Buffer.alloc(4);
      new DataView(part.buffer, part.byteOffset).setUint32(0, value, this.little);
      this.#parts.push(part);
    }
    return this;
  }

  /** Bytes, padded to `unit`. */
  put(bytes: Uint8Array, unit = 1): this {
    this.#parts.push(Buffer.from(bytes), Buffer.alloc((unit - (bytes.length % unit)) % unit, 0xee));
    return this;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

// ─── pcap ────────────────────────────────────────────────────────────────────────────────────────────────

export interface PcapHeader {
  little?: boolean;
  magic?: number;
  major?: number;
  minor?: number;
  snapLength?: number;
  network?: number;
}

export function pcapHeader(header: PcapHeader = {}): Buffer {
  const { little = true, magic = 0xa1b2c3d4, major = 2, minor = 4, snapLength = 65535, network = 1 } = header;
  return new Maker(little).u32(magic).u16(major, minor).u32(0, 0, snapLength, network).bytes();
}

export function pcapRecord(
  bytes: Uint8Array,
  {
    little = true,
    seconds = 0,
    fraction = 0,
    captured = bytes.length,
    length = bytes.length,
    extra = 0,
  } = {},
): Buffer {
  return new Maker(little)
    .u32(seconds, fraction, captured, length)
    .put(Buffer.alloc(extra, 0x77))
    .put(bytes)
    .bytes();
}

// ─── pcapng ──────────────────────────────────────────────────────────────────────────────────────────────

export interface Lengths {
  little?: boolean;
  /** What it says in front; what it is if not given. */
  total?: number;
  /** What it says at its end; the same if not given. */
  again?: number;
}

export function block(type: number, body: Uint8Array, lengths: Lengths = {}): Buffer {
  const { little = true } = lengths;
  const padded = new Maker(little).put(body, 4).bytes();
  const total = lengths.total ?? padded.length + 12;
  return new Maker(little)
    .u32(type, total)
    .put(padded)
    .u32(lengths.again ?? total)
    .bytes();
}

export interface SectionFields {
  little?: boolean;
  major?: number;
  minor?: number;
  options?: Uint8Array;
}

export function section(fields: SectionFields = {}): Buffer {
  const { little = true, major = 1, minor = 0, options = new Uint8Array(0) } = fields;
  const body = new Maker(little).u32(0x1a2b3c4d).u16(major, minor).u32(0xffffffff, 0xffffffff).put(options);
  return block(0x0a0d0d0a, body.bytes(), { little });
}

export function option(code: number, value: Uint8Array, little = true): Buffer {
  return new Maker(little).u16(code, value.length).put(value, 4).bytes();
}

export interface InterfaceFields {
  little?: boolean;
  linkType?: number;
  snapLength?: number;
  name?: string;
  resolution?: number;
  offset?: bigint;
  /** Whether the options end with one that says so. */
  ended?: boolean;
  more?: Uint8Array;
}

export function interfaceBlock(fields: InterfaceFields = {}): Buffer {
  const {
    little = true,
    linkType = 1,
    snapLength = 0,
    name,
    resolution,
    offset,
    ended = true,
    more,
  } = fields;
  const body = new Maker(little).u16(linkType, 0).u32(snapLength);
  if (more !== undefined) body.put(more);
  if (name !== undefined) body.put(option(2, Buffer.from(name), little));
  if (resolution !== undefined) body.put(option(9, Uint8Array.of(resolution), little));
  if (offset !== undefined) {
    const value = Buffer.alloc(8);
    if (little) value.writeBigInt64LE(offset);
    else value.writeBigInt64BE(offset);
    body.put(option(14, value, little));
  }
  if (ended && (name ?? resolution ?? offset ?? more) !== undefined)
    body.put(option(0, new Uint8Array(0), little));
  return block(1, body.bytes(), { little });
}

export interface PacketFields {
  little?: boolean;
  interface?: number;
  ticks?: bigint;
  captured?: number;
  length?: number;
  options?: Uint8Array;
}

function packetBody(bytes: Uint8Array, fields: PacketFields, number: (maker: Maker) => Maker): Buffer {
  const { little = true, ticks = 0n, captured = bytes.length, length = bytes.length, options } = fields;
  return number(new Maker(little))
    .u32(Number(ticks >> 32n), Number(ticks & 0xffffffffn), captured, length)
    .put(bytes, 4)
    .put(options ?? new Uint8Array(0))
    .bytes();
}

export function enhanced(bytes: Uint8Array, fields: PacketFields = {}): Buffer {
  const { little = true } = fields;
  return block(
    6,
    packetBody(bytes, fields, (maker) => maker.u32(fields.interface ?? 0)),
    { little },
  );
}

/** The one that enhanced packet blocks came in place of. */
export function obsolete(bytes: Uint8Array, fields: PacketFields = {}): Buffer {
  const { little = true } = fields;
  return block(
    2,
    packetBody(bytes, fields, (maker) => maker.u16(fields.interface ?? 0, 3)),
    { little },
  );
}

export function simple(bytes: Uint8Array, { little = true, length = bytes.length } = {}): Buffer {
  return block(3, new Maker(little).u32(length).put(bytes).bytes(), { little });
}

// ─── Everything in two sections ──────────────────────────────────────────────────────────────────────────

/** A capture with every kind of block, in both byte orders. `bytesAt(place, n)` makes the packets' bytes. */
export function everyBlock(bytesAt: (at: number, n: number) => Uint8Array): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  const some = (n: number): Uint8Array => {
    at += 1000;
    return bytesAt(at, n);
  };
  for (const little of [true, false]) {
    parts.push(
      section({ little, options: option(1, Buffer.from("a comment"), little) }),
      interfaceBlock({ little, snapLength: 64, name: "eth0", resolution: 9 }),
      enhanced(some(60), { little, ticks: 1_700_000_000_123_456_789n }),
      block(4, new Maker(little).u16(0, 0).bytes(), { little }),
      interfaceBlock({ little, linkType: 101, name: "tun0", resolution: 0x94, offset: -1000n, ended: false }),
      enhanced(some(61), {
        little,
        interface: 1,
        ticks: 0x123456789abcn,
        options: option(2, some(4), little),
      }),
      simple(some(64), { little, length: 100 }),
      simple(some(13), { little }),
      block(5, new Maker(little).u32(0, 1, 2).bytes(), { little }),
      obsolete(some(62), { little, interface: 1, ticks: 0xffffffffffn, length: 1500 }),
      block(0xbad, some(400), { little }),
      block(0x40000bad, some(33), { little }),
      interfaceBlock({ little, linkType: 113, resolution: 3, offset: 1_600_000_000n }),
      enhanced(some(0), { little, interface: 2, ticks: 12345n, length: 7 }),
      enhanced(some(1503), { little, interface: 0, ticks: 5n }),
    );
  }
  return Buffer.concat(parts);
}

// ─── Chance, and places ──────────────────────────────────────────────────────────────────────────────────

/** Numbers in [0, n) that follow from a seed. */
export function chance(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

/** A folder that is gone after the suite. */
export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), "skbuff-"));
  #n = 0;

  constructor() {
    afterAll(() => rmSync(this.path, { recursive: true, force: true }));
  }

  /** A path for a file that is not there yet. */
  fresh(): string {
    return join(this.path, `capture-${this.#n++}`);
  }

  /** The path of a file with these bytes. */
  file(bytes: Uint8Array): string {
    const path = this.fresh();
    writeFileSync(path, bytes);
    return path;
  }
}
