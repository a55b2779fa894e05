// SkbQueue: packets in a row (sk_buff_head).

import { describes } from "./describe.js";
import { Engine } from "./engine.js";
import { ArgumentTypeError, ForeignSkbError, QueuedSkbError } from "./errors.js";
import { checkReason, DropReason } from "./reason.js";
import { Skb } from "./skb.js";

/** A queue's link to one of its packets, and the packet's to its queue. @internal */
export interface QueueNode {
  readonly skb: Skb;
  queue: SkbQueue;
  previous: QueueNode | null;
  next: QueueNode | null;
}

/**
 * A doubly linked list of packets of one thread (sk_buff_head). A queue owns its packets: while it has one, that
 * `Skb` can be read and written, but not released or given away until it is popped.
 *
 * @example
 * const queue = new SkbQueue(engine);
 * queue.pushTail(skb);
 * queue.length; // → 1
 * queue.popHead()?.release();
 */
export class SkbQueue {
  readonly #engine: Engine;
  #head: QueueNode | null = null;
  #tail: QueueNode | null = null;
  #length = 0;

  /**
   * Makes an empty queue for packets of one engine.
   *
   * @throws ArgumentTypeError
   * @example
   * new SkbQueue(engine).length; // → 0
   */
  constructor(engine: Engine) {
    if (!(engine instanceof Engine)) throw new ArgumentTypeError("engine", "an Engine", engine);
    this.#engine = engine;
  }

  /** Packets in the queue (skb_queue_len). */
  get length(): number {
    return this.#length;
  }

