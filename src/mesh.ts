/// <reference lib="esnext.disposable" preserve="true" />
// Mesh: packets from several threads to several threads, through a ring for each pair.

import { TARGETS_MOST } from "../assembly/layout.js";
import { checkInteger, checkOneOf, checkOptions, type Names } from "./check.js";
import { describes } from "./describe.js";
import { checkEngine, type Engine } from "./engine.js";
import { PoolExhaustedError, RingClosedError } from "./errors.js";
import { Receiver } from "./receiver.js";
import { checkCapacity, createRing, RING_OPTIONS, Ring, type RingOptions } from "./ring.js";
import { Sender } from "./sender.js";
import { checkToken, type MeshToken, type RingToken } from "./token.js";

/** What a mesh is made with; `capacity` is that of each of its rings. */
export interface MeshOptions extends RingOptions {
  /**
   * How a sender chooses. `hash`: by `skb.hash`, so that the packets of a flow go to one receiver, in
   * order. `in-turn`: one receiver after the other, passing over those whose ring is full. Default: `hash`.
   */
  spread?: "hash" | "in-turn";
}

const MESH_OPTIONS: Names<MeshOptions> = { ...RING_OPTIONS, spread: true };

/**
 * Rings from each of several producers to each of several consumers. Made on one thread; each of the others opens it with
 * `Mesh.attach` and takes its place as a sender or a receiver.
 *
 * @example
 * const mesh = new Mesh(engine, 1, 2);
 * const sender = mesh.sender(0);
 * skb.hash = 7;
 * other.hash = 7;
 * sender.enqueueBurst([skb, other]); // → 2
 * const receivers = [mesh.receiver(0), mesh.receiver(1)];
 * receivers.map((receiver) => receiver.size).sort(); // → [0, 2]
 */
export class Mesh {
  /** Senders. */
  readonly producers: number;
  /** Receivers. */
  readonly consumers: number;
  readonly #engine: Engine;
  readonly #token: MeshToken;
  /** What keeps the rings alive while nobody has opened them; only where the mesh was made. */
  #rings: Ring[] = [];
  /** The places that were taken by way of this object, each with a ring of it. */
  #taken: (readonly [Sender | Receiver, Ring])[] = [];

  /**
   * Makes a ring for each pair of `producers` and `consumers`, 1..64 each. Returns an owned mesh.
   *
   * @throws PoolExhaustedError, EngineClosedError, ArgumentRangeError, ArgumentTypeError
   * @example
   * const mesh = new Mesh(engine, 2, 3, { capacity: 64, spread: "in-turn" });
   * mesh.consumers; // → 3
   */
  constructor(engine: Engine, producers: number, consumers: number, options?: MeshOptions);
  /** @internal */
  constructor(engine: Engine, producers: 0, consumers: 0, options: undefined, token: MeshToken);
  constructor(
    engine: Engine,
    producers: number,
    consumers: number,
    options?: MeshOptions,
    token?: MeshToken,
  ) {
    this.#engine = checkEngine(engine);
    this.#token = token ?? this.#make(producers, consumers, options);
    this.producers = this.#token.rings.length;
    this.consumers = this.#token.consumers;
  }

