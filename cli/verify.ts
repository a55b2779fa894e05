// After a replay: is what came out what went in?

import { Engine, type Skb } from "skbuff";
import { CaptureReader, linkTypeOf, originalLengthOf } from "skbuff/node";
import { Digest } from "./digest.js";

const ARENA_BYTES = 16 * 1024 * 1024;

/** Packets of a file, as often as it was replayed. Owned by whoever asks for them. */
async function* packetsOf(
  engine: Engine,
  file: string,
  rounds: number,
): AsyncGenerator<Skb, void, undefined> {
  const reader = CaptureReader.open(engine, file);
  try {
    for (let round = 0; rounds === 0 || round < rounds; round++) {
      if (round > 0) reader.rewind();
      yield* reader;
    }
  } finally {
    reader.close();
  }
}

/** The digest that a receiver of all packets in order comes to. */
export async function digestOf(file: string, rounds: number): Promise<string> {
  const engine = await Engine.create({ memory: ARENA_BYTES });
  const digest = new Digest();
  for await (const skb of packetsOf(engine, file, rounds)) {
    digest.add(skb);
    skb.release();
  }
  engine.close();
  return digest.hex();
}

/**
 * Compares a tap's file with the first `packets` packets of its input: bytes, lengths on the wire, link types and times.
 * Returns what differs first, or null.
 */
export async function compareCaptures(
  input: string,
  tap: string,
  { rounds, packets }: { rounds: number; packets: number },
): Promise<string | null> {
  const engine = await Engine.create({ memory: ARENA_BYTES });
  const taped = packetsOf(engine, tap, 1);
  try {
    let n = 0;
    if (packets > 0) {
      for await (const skb of packetsOf(engine, input, rounds)) {
        n++;
        const { value: other } = await taped.next();
        const difference = other instanceof Object ? differenceOf(skb, other) : "is missing";
        skb.release();
        other?.release();
        if (difference !== null) return `packet ${n} ${difference}`;
        if (n === packets) break;
      }
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
  if (originalLengthOf(a) !== originalLengthOf(b)) return "has another length on the wire";
  if (linkTypeOf(a) !== linkTypeOf(b)) return "has another link type";
  if (a.timestampNanoseconds !== b.timestampNanoseconds) return "has another time";
  return Buffer.compare(a.toBytes(), b.toBytes()) === 0 ? null : "has other bytes";
}