  /**
   * Puts a packet in front (__skb_queue_head). Takes it.
   *
   * @throws QueuedSkbError, StaleSkbError, ForeignSkbError, ArgumentTypeError
   * @example
   * const queue = new SkbQueue(engine);
   * queue.pushHead(skb);
   * queue.pushHead(other);
   * queue.peek() === other; // → true
   */
  pushHead(skb: Skb): void {
    const node = this.#nodeFor(skb);
    node.next = this.#head;
    if (this.#head === null) this.#tail = node;
    else this.#head.previous = node;
    this.#head = node;
  }

  /**
   * Puts a packet at the end (__skb_queue_tail). Takes it.
   *
   * @throws QueuedSkbError, StaleSkbError, ForeignSkbError, ArgumentTypeError
   * @example
   * const queue = new SkbQueue(engine);
   * queue.pushTail(skb);
   * queue.pushTail(other);
   * queue.peek() === skb; // → true
   */
  pushTail(skb: Skb): void {
    this.#append(this.#nodeFor(skb));
  }

  /**
   * Takes the first packet out (__skb_dequeue), or null. Returns an owned one.
   *
   * @throws EngineClosedError
   * @example
   * const queue = new SkbQueue(engine);
   * queue.pushTail(skb);
   * queue.popHead() === skb; // → true
   * queue.popHead(); // → null
   */
  popHead(): Skb | null {
    return this.#pop(this.#head);
  }

  /**
   * Takes the last packet out (__skb_dequeue_tail), or null. Returns an owned one.
   *
   * @throws EngineClosedError
   * @example
   * const queue = new SkbQueue(engine);
   * queue.pushTail(skb);
   * queue.popTail() === skb; // → true
   * queue.popTail(); // → null
   */
  popTail(): Skb | null {
    return this.#pop(this.#tail);
  }

  /**
   * The first packet (skb_peek), which stays in the queue, or null. Borrowed.
   *
   * @throws EngineClosedError
   * @example
   * const queue = new SkbQueue(engine);
   * queue.pushTail(skb);
   * queue.peek() === skb; // → true
   * queue.length; // → 1
   */
  peek(): Skb | null {
    this.#engine._open();
    return this.#head === null ? null : this.#head.skb;
  }

  /**
   * The last packet (skb_peek_tail), which stays in the queue, or null. Borrowed.
   *
   * @throws EngineClosedError
   * @example
   * const queue = new SkbQueue(engine);
   * queue.pushTail(skb);
   * queue.peekTail() === skb; // → true
   * queue.length; // → 1
   */
  peekTail(): Skb | null {
    this.#engine._open();
    return this.#tail === null ? null : this.#tail.skb;
  }

  /**
   * Takes a packet out, wherever it stands (__skb_unlink). Returns false if it is not in this queue.
   *
   * @throws EngineClosedError
   * @example
   * const queue = new SkbQueue(engine);
   * queue.pushTail(skb);
   * queue.unlink(skb); // → true
   * queue.unlink(skb); // → false
   */
  unlink(skb: Skb): boolean {
    this.#engine._open();
    const node = skb instanceof Skb ? skb._node : null;
    if (node === null || node.queue !== this) return false;
    this.#remove(node);
    return true;
  }

  /**
   * Moves all packets of another queue of the same engine to the end of this one, in order (skb_queue_splice_tail).
   *
   * @throws ArgumentTypeError, ForeignSkbError, EngineClosedError
   * @example
   * const queue = new SkbQueue(engine);
   * const from = new SkbQueue(engine);
   * from.pushTail(skb);
   * queue.splice(from);
   * queue.length; // → 1
   */
  splice(from: SkbQueue): void {
    this.#engine._open();
    if (!(from instanceof SkbQueue)) throw new ArgumentTypeError("from", "an SkbQueue", from);
    if (from.#engine !== this.#engine) throw new ForeignSkbError("from");
    if (from === this) return;
    for (let node = from.#head; node !== null; ) {
      const next = node.next;
      node.queue = this;
      this.#append(node);
      node = next;
    }
    this.#length += from.#length;
    from.#head = null;
    from.#tail = null;
    from.#length = 0;
  }

  /**
   * Releases all packets (skb_queue_purge). Returns how many.
   *
   * @throws EngineClosedError, ArgumentRangeError
   * @example
   * const queue = new SkbQueue(engine);
   * queue.pushTail(skb);
   * queue.purge(DropReason.full); // → 1
   * skb.alive; // → false
   */
  purge(reason: DropReason = DropReason.consumed): number {
    this.#engine._open();
    checkReason(reason);
    let n = 0;
    // A completion may close the engine.
    while (this.#head !== null && !this.#engine.closed) {
      this.popHead()?.release(reason);
      n++;
    }
    return n;
  }

  /**
   * The packets, first to last. They stay in the queue. Borrowed. The one just visited may be taken
   * out.
   *
   * @throws EngineClosedError
   * @example
   * const queue = new SkbQueue(engine);
   * queue.pushTail(skb);
   * for (const packet of queue) packet.mark = 7;
   * skb.mark; // → 7
   */
  *[Symbol.iterator](): IterableIterator<Skb> {
    this.#engine._open();
    for (let node = this.#head; node !== null; ) {
      // Read first, so that the loop's body may take the packet out.
      const next: QueueNode | null = node.next;
      yield node.skb;
      node = next;
    }
  }

  #nodeFor(skb: Skb): QueueNode {
    this.#engine._own("skb", skb);
    if (skb._node !== null) throw new QueuedSkbError();
    const node: QueueNode = { skb, queue: this, previous: null, next: null };
    skb._node = node;
    this.#length++;
    return node;
  }

  #append(node: QueueNode): void {
    node.next = null;
    node.previous = this.#tail;
    if (this.#tail === null) this.#head = node;
    else this.#tail.next = node;
    this.#tail = node;
  }

  #pop(node: QueueNode | null): Skb | null {
    this.#engine._open();
    if (node === null) return null;
    this.#remove(node);
    return node.skb;
  }

  #remove(node: QueueNode): void {
    if (node.previous === null) this.#head = node.next;
    else node.previous.next = node.next;
    if (node.next === null) this.#tail = node.previous;
    else node.next.previous = node.previous;
    node.previous = null;
    node.next = null;
    node.skb._node = null;
    this.#length--;
  }
}

describes(SkbQueue, "SkbQueue", ({ length }) => ({ length }));
