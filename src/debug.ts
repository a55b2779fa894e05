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
  readonly #live = new Map<number, Life>();
  readonly #registry: FinalizationRegistry<Life>;

  constructor(onLeak: (leak: Leak) => void) {
    this.#registry = new FinalizationRegistry((life) => {
      if (life.releasedAt === undefined) onLeak({ handle: life.handle, allocatedAt: life.allocatedAt });
    });
  }

  born(skb: Skb, handle: number): void {
    const life: Life = { handle, allocatedAt: caller(), releasedAt: undefined };
    this.#lives.set(skb, life);
    this.#live.set(handle, life);
    this.#registry.register(skb, life);
  }

  died(skb: Skb): void {
    const life = this.#lives.get(skb);
    if (life === undefined) return;
    life.releasedAt = caller();
    if (this.#live.get(life.handle) === life) this.#live.delete(life.handle);
  }

  of(skb: Skb): { allocatedAt: string; releasedAt: string | undefined } | undefined {
    return this.#lives.get(skb);
  }

  /** Where the skb with this handle was last allocated, cloned or got. */
  allocatedAt(handle: number): string | undefined {
    return this.#live.get(handle)?.allocatedAt;
  }
}

/** The stack from the library's caller on. */
function caller(): string {
  const lines = (new Error().stack ?? "").split("\n").slice(1);
  const first = lines.findIndex(
    (line) => !/[/\\](dist|src)[/\\](index|chunks|engine|skb|debug|queue)\b/.test(line),
  );
  return lines
    .slice(Math.max(first, 0))
    .map((line) => line.trim())
    .join("\n    ");
}
