// A frame in a Buffer, read as an Skb is: what dissect.mjs takes.

export class Frame {
  view;
  start = 0;

  constructor(bytes) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  readU8(offset) {
    return this.view.getUint8(this.start + offset);
  }

  readU16(offset) {
    return this.view.getUint16(this.start + offset);
  }

  readU32(offset) {
    return this.view.getUint32(this.start + offset);
  }

  /** The Internet checksum's sum, by words of 32 bits. */
  checksum(offset, n, seed = 0) {
    const view = this.view;
    let at = this.start + offset;
    const end = at + n;
    let sum = seed;
    for (; at + 8 <= end; at += 8) sum += view.getUint32(at) + view.getUint32(at + 4);
    for (; at + 2 <= end; at += 2) sum += view.getUint16(at);
    if (at < end) sum += view.getUint8(at) << 8;
    // 2^32 is 1 modulo 65535, and so is 2^16.
    sum = (sum % 0x100000000) + Math.floor(sum / 0x100000000);
    while (sum > 0xffff) sum = Math.floor(sum / 0x10000) + (sum % 0x10000);
    return sum;
  }
}
