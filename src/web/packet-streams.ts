// Streams of packets: what takes and gives packets, as the web's own streams, to be piped.

import { checkOpen, engineOf, refused, takeAs } from "../driver.js";
import { ArgumentTypeError, HeldSkbError } from "../errors.js";
import { Fifo } from "../io/fifo.js";
import type { PacketSource } from "../io/packet-source.js";
import { letGo } from "../io/packets.js";
import { checkTransmitter, type Transmitter } from "../io/transmitter.js";
import { DropReason } from "../reason.js";
import { Skb } from "../skb.js";
import { Loop } from "../turns.js";

/** Milliseconds that somebody waits at a time: a wait that is no longer wanted ends by itself then. */
const SLICE_MS = 1000;
/** Packets that wait in a WritableStream before its writer is asked to wait. */
const WRITABLE_PACKETS = 16;

/**
 * The packets of a ring, a mesh's receiver, a socket or a stream as a ReadableStream. It takes a packet out when somebody asks
 * for one, copies nothing and holds nothing back; each is the reader's. Cancelling closes the source and releases what is in
 * it.
 *
 * @throws ArgumentTypeError
 * @example
 * const ring = new Ring(engine);
 * ring.enqueueBurst([skb, other]);
 * ring.close();
 * let bytes = 0;
 * for await (const packet of readablePackets(ring)) {
 *   bytes += packet.length;
 *   packet.release();
 * }
 * bytes; // → 200
 */
export function readablePackets(source: PacketSource): ReadableStream<Skb> {
  if (typeof source?.dequeue !== "function" || typeof source.waitAsync !== "function")
    throw new ArgumentTypeError("source", "a ring or receiver", source);
  let cancelled = false;
  const loop = new Loop();
  const pull = async (controller: ReadableStreamDefaultController<Skb>): Promise<void> => {
    while (!cancelled) {
      const due = loop.due();
      if (due !== undefined) {
        await due;
        continue;
      }
      const skb = source.dequeue();
      if (skb !== null) {
        controller.enqueue(skb);
        return;
      }
      const woken = await source.waitAsync({ timeout: SLICE_MS });
      if (woken !== "ended" || cancelled) continue;
      controller.close();
      return;
    }
  };
  const cancel = async (): Promise<void> => {
    cancelled = true;
    const closed = source.close();
    drain(source);
    await closed;
  };
  return new ReadableStream<Skb>({ pull, cancel }, { highWaterMark: 0 });
}

/** Releases all that is there. */
function drain(source: PacketSource): void {
  try {
    for (let skb = source.dequeue(); skb !== null; skb = source.dequeue())
      letGo(skb, DropReason.notSpecified);
  } catch {
    // What ended it is told behind the last packet, and nobody asks any more.
  }
}

/**
 * A WritableStream of packets into a ring, a mesh's sender, a socket or a stream. Copies nothing. Writing a packet takes it,
 * also if the write then fails: the caller's `Skb` has ended with the call. What the stream has when it is aborted, or the
 * transmitter fails, is released. Closing and aborting close the transmitter, if it can be closed.
 *
 * A value that is no packet, or a packet that cannot be given away (StaleSkbError, HeldSkbError and so on), makes the stream fail.
 *
 * @throws ArgumentTypeError
 * @example
 * const ring = new Ring(engine);
 * const writer = writablePackets(ring).getWriter();
 * await writer.write(skb);
 * skb.alive; // → false
 * ring.dequeue().length; // → 100
 * await writer.close();
 * ring.closed; // → true
 */
export function writablePackets(transmitter: Transmitter & { close?(): unknown }): WritableStream<Skb> {
  checkTransmitter("transmitter", transmitter);
  // A stream drops what waits in it without a word when it fails. So a packet is taken when it is written, which is when
  // its size is asked for, and not when its turn has come.
  const taken = new Fifo<Skb>();
  const drop = (): void => {
    for (let skb = taken.shift(); skb !== undefined; skb = taken.shift()) letGo(skb, DropReason.notSpecified);
  };
  const size = (skb: Skb): number => {
    try {
      taken.push(take(skb));
    } catch (error) {
      drop();
      throw error;
    }
    return 1;
  };
  let abandoned = (): void => {};
  const abandonment = new Promise<void>((resolve) => {
    abandoned = resolve;
  });
  const start = (controller: WritableStreamDefaultController): void => {
    controller.signal.addEventListener("abort", () => abandoned());
  };
  const loop = new Loop();
  const write = async (_: Skb, { signal }: WritableStreamDefaultController): Promise<void> => {
    const skb = taken.shift() as Skb;
    try {
      await loop.due();
      while (!signal.aborted && !transmitter.enqueue(skb))
        await Promise.race([transmitter.waitWritableAsync(undefined, { timeout: SLICE_MS }), abandonment]);
    } catch (error) {
      drop();
      throw error;
    } finally {
      if (skb.alive) letGo(skb, DropReason.notSpecified);
    }
  };
  const close = async (): Promise<void> => {
    // Written after the stream was told to close.
    drop();
    await transmitter.close?.();
  };
  return new WritableStream<Skb>(
    { start, write, close, abort: close },
    { highWaterMark: WRITABLE_PACKETS, size },
  );
}

/** Takes the packet from the caller, whose object ends. Returns one of our own. */
function take(skb: Skb): Skb {
  if (!(skb instanceof Skb)) throw new ArgumentTypeError("chunk", "an Skb", skb);
  const engine = engineOf(skb);
  checkOpen(engine);
  const error = refused(engine, "chunk", skb);
  if (error !== null) throw error;
  const { users } = skb;
  if (users > 1) throw new HeldSkbError(users);
  return takeAs(skb);
}
