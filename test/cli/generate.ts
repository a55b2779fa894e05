// Frames as nobody's network has them, from a seed: options, source routes, extension headers, fragments, tags and tunnels, whole
// and cut off, right and wrong.

import {
  type Bytes,
  type Ends,
  ethernet,
  filler,
  flipped,
  icmp,
  icmpv6,
  ipv4,
  ipv6,
  join,
  tcp,
  u16,
  u32,
  udp,
} from "./frames.js";

/** Numbers from 0 to below `n`, from a seed (mulberry32). */
export function numbers(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

export interface Generated {
  readonly bytes: Bytes;
  /** Bytes on the wire. */
  readonly length: number;
}

const TCP = 6;
const UDP = 17;
const ICMP = 1;
const ICMPV6 = 58;

/** Addresses and ports that no protocol is known by. */
class Maker {
  readonly #next: (n: number) => number;

  constructor(next: (n: number) => number) {
    this.#next = next;
  }

  #chance(most: number): boolean {
    return this.#next(most) === 0;
  }

  #one<T>(values: readonly T[]): T {
    return values[this.#next(values.length)] as T;
  }

  #bytes(n: number): number[] {
    return Array.from({ length: n }, () => this.#next(256));
  }

  #address4(): number[] {
    return [10, this.#next(4), this.#next(256), 1 + this.#next(250)];
  }

  #address6(): number[] {
    return [0x20, 0x01, 0x0d, 0xb8, ...this.#bytes(11), 1];
  }

  #port(): number {
    return 33_000 + this.#next(8000);
  }

  frame(): Generated {
    const six = this.#chance(2);
    const packet = six ? this.#six() : this.#four();
    const tags: [number, number][] = [];
    while (tags.length < 3 && this.#chance(4)) tags.push([this.#one([0x8100, 0x88a8]), this.#next(4095)]);
    let bytes = ethernet(six ? 0x86dd : 0x0800, packet, tags);
    // What short frames are padded with.
    if (bytes.length < 60 && this.#chance(2)) bytes = join(bytes, new Uint8Array(60 - bytes.length));
    const { length } = bytes;
    const at = 14 + tags.length * 4;
    // Of half a header nobody says what the other half said.
    const head = at + (six ? 40 : ((packet[0] as number) & 15) * 4);
    if (this.#chance(8)) bytes = bytes.slice(0, Math.min(head + this.#next(length - head + 1), length));
    else if (this.#chance(6))
      bytes = flipped(bytes, at + 1 + this.#next(packet.length - 1), 1 << this.#next(8));
    return { bytes, length };
  }

  /** What is behind IP, and its number. The ends are those of its pseudo header. */
  #transport(ends: Ends, six: boolean): [number, Bytes] {
    const payload = filler(this.#next(200));
    const ports = { from: this.#port(), to: this.#port() };
    switch (this.#next(6)) {
      case 0:
      case 1: {
        const options = this.#chance(2) ? [] : [2, 4, 5, 0xb4, 1, 3, 3, 7];
        return [TCP, tcp(ends, payload, { ...ports, options })];
      }
      case 2:
      case 3: {
        // Behind a datagram there may be more of IP's.
        if (this.#chance(8) && payload.length > 10)
          return [UDP, udp(ends, payload, { ...ports, length: payload.length })];
        const bytes = udp(ends, payload, ports);
        // The sender left it out.
        if (this.#chance(6)) bytes.set([0, 0], 6);
        return [UDP, bytes];
      }
      case 4:
        return six ? [ICMPV6, icmpv6(ends, payload)] : [ICMP, icmp(payload)];
      default:
        return this.#other(six);
    }
  }

  /** What is not looked into. */
  #other(six: boolean): [number, Bytes] {
    const inner = { source: this.#address4(), destination: this.#address4() };
    const inner6 = { source: this.#address6(), destination: this.#address6() };
    switch (this.#next(5)) {
      case 0:
        return [
          4,
          ipv4(UDP, udp(inner, filler(20), { from: this.#port(), to: this.#port() }), { ends: inner }),
        ];
      case 1:
        return [
          41,
          ipv6(TCP, tcp(inner6, filler(20), { from: this.#port(), to: this.#port() }), { ends: inner6 }),
        ];
      case 2:
        return [47, join([0, 0], u16(0x0800), ipv4(UDP, udp(inner, filler(20)), { ends: inner }))];
      case 3:
        return [253, Uint8Array.from(this.#bytes(this.#next(60)))];
      default:
        return six ? [59, new Uint8Array(0)] : [254, new Uint8Array(0)];
    }
  }

  // ─── IPv4 ──────────────────────────────────────────────────────────────────────────────────────────────

  #four(): Bytes {
    const ends = { source: this.#address4(), destination: this.#address4() };
    const { options, final } = this.#chance(2) ? { options: [], final: null } : this.#options();
    const [protocol, payload] = this.#transport({ ...ends, destination: final ?? ends.destination }, false);
    const fragment = this.#chance(4)
      ? this.#one([0x2000, 0x2000 | this.#next(100), this.#next(100), 0x4000])
      : 0;
    const total = this.#chance(12)
      ? { total: 20 + options.length + 1 + this.#next(payload.length + 40) }
      : {};
    return ipv4(protocol, payload, { ends, options, fragment, ...total });
  }

  /** Options, padded; and where a source route ends that is not at its end. */
  #options(): { options: number[]; final: number[] | null } {
    const options: number[] = [];
    let final: number[] | null = null;
    for (let i = this.#next(4); i >= 0; i--) {
      const option = this.#option();
      if (options.length + option.length > 40) break;
      options.push(...option);
      const [type = 0, , pointer = 0] = option;
      if ((type === 131 || type === 137) && final === null && pointer < option.length)
        final = option.slice(-4);
    }
    while ((options.length & 3) !== 0) options.push(this.#one([0, 1]));
    return { options, final };
  }

  #option(): number[] {
    const addresses = (n: number): number[] => Array.from({ length: n }, () => this.#address4()).flat();
    const n = 1 + this.#next(4);
    switch (this.#next(7)) {
      case 0:
        return [1];
      case 1:
        return [7, 3 + 4 * n, 4 + 4 * this.#next(n + 1), ...addresses(n)];
      case 2:
        return [131, 3 + 4 * n, 4 + 4 * this.#next(n + 1), ...addresses(n)];
      case 3:
        return [137, 3 + 4 * n, 4 + 4 * this.#next(n + 1), ...addresses(n)];
      case 4:
        return [148, 4, 0, 0];
      case 5:
        return [68, 4 + 4 * n, 5 + 4 * this.#next(n + 1), 0, ...this.#bytes(4 * n)];
      default:
        return [30, 2 + n, ...this.#bytes(n)];
    }
  }

  // ─── IPv6 ──────────────────────────────────────────────────────────────────────────────────────────────

  #six(): Bytes {
    const ends = { source: this.#address6(), destination: this.#address6() };
    let final = ends.destination;
    const headers: [number, number[]][] = [];
    if (this.#chance(4)) headers.push([0, this.#padded()]);
    for (let i = this.#chance(2) ? this.#next(3) : 0; i > 0; i--) {
      const [type, header, end] = this.#extension();
      // Of two headers of a kind one names the fields of the first.
      if ((type === 43 || type === 44) && headers.some(([other]) => other === type)) continue;
      headers.push([type, header]);
      if (end !== null) final = end;
    }
    const [protocol, payload] = this.#transport({ ...ends, destination: final }, true);
    const parts: number[][] = [];
    let next = protocol;
    for (const [type, header] of headers.reverse()) {
      parts.unshift([next, ...header]);
      next = type;
    }
    const behind = join(...parts, payload);
    const length = this.#chance(12) ? 1 + this.#next(behind.length + 40) : behind.length;
    return ipv6(next, behind, { ends, length });
  }

  /** Options of hop-by-hop and destination headers, without the next header's number. */
  #padded(): number[] {
    const units = this.#next(3);
    const room = 6 + 8 * units;
    const options: number[] = [];
    while (options.length < room) {
      const left = room - options.length;
      if (left === 1 || this.#chance(4)) options.push(0);
      else if (left >= 4 && this.#chance(3)) options.push(5, 2, 0, 0);
      else {
        const n = this.#next(left - 1);
        options.push(1, n, ...new Array<number>(n).fill(0));
      }
    }
    return [units, ...options];
  }

  /** An extension header's number, its bytes without the next one's, and where its route ends if it does not end here. */
  #extension(): [number, number[], number[] | null] {
    switch (this.#next(6)) {
      case 0:
        return [60, this.#padded(), null];
      case 1: {
        const offset = this.#chance(2) ? 0 : this.#next(100) * 8;
        return [44, [0, ...u16(offset | this.#next(2)), ...u32(0x01020304)], null];
      }
      case 2:
        return [51, [4, 0, 0, ...u32(7), ...u32(9), ...this.#bytes(12)], null];
      default: {
        const n = 1 + this.#next(3);
        const route = Array.from({ length: n }, () => this.#address6());
        const type = this.#one([0, 2, 4, 4, 253]);
        // Where a route of a kind that is not known ends nobody knows.
        const left = type === 253 ? 0 : this.#next(n + 1);
        // The segments of the newer kind stand last to first.
        if (type === 4) {
          const header = [2 * n, 4, left, n - 1, 0, 0, 0, ...route.flat()];
          return [43, header, left === 0 ? null : (route[0] as number[])];
        }
        if (type === 2) {
          const [home = []] = route;
          return [43, [2, 2, Math.min(left, 1), 0, 0, 0, 0, ...home], left === 0 ? null : home];
        }
        return [
          43,
          [2 * n, type, left, 0, 0, 0, 0, ...route.flat()],
          left === 0 ? null : (route.at(-1) as number[]),
        ];
      }
    }
  }
}

/** So many frames. */
export function generate(seed: number, n: number): Generated[] {
  const maker = new Maker(numbers(seed));
  return Array.from({ length: n }, () => maker.frame());
}