  /** Makes the rings. Returns what tells another thread of them. */
  #make(producers: number, consumers: number, options: MeshOptions | undefined): MeshToken {
    const engine = this.#engine;
    checkInteger("producers", producers, 1, TARGETS_MOST);
    checkInteger("consumers", consumers, 1, TARGETS_MOST);
    const given = checkOptions(options, MESH_OPTIONS);
    const capacity = checkCapacity(given.capacity);
    const { spread = "hash" } = given;
    checkOneOf("spread", spread, ["hash", "in-turn"]);
    const wanted = producers * consumers;
    const rings = all(wanted, (i) => {
      const ring = createRing(engine, capacity);
      if (ring === 0) throw new PoolExhaustedError("ring", `${i} (of what \`rings\` makes room for)`, wanted);
      return new Ring(engine, undefined, ring);
    });
    const rows = Array.from({ length: producers }, (_, p) =>
      rings.slice(p * consumers, (p + 1) * consumers).map((ring) => ring.share()),
    );
    const identity = engine._identity;
    this.#rings = rings;
    return { skbuff: "mesh", identity, consumers, inTurn: spread === "in-turn", rings: rows };
  }

  /**
   * Opens a mesh that another thread made.
   *
   * @throws TokenError, EngineClosedError, ArgumentTypeError
   * @example
   * const mesh = Mesh.attach(engine, new Mesh(engine, 2, 3).share());
   * mesh.producers; // → 2
   */
  static attach(engine: Engine, token: MeshToken): Mesh {
    const { _identity: identity } = checkEngine(engine);
    return new Mesh(engine, 0, 0, undefined, checkToken("mesh", token, identity));
  }

  /**
   * Takes the place of sender number `i`. One thread can have it.
   *
   * @throws ArgumentRangeError, RingClosedError if the mesh is gone
   * @example
   * const sender = new Mesh(engine, 2, 2).sender(1);
   * sender.enqueue(skb); // → true
   */
  sender(i: number): Sender {
    this.#engine._open();
    const row = this.#token.rings[checkInteger("i", i, 0, this.producers - 1)] ?? [];
    const rings = all(row.length, (c) => Ring.attach(this.#engine, row[c] as RingToken));
    return this.#take(new Sender(this.#engine, rings, this.#token.inTurn), rings);
  }

  /**
   * Takes the place of receiver number `i`. One thread can have it.
   *
   * @throws ArgumentRangeError, RingClosedError if the mesh is gone
   * @example
   * const receiver = new Mesh(engine, 2, 2).receiver(0);
   * receiver.dequeue(); // → null
   */
  receiver(i: number): Receiver {
    this.#engine._open();
    checkInteger("i", i, 0, this.consumers - 1);
    const rows = this.#token.rings;
    const rings = all(rows.length, (p) => Ring.attach(this.#engine, rows[p]?.[i] as RingToken));
    return this.#take(new Receiver(this.#engine, rings), rings);
  }

  /** Remembers a place; forgets those that were released. */
  #take<T extends Sender | Receiver>(place: T, rings: readonly Ring[]): T {
    this.#taken = this.#taken.filter(([, ring]) => ring._address !== 0);
    this.#taken.push([place, rings[0] as Ring]);
    return place;
  }

  /**
   * What another thread needs for `Mesh.attach`. Send it with `postMessage`.
   *
   * @throws EngineClosedError
   * @example
   * const mesh = new Mesh(engine, 1, 2);
   * Mesh.attach(engine, mesh.share()).consumers; // → 2
   */
  share(): MeshToken {
    this.#engine._open();
    return this.#token;
  }

  /**
   * Closes all of its rings, for whoever has them: nothing goes in from here on, and receivers end when they have drained them.
   *
   * @throws EngineClosedError
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * const receiver = mesh.receiver(0);
   * mesh.close();
   * receiver.ended; // → true
   */
  close(): void {
    this.#engine._open();
    for (const token of this.#token.rings.flat()) {
      try {
        const ring = Ring.attach(this.#engine, token);
        ring.close();
        ring.release();
      } catch (error) {
        // Nobody has it any more.
        if (!(error instanceof RingClosedError)) throw error;
      }
    }
  }

  /**
   * Closes all of its rings, and aborts the senders and receivers that were taken by way of this object: their waits reject with
   * `reason`, and what the receivers have is released. Default: `reason` is a RingClosedError. Does nothing once the engine is
   * closed.
   *
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * const waiting = mesh.receiver(0).waitAsync().catch((error) => error.message);
   * mesh.abort(new Error("no time left"));
   * await waiting; // → "no time left"
   */
  abort(reason?: unknown): void {
    if (this.#engine.closed) return;
    for (const [place] of this.#taken) place.abort(reason);
    this.close();
  }

  /**
   * Lets go of the mesh; senders and receivers go on. On the thread that made it: once they are all open, so that the
   * last of them to be released frees the rings.
   *
   * @example
   * new Mesh(engine, 1, 2).release();
   */
  release(): void {
    for (const ring of this.#rings) ring.release();
    this.#rings = [];
  }

  /**
   * `release()`.
   *
   * @example
   * new Mesh(engine, 1, 2)[Symbol.dispose]();
   */
  [Symbol.dispose](): void {
    this.release();
  }
}

/** Makes or opens `n` rings; if one cannot be had, none. */
function all(n: number, ring: (i: number) => Ring): Ring[] {
  const rings: Ring[] = [];
  try {
    for (let i = 0; i < n; i++) rings.push(ring(i));
  } catch (error) {
    for (const one of rings) one.release();
    throw error;
  }
  return rings;
}

describes(Mesh, "Mesh", ({ producers, consumers }) => ({ producers, consumers }));
