// With `debug: true`: where each skb was allocated and let go, and a report of every Skb object that was
// garbage-collected while its skb was still out. A reporter only: it never frees anything.

import type { Skb } from "./skb.js";

/** What is known of one Skb object. */
interface Life {
  readonly handle: number;
  readonly allocatedAt: string;
  releasedAt: string | undefined;
}

/** An skb whose last Skb object was garbage-collected before it was released. */
export interface Leak {
  /** The skb's handle. */
  readonly handle: number;
  /** Stack of the call that made the object. */
  readonly allocatedAt: string;
}

export class Debug {
  readonly #lives = new WeakMap<Skb, Life>();
  /** Of each packet that is out, its references in the order in which they were made. */
  readonly #live = new Map<number, Life[]>();
  readonly #registry: FinalizationRegistry<Life>;

  constructor(onLeak: (leak: Leak) => void) {
    this.#registry = new FinalizationRegistry((life) => {
      if (life.releasedAt === undefined) onLeak({ handle: life.handle, allocatedAt: life.allocatedAt });
    });
  }

  born(skb: Skb, handle: number): void {
    const life: Life = { handle, allocatedAt: caller(), releasedAt: undefined };
    this.#lives.set(skb, life);
    const others = this.#live.get(handle);
    if (others === undefined) this.#live.set(handle, [life]);
    else others.push(life);
    this.#registry.register(skb, life);
  }

  died(skb: Skb): void {
    const life = this.#lives.get(skb);
    if (life === undefined) return;
    life.releasedAt = caller();
    const others = (this.#live.get(life.handle) ?? []).filter((other) => other !== life);
    if (others.length === 0) this.#live.delete(life.handle);
    else this.#live.set(life.handle, others);
  }

  /** It did not die after all. */
  revived(skb: Skb): void {
    const life = this.#lives.get(skb);
    if (life === undefined) return;
    life.releasedAt = undefined;
    const others = this.#live.get(life.handle);
    if (others === undefined) this.#live.set(life.handle, [life]);
    else others.push(life);
  }

  of(skb: Skb): { allocatedAt: string; releasedAt: string | undefined } | undefined {
    return this.#lives.get(skb);
  }

  /** Where the oldest reference to the packet that is still out was made. */
  allocatedAt(handle: number): string | undefined {
    return this.#live.get(handle)?.[0]?.allocatedAt;
  }
}

/** The stack from the library's caller on. */
function caller(): string {
  const lines = (new Error().stack ?? "").split("\n").slice(1);
  // Bundled together with its user the library cannot tell its own frames, and shows them all. In a classic script it has no URL.
  const { url = "" } = import.meta;
  // Bun's stacks have paths where the others' have URLs.
  const path = decodeURI(url.replace(/^file:\/\//, ""));
  const first = lines.findIndex((line) => !line.includes(url) && !line.includes(path));
  return lines
    .slice(Math.max(first, 0))
    .map((line) => line.trim())
    .join("\n    ");
}
