// How long round trips take.

import { build } from "hdr-histogram-js";

/** Times of round trips, in nanoseconds. */
export class Latency {
  #histogram = build({ lowestDiscernibleValue: 1, numberOfSignificantValueDigits: 3 });

  add(ms) {
    this.#histogram.recordValue(Math.round(ms * 1e6));
  }

  report() {
    const at = (percent) => this.#histogram.getValueAtPercentile(percent);
    return { p50: at(50), p99: at(99), most: this.#histogram.maxValue };
  }
}
