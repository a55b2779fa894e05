// A frame taken apart: Ethernet, VLAN tags, IPv4 or IPv6, TCP or UDP. What it is read from has readU8, readU16, readU32 and
// checksum, as an Skb has. The same for all programs, so that they differ in what carries the packets.

const VLAN = 0x8100;
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const TCP = 6;
const UDP = 17;
const GOOD = 0xffff;

/** Words of a flow's key: ports, protocol, and two addresses of up to 4 words. */
export const KEY_WORDS = 10;

export class Dissector {
  /** The flow of the last frame that had one. */
  key = new Uint32Array(KEY_WORDS);
  /** Checksums that were right, and that were not. */
  good = 0;
  bad = 0;

  /** Returns whether the frame belongs to a flow, whose key is then in `key`. */
  take(frame) {
    let type = frame.readU16(12);
    let at = 14;
    while (type === VLAN) {
      type = frame.readU16(at + 2);
      at += 4;
    }
    if (type === IPV4) return this.#v4(frame, at);
    return type === IPV6 && this.#v6(frame, at);
  }

  #v4(frame, at) {
    const header = (frame.readU8(at) & 0xf) * 4;
    this.#check(frame.checksum(at, header));
    const total = frame.readU16(at + 2);
    const fragment = frame.readU16(at + 6) & 0x3fff;
    const protocol = frame.readU8(at + 9);
    const from = frame.readU32(at + 12);
    const to = frame.readU32(at + 16);
    const key = this.key;
    key[2] = from;
    key[3] = to;
    key[4] = key[5] = key[6] = key[7] = key[8] = key[9] = 0;
    const pseudo = (from >>> 16) + (from & 0xffff) + (to >>> 16) + (to & 0xffff);
    // Of a fragment only the first has ports, and none has the whole of what is summed.
    return this.#transport(frame, at + header, total - header, protocol, pseudo, fragment);
  }

  #v6(frame, at) {
    let left = frame.readU16(at + 4);
    let next = frame.readU8(at + 6);
    const key = this.key;
    let pseudo = 0;
    for (let i = 0; i < 8; i++) {
      const word = frame.readU32(at + 8 + 4 * i);
      key[2 + i] = word;
      pseudo += (word >>> 16) + (word & 0xffff);
    }
    let fragment = 0;
    let payload = at + 40;
    for (;;) {
      let bytes;
      if (next === 44) {
        fragment = frame.readU16(payload + 2) & 0xfff9;
        bytes = 8;
      } else if (next === 0 || next === 43 || next === 60) bytes = 8 + 8 * frame.readU8(payload + 1);
      else break;
      next = frame.readU8(payload);
      payload += bytes;
      left -= bytes;
    }
    // The first fragment's offset is 0 and its last bit says that there are more, as in IPv4 the 0x2000 does.
    return this.#transport(frame, payload, left, next, pseudo, ((fragment & 1) << 13) | (fragment >>> 3));
  }

  #transport(frame, at, n, protocol, pseudo, fragment) {
    if ((protocol !== TCP && protocol !== UDP) || (fragment & 0x1fff) !== 0) return false;
    const key = this.key;
    key[0] = frame.readU32(at);
    key[1] = protocol;
    if (fragment !== 0 || (protocol === UDP && frame.readU16(at + 6) === 0)) return true;
    const sum = pseudo + protocol + n;
    this.#check(frame.checksum(at, n, (sum & 0xffff) + (sum >>> 16)));
    return true;
  }

  #check(sum) {
    if (sum === GOOD) this.good++;
    else this.bad++;
  }
}
