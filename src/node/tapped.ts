// A transmitter with a tap on it.

import { eachTaken } from "../driver.js";
import type { Transmitter } from "../io/transmitter.js";
import type { Skb } from "../skb.js";
import type { Packets } from "../staging.js";
import type { WaitOptions, Wakeup } from "../wait.js";
import type { Tap, Twin } from "./tap.js";

/** Shows the tap each packet that `out` takes, when it is taken: what is refused may come again. */
export class Tapped implements Transmitter {
  readonly #tap: Tap;
  readonly #out: Transmitter;

  constructor(tap: Tap, out: Transmitter) {
    this.#tap = tap;
    this.#out = out;
  }

  // Once taken, a packet is gone, so it is cloned before.

  enqueue(skb: Skb): boolean {
    if (skb?.alive !== true) return this.#out.enqueue(skb);
    const twin = this.#tap._twin(skb, this.#tap._room());
    let taken = false;
    try {
      taken = this.#out.enqueue(skb);
    } finally {
      if (taken) this.#tap._keep(twin);
      else forget(twin);
    }
    return taken;
  }

  enqueueBurst(skbs: Packets, count?: number): number {
    return eachTaken(this.#tap._engine, skbs, count, (those, total) => this.#enqueueAll(those, total));
  }

  #enqueueAll(skbs: (Skb | null | undefined)[], count: number): number {
    // Some transmitters put what they refused in front, so what became of each is asked of the packet itself.
    const before = skbs.slice(0, count);
    const twins: (Twin | null)[] = [];
    let room = this.#tap._room();
    for (const skb of before) {
      const twin = skb?.alive === true ? this.#tap._twin(skb, room) : null;
      if (typeof twin === "object" && twin !== null) room--;
      twins.push(twin);
    }
    // A clone of lent bytes may run callbacks, which may do anything to the others.
    for (const [i, twin] of twins.entries()) {
      if (twin === null || before[i]?.alive === true) continue;
      forget(twin);
      twins[i] = null;
    }
    try {
      return this.#out.enqueueBurst(skbs, count);
    } finally {
      for (const [i, twin] of twins.entries()) {
        if (twin === null) continue;
        if (before[i]?.alive === true) forget(twin);
        else this.#tap._keep(twin);
      }
    }
  }

  waitWritableAsync(room?: number, options?: WaitOptions): Promise<Wakeup> {
    return this.#out.waitWritableAsync(room, options);
  }
}

/** What was not transmitted was not offered. */
function forget(twin: Twin): void {
  if (typeof twin === "object") twin.release();
}
