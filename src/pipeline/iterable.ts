// An input made of whatever can be iterated over and gives packets: an array, a generator, a stream of packets.

import { type AbortSignalLike, onAbort } from "../abort.js";
import { ArgumentTypeError } from "../errors.js";
import { Skb } from "../skb.js";
import type { WaitOptions, Wakeup } from "../wait.js";
import type { PacketInput } from "./plan.js";

type Result = IteratorResult<Skb, unknown>;

export class IterableInput implements PacketInput {
  readonly #iterator: AsyncIterator<Skb> | Iterator<Skb>;
  /** Whether it answers at once: then a burst is taken without a promise. */
  readonly #atOnce: boolean;
  #next: Skb | null = null;
  /** What the iterator has been asked for and has not answered. */
  #asked: Promise<Result> | null = null;
  /** What it threw, after packets that went before. */
  #error: { readonly thrown: unknown } | null = null;
  #ended = false;
  #over = false;

  constructor(packets: AsyncIterable<Skb> | Iterable<Skb>) {
    this.#atOnce = !(Symbol.asyncIterator in packets);
    this.#iterator =
      Symbol.asyncIterator in packets ? packets[Symbol.asyncIterator]() : packets[Symbol.iterator]();
  }

  dequeueBurst(out: (Skb | null | undefined)[], count = 1): number {
    if (this.#atOnce) return this.#take(out, count);
    if (this.#next === null) return 0;
    out[0] = this.#next;
    this.#next = null;
    return 1;
  }

  #take(out: (Skb | null | undefined)[], count: number): number {
    let n = 0;
    try {
      while (n < count && !this.#ended && this.#error === null) {
        const { done, value } = (this.#iterator as Iterator<Skb>).next();
        if (done === true) this.#ended = true;
        else out[n++] = checkPacket(value);
      }
    } catch (thrown) {
      this.#error = { thrown };
    }
    return n;
  }

  async waitAsync(options?: WaitOptions): Promise<Wakeup> {
    if (this.#error !== null) throw this.#error.thrown;
    if (this.#ended) return "ended";
    if (this.#atOnce || this.#next !== null) return "ready";
    const asked = this.#asked ?? (this.#iterator as AsyncIterator<Skb>).next();
    this.#asked = asked;
    const result = await unlessAborted(asked, options?.signal);
    this.#asked = null;
    if (result.done === true) {
      this.#ended = true;
      return "ended";
    }
    this.#next = checkPacket(result.value);
    return "ready";
  }

  /** Ends the iteration. What it still gives is released. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#next?.alive === true) this.#next.release();
    this.#next = null;
    this.#asked?.then(
      ({ value }) => {
        if (value instanceof Skb && value.alive) value.release();
      },
      () => {},
    );
    if (this.#ended) return;
    this.#ended = true;
    // Whatever it answers: nobody is there any more to be told.
    void (async () => this.#iterator.return?.())().catch(() => {});
  }
}

function checkPacket(value: unknown): Skb {
  if (value instanceof Skb) return value;
  throw new ArgumentTypeError("source", "packets", value);
}

/** What `promise` resolves to, unless the signal is aborted before. @throws its reason */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignalLike | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const end = onAbort(signal, () => reject(signal.reason));
    promise.then(resolve, reject).finally(end);
  });
}
