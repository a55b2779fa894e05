// With `debug`: where each skb was allocated and let go, and a report of every Skb object that was
// garbage-collected while its skb was still out. A reporter only: it never frees anything.

import type { Skb } from "../skb.js";
import type { Leak, Tracker } from "../tracker.js";

/** What is known of one Skb object; of its present life, if a burst has used it again. */
interface Life {
  handle: number;
  allocatedAt: string;
  releasedAt: string | undefined;
}

class Records implements Tracker {
  readonly #lives = new WeakMap<Skb, Life>();
  /** Of each packet that is out, its references in the order in which they were made. */
  readonly #live = new Map<number, Set<Life>>();
  readonly #registry: FinalizationRegistry<Life>;

  constructor(onLeak: (leak: Leak) => void) {
    this.#registry = new FinalizationRegistry((life) => {
      if (life.releasedAt === undefined) onLeak({ handle: life.handle, allocatedAt: life.allocatedAt });
    });
  }

  born(skb: Skb, handle: number): void {
    const allocatedAt = caller();
    let life = this.#lives.get(skb);
    if (life === undefined) {
      life = { handle, allocatedAt, releasedAt: undefined };
      this.#lives.set(skb, life);
      // Once for each object, not for each life: what is registered stays until the object is collected.
      this.#registry.register(skb, life);
    } else {
      life.handle = handle;
      life.allocatedAt = allocatedAt;
      life.releasedAt = undefined;
    }
    this.#add(life);
  }

  died(skb: Skb): void {
    const life = this.#lives.get(skb);
    if (life === undefined) return;
    life.releasedAt = caller();
    const references = this.#live.get(life.handle);
    if (references === undefined) return;
    references.delete(life);
    if (references.size === 0) this.#live.delete(life.handle);
  }

  /** It did not die after all. */
  revived(skb: Skb): void {
    const life = this.#lives.get(skb);
    if (life === undefined) return;
    life.releasedAt = undefined;
    this.#add(life);
  }

  #add(life: Life): void {
    const references = this.#live.get(life.handle);
    if (references === undefined) this.#live.set(life.handle, new Set([life]));
    else references.add(life);
  }

  of(skb: Skb): { allocatedAt: string; releasedAt: string | undefined } | undefined {
    return this.#lives.get(skb);
  }

  /** Where the oldest reference to the packet that is still out was made. */
  allocatedAt(handle: number): string | undefined {
    for (const life of this.#live.get(handle) ?? []) return life.allocatedAt;
    return undefined;
  }
}

/**
 * For the option `debug` of `Engine.create` and `Engine.attach`: records where each packet was allocated and let go, for
 * errors, for what `close()` says, and for leak reports. Slow. The engine calls it.
 *
 * @example
 * const engine = await Engine.create({ memory: 1024 * 1024, debug });
 * engine.alloc(100);
 * engine.close({ force: true }).length; // → 1
 */
export function debug(onLeak: (leak: Leak) => void): object {
  return new Records(onLeak);
}

/** The folder of the library's own modules, in the way stacks name them. */
const FOLDERS = folders();

function folders(): string[] {
  // In a classic script it has no URL.
  const { url = "" } = import.meta;
  const folder = url.slice(0, url.lastIndexOf("/") + 1);
  // Bun's stacks have paths where the others' have URLs.
  return [folder, decodeURI(folder.replace(/^file:\/\//, ""))];
}

/** The stack from the library's caller on. */
function caller(): string {
  const lines = (new Error().stack ?? "").split("\n").slice(1);
  // Bundled together with its user the library cannot tell its own frames, and shows them all.
  const first = lines.findIndex((line) => !FOLDERS.some((folder) => line.includes(folder)));
  return lines
    .slice(Math.max(first, 0))
    .map((line) => line.trim())
    .join("\n    ");
}
