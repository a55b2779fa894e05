// After a replay: is what came out what went in?

import { Engine, type Skb } from "skbuff";
import { CaptureReader, linkTypeOf, timeOf } from "skbuff/node";
import { chained, Digest, NO_PACKETS, onWire } from "./digest.js";

/** Bytes of an arena for packets of up to `longest` bytes. */
export function arenaFor(longest: number): number {
  return 16 * 1024 * 1024 + 4 * longest;
}

export interface Extent {
  /** Times that the file was replayed; 0 is without end. */
  readonly rounds: number;
  /** Packets that there are in total. */
  readonly packets: number;
  /** Bytes that a packet may have. */
  readonly longest: number;
}

/** Packets of a file, as often as it was replayed. Owned by whoever asks for them. */
async function* packetsOf(
  engine: Engine,
  file: string | number,
  { rounds, packets, longest }: Extent,
): AsyncGenerator<Skb, void, undefined> {
  const reader = CaptureReader.open(engine, file, { longest });
  try {
    let left = packets;
    // A descriptor stands where it was read to.
    let behind = typeof file === "number";
    for (let round = 0; left > 0 && (rounds === 0 || round < rounds); round++) {
      if (behind) reader.rewind();
      behind = true;
      const before = left;
      for await (const skb of reader) {
        yield skb;
        if (--left === 0) return;
      }
      if (left === before) return;
    }
  } finally {
    reader.close();
  }
}

/** The digest that a receiver of all packets in order comes to. */
export async function digestOf(file: string | number, extent: Extent): Promise<string> {
  const engine = await Engine.create({ memory: arenaFor(extent.longest) });
  const digest = new Digest();
  for await (const skb of packetsOf(engine, file, extent)) {
    digest.add(skb);
    skb.release();
  }
  engine.close();
  return digest.hex();
}

/** What differs between a tap's file and packets that are gone, of which the chain is known; null if nothing does. */
export async function compareChain(
  tap: string,
  wanted: string,
  { packets, longest }: Extent,
): Promise<string | null> {
  const engine = await Engine.create({ memory: arenaFor(longest) });
  let n = 0;
  let chain = NO_PACKETS;
  try {
    for await (const skb of packetsOf(engine, tap, { rounds: 1, packets: packets + 1, longest })) {
      n++;
      chain = chained(chain, skb);
      skb.release();
    }
    if (n !== packets) return n > packets ? `packet ${n} is one more` : `packet ${n + 1} is missing`;
    return chain === wanted ? null : "it has other packets";
  } catch (error) {
    return (error as Error).message;
  } finally {
    engine.close({ force: true });
  }
}

/**
 * Compares a tap's file with the first packets of its input: bytes, lengths on the wire, link types and times. Returns what
 * differs first, or null.
 */
export async function compareCaptures(
  input: string | number,
  tap: string,
  extent: Extent,
): Promise<string | null> {
  const engine = await Engine.create({ memory: arenaFor(extent.longest) });
  const taped = packetsOf(engine, tap, { ...extent, rounds: 1, packets: Number.POSITIVE_INFINITY });
  try {
    let n = 0;
    for await (const skb of packetsOf(engine, input, extent)) {
      n++;
      const { value: other } = await taped.next();
      const difference = other instanceof Object ? differenceOf(skb, other) : "is missing";
      skb.release();
      other?.release();
      if (difference !== null) return `packet ${n} ${difference}`;
    }
    const { value: extra } = await taped.next();
    extra?.release();
    return extra instanceof Object ? `packet ${n + 1} is one more` : null;
  } catch (error) {
    return (error as Error).message;
  } finally {
    await taped.return();
    engine.close({ force: true });
  }
}

function differenceOf(a: Skb, b: Skb): string | null {
  if (onWire(a) !== onWire(b)) return "has another length on the wire";
  if (linkTypeOf(a) !== linkTypeOf(b)) return "has another link type";
  // Where a packet without a time cannot go without one, it gets 0.
  if ((timeOf(a) ?? 0n) !== (timeOf(b) ?? 0n)) return "has another time";
  return Buffer.compare(a.toBytes(), b.toBytes()) === 0 ? null : "has other bytes";
}
