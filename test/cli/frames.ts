// Packets byte by byte, with checksums computed the plain way: concatenate what is covered, and sum it up.

import { naiveSum } from "../packets.js";

export type Bytes = Uint8Array;

export const V4 = { source: [10, 1, 2, 3], destination: [192, 168, 9, 8] };
export const V6 = {
  source: [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xca, 0xfe, 0, 1],
  destination: [0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 2],
};

export interface Ends {
  source: number[];
  destination: number[];
}

/** The other direction. */
export function reversed({ source, destination }: Ends): Ends {
  return { source: destination, destination: source };
}

export function join(...parts: (ArrayLike<number> | number[])[]): Bytes {
  return Uint8Array.from(parts.flatMap((part) => Array.from(part)));
}

export function u16(value: number): number[] {
  return [(value >>> 8) & 0xff, value & 0xff];
}

export function u32(value: number): number[] {
  return [...u16(value >>> 16), ...u16(value & 0xffff)];
}

/** `n` bytes that are not all the same. */
export function filler(n: number): Bytes {
  return Uint8Array.from({ length: n }, (_, i) => (i * 37 + 11) & 0xff);
}

/** The same with one bit of one byte turned over. */
export function flipped(bytes: Bytes, at: number, bit = 0x10): Bytes {
  const other = bytes.slice();
  other[at] = (other[at] as number) ^ bit;
  return other;
}

/** Puts the checksum of `covered` (which has 0 in its place) into `bytes`. */
function sealed(bytes: Bytes, at: number, covered: Bytes): Bytes {
  const sealed = bytes.slice();
  sealed.set(u16(~naiveSum(covered) & 0xffff), at);
  return sealed;
}

function pseudo(ends: Ends, protocol: number, length: number): number[] {
  return [...ends.source, ...ends.destination, ...u32(length), 0, 0, 0, protocol];
}

export function tcp(
  ends: Ends,
  payload: ArrayLike<number> = filler(100),
  { from = 4321, to = 80, options = [] as number[] } = {},
): Bytes {
  const offset = (5 + options.length / 4) << 4;
  const bytes = join(
    ...[u16(from), u16(to), u32(7), u32(9), [offset, 0x18], u16(512), u16(0), u16(0)],
    options,
    payload,
  );
  return sealed(bytes, 16, join(pseudo(ends, 6, bytes.length), bytes));
}

export function udp(
  ends: Ends,
  payload: ArrayLike<number> = filler(33),
  { from = 5353, to = 53, length = -1, covered = -1 } = {},
): Bytes {
  const stated = length === -1 ? 8 + payload.length : length;
  const bytes = join(u16(from), u16(to), u16(stated), u16(0), payload);
  const part = bytes.subarray(0, covered === -1 ? stated : covered);
  return sealed(bytes, 6, join(pseudo(ends, 17, part.length), part));
}

export function icmp(payload: ArrayLike<number> = filler(41)): Bytes {
  const bytes = join([8, 0, 0, 0], u32(0x12340001), payload);
  return sealed(bytes, 2, bytes);
}

export function icmpv6(ends: Ends, payload: ArrayLike<number> = filler(41)): Bytes {
  const bytes = join([128, 0, 0, 0], u32(0x12340001), payload);
  return sealed(bytes, 2, join(pseudo(ends, 58, bytes.length), bytes));
}

export function ipv4(
  protocol: number,
  payload: ArrayLike<number>,
  { ends = V4 as Ends, options = [] as number[], total = -1, fragment = 0, version = 4, words = -1 } = {},
): Bytes {
  const header = 20 + options.length;
  const first = (version << 4) | (words === -1 ? header / 4 : words);
  const bytes = join(
    ...[[first, 0], u16(total === -1 ? header + payload.length : total), u16(0x5555), u16(fragment)],
    ...[[64, protocol], u16(0), ends.source, ends.destination],
    options,
    payload,
  );
  return sealed(bytes, 10, bytes.subarray(0, header));
}

export function ipv6(
  next: number,
  payload: ArrayLike<number>,
  { ends = V6 as Ends, length = payload.length, version = 6 } = {},
): Bytes {
  return join([version << 4, 0, 0, 0], u16(length), [next, 64], ends.source, ends.destination, payload);
}

const MACS = [0x02, 0, 0, 0, 0, 0xbb, 0x02, 0, 0, 0, 0xaa, 0x01];

export function ethernet(type: number, payload: ArrayLike<number>, tags: [number, number][] = []): Bytes {
  const types = [...tags.map(([tag]) => tag), type];
  const ids = tags.map(([, id]) => id);
  return join(
    MACS,
    u16(types[0] as number),
    ...ids.flatMap((id, i) => [u16(id), u16(types[i + 1] as number)]),
    payload,
  );
}

/** The pieces of what an IPv4 packet carries, `size` bytes each, as the fragments that a router makes of it. */
export function fragments4(protocol: number, payload: Bytes, size: number): Bytes[] {
  const pieces: Bytes[] = [];
  for (let at = 0; at < payload.length; at += size) {
    const more = at + size < payload.length ? 0x2000 : 0;
    pieces.push(
      ethernet(0x0800, ipv4(protocol, payload.subarray(at, at + size), { fragment: more | (at / 8) })),
    );
  }
  return pieces;
}

/** The same with IPv6 fragment headers; `next` is what the datagram starts with. */
export function fragments6(next: number, payload: Bytes, size: number): Bytes[] {
  const pieces: Bytes[] = [];
  for (let at = 0; at < payload.length; at += size) {
    const more = at + size < payload.length ? 1 : 0;
    const header = [next, 0, ...u16(at | more), ...u32(0xabcdef01)];
    pieces.push(ethernet(0x86dd, ipv6(44, join(header, payload.subarray(at, at + size)))));
  }
  return pieces;
}
