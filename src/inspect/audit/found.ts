// Found: who holds what, as the checks find it one after the other. Each adds what its structure refers to; those behind it compare
// that with the counts.

/** The skbs that share a head, and how long it is. */
export interface FoundHead {
  readonly skbs: number[];
  /** Bytes, its shared info included. */
  readonly bytes: number;
}

/** Objects are known by their addresses. */
export class Found {
  /** Of each class, what is in a magazine or a depot. */
  readonly free: Set<number>[] = [];
  /** Blocks that lists of free objects travel in, wherever they are. */
  readonly blocks = new Set<number>();
  /** skbs that are in a ring, and in which of the table. */
  readonly inRings = new Map<number, number>();
  /** Page entries of rings' slots, and of which ring. */
  readonly ringPages = new Map<number, number>();
  /** Shared infos, and who refers to them. */
  readonly heads = new Map<number, FoundHead>();
  /** skbs that say that a frag list owns them, and those that are in one. */
  readonly owned: number[] = [];
  readonly members = new Set<number>();
  /** Page entries, and the frags that point into them. */
  readonly frags = new Map<number, number>();
  /** ubufs, and the heads that carry them. */
  readonly carriers = new Map<number, number>();
  /** Page entries of slabs and large heads, and the heads that are accounted for. */
  readonly slabHeads = new Map<number, number>();

  /** The free objects of a class. */
  freeOf(kind: number): Set<number> {
    return this.free[kind] as Set<number>;
  }
}

/** One more of what is counted at `key`. */
export function countAt(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
