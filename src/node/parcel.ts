// Parcels: packets made ready to be written.

import { heapOf, piecesOf } from "../driver.js";
import type { Engine } from "../engine.js";
import { writeHeader } from "../io/framing.js";
import type { Skb } from "../skb.js";

/** Packets that are written together, and released together when the last of the writes has called back. */
export interface Parcel {
  readonly skbs: Skb[];
  /** What is to be written, in order. */
  readonly views: Buffer[];
  /** Bytes of them. */
  bytes: number;
  /** Writes that have not called back. */
  pending: number;
  /** What one of them said. */
  error: Error | null;
}

/** Bytes from which on a parcel is full: many small packets cost one callback, and large ones come back one by one. */
export const FULL = 64 * 1024;

function emptyParcel(): Parcel {
  return { skbs: [], views: [], bytes: 0, pending: 0, error: null };
}

/**
 * Parcels of the packets' own bytes, each packet behind its length of `header` bytes. What lies side by side in memory
 * becomes one view, of neighbouring packets, too: to write a view costs as much as to copy some KiB.
 */
export function gathered(engine: Engine, skbs: readonly Skb[], header: number): Parcel[] {
  const { buffer } = heapOf(engine);
  const parcels: Parcel[] = [];
  const pieces: number[] = [];
  let parcel = emptyParcel();
  let address = 0;
  let length = 0;
  const close = (): void => {
    if (length > 0) parcel.views.push(Buffer.from(buffer, address, length));
    length = 0;
  };
  for (const skb of skbs) {
    if (parcel.skbs.length === 0 || parcel.bytes >= FULL) {
      close();
      parcel = emptyParcel();
      parcels.push(parcel);
    }
    const n = skb.length;
    parcel.skbs.push(skb);
    parcel.bytes += header + n;
    if (header > 0 && !pushHeader(skb, header, n)) {
      close();
      const view = Buffer.allocUnsafe(header);
      writeHeader(view, header, n);
      parcel.views.push(view);
    }
    pieces.length = 0;
    piecesOf(skb, pieces);
    for (let i = 0; i < pieces.length; i += 2) {
      if (address + length !== pieces[i]) {
        close();
        address = pieces[i] as number;
      }
      length += pieces[i + 1] as number;
    }
  }
  close();
  return parcels;
}

/** Puts its length in front of a packet, if there is room that nobody else reads. */
function pushHeader(skb: Skb, header: number, n: number): boolean {
  if (skb.headroom < header || skb.cloned) return false;
  writeHeader(skb.push(header), header, n);
  return true;
}

/** Parcels of copies, which whoever writes them may keep. */
export function copied(skbs: readonly Skb[], header: number): Parcel[] {
  return skbs.map((skb) => {
    const n = skb.length;
    const bytes = Buffer.allocUnsafeSlow(header + n);
    writeHeader(bytes, header, n);
    skb.copyBits(0, bytes.subarray(header));
    return {
      ...emptyParcel(),
      skbs: [skb],
      views: bytes.length === 0 ? [] : [bytes],
      bytes: bytes.length,
    };
  });
}
