// What a process that makes traffic has of the harness: units go out as the load says, warming up, settling and measured; what
// comes back is counted, and how long it took.

import { createHash } from "node:crypto";
import { build } from "hdr-histogram-js";

/** `info` is what the program said, `load` the load, `times` how long, `check` whether it only is to be looked what comes out. */
export const { info, load, times, options, check } = JSON.parse(process.argv[2]);

/** While code is being compiled as many as go through, however little the load is: more would still be under way afterwards. */
const WARM_RATE = 0;
/** Units under way where as many go through as can. */
const WINDOW = 128;
/** Milliseconds after which what has not come back is lost. */
const LOST_MS = 500;
/** Units of a check, and how many a second. */
const CHECKED = 1000;
const CHECK_RATE = 1000;

const histogram = build({ lowestDiscernibleValue: 1, numberOfSignificantValueDigits: 3 });
const ORIGIN = process.hrtime.bigint();
const digests = [];
let phase = "warming up";
let sent = 0;
let returned = 0;
let came = 0;
let moved = 0;
let stop = false;

/** Nanoseconds since some time of this process, as a number. */
export function now() {
  return Number(process.hrtime.bigint() - ORIGIN);
}

/** Counts a unit that went out at `time` and has come back. */
export function arrived(time) {
  returned++;
  moved = performance.now();
  if (phase === "measured") histogram.recordValue(Math.max(now() - time, 1));
}

/** Counts what came out at one of the places where it does, all of `bytes`. */
export function delivered(place, bytes) {
  came++;
  if (!check) return;
  digests[place] ??= createHash("sha256");
  digests[place].update(`${bytes.length} `).update(bytes);
}

function hear(type) {
  return new Promise((resolve) => {
    const listener = (message) => {
      if (message.type !== type) return;
      process.off("message", listener);
      resolve();
    };
    process.on("message", listener);
  });
}

/** Calls `send(n)` whenever units are due, until told to stop. */
function pace(send, lossless) {
  let rate = check ? CHECK_RATE : WARM_RATE;
  let from = performance.now();
  let due = 0;
  const set = (next) => {
    rate = next;
    from = performance.now();
    due = 0;
  };
  const tick = () => {
    if (stop) return;
    const time = performance.now();
    let n;
    if (rate === 0) {
      // What is lost does not come back, and is not waited for.
      if (!lossless && time - moved > LOST_MS) returned = sent;
      n = WINDOW - (sent - returned);
    } else {
      const all = Math.floor(((time - from) * rate) / 1000);
      n = all - due;
      due = all;
    }
    if (check) n = Math.min(n, CHECKED - sent);
    if (n > 0) {
      sent += n;
      send(n);
    }
    if (rate === 0) setImmediate(tick);
    else setTimeout(tick, 1);
  };
  moved = performance.now();
  tick();
  return set;
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Does all of it. `send(n)` sends n units, each with the time when it was sent, from `now()`; `arrived(time)` counts it back.
 * `lossless`: all come back, however late. Default: what is late is lost.
 */
export async function drive(send, { outputs = 1, lossless = false } = {}) {
  const set = pace(send, lossless);
  if (check) {
    const start = performance.now();
    // All of it, or as long as nothing could be under way any more.
    while (came < CHECKED * outputs && performance.now() - start < 10 * CHECKED) await sleep(10);
    // What comes twice, too.
    await sleep(100);
    const report = { sent, came, digests: digests.map((one) => one.digest("hex")) };
    process.send({ type: "checked", report });
  } else {
    await sleep(times.warmUp);
    set(load.rate);
    await sleep(times.settle);
    process.send({ type: "steady" });
    await hear("measure");
    phase = "measured";
    const before = { sent, came };
    await sleep(times.ms);
    phase = "over";
    const quantile = (percent) => histogram.getValueAtPercentile(percent);
    const [p50, p99, p999] = [50, 99, 99.9].map(quantile);
    const report = { p50, p99, p999, sent: sent - before.sent, came: came - before.came };
    process.send({ type: "measured", report });
  }
  await hear("stop");
  stop = true;
  process.disconnect();
}
