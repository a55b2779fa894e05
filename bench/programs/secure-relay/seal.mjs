// What both versions do to a packet: the header is authenticated, what is behind it is encrypted, a tag follows.

import { createCipheriv } from "node:crypto";

export const HEADER = 12;
export const TAG = 16;
export const WORKERS = 2;

/** The receivers that a worker encrypts for. */
export function receiversOf(worker, receivers) {
  const all = Array.from({ length: receivers }, (_, i) => ({
    i,
    ssrc: 0x1000 + i,
    first: i * 1000,
    key: Buffer.alloc(16, i + 1),
  }));
  return all.filter(({ i }) => i % WORKERS === worker);
}

const iv = Buffer.alloc(12);

/** The cipher for a packet to a receiver, whose header it rewrites. */
export function cipherFor({ ssrc, first, key }, number, header) {
  const own = (number + first) & 0xffff;
  header.writeUInt16BE(own, 2);
  header.writeUInt32BE(ssrc, 8);
  iv.writeUInt32BE(ssrc, 0);
  iv.writeUInt32BE(own, 8);
  return createCipheriv("aes-128-gcm", key, iv).setAAD(header);
}
