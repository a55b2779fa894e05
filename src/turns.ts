// Turns of the event loop. A promise that is ready goes on before any timer and any I/O, so a loop that awaits only such
// promises keeps everything else on its thread from running. Whatever may be awaited in a loop counts here, and waits for
// a real turn when one is due.

/** Packets after which a turn is due: it costs some 2 us, which is little beside those of so many. */
const PACKETS_MOST = 256;
/** Milliseconds after which one is due, however few packets there were: far below what anybody would notice. */
const MS_MOST = 4;
/** What a wait counts that ends at once: behind it there is often a burst. */
const WAIT_PACKETS = 16;

// For the whole thread, not for each loop: loops that take turns by promises starve the rest just as one does.

/** The turn that follows the present one, once somebody has counted in this one. */
let next: Promise<void> | undefined;
let packets = 0;
let start = 0;
/** At how many packets the clock is looked at again, which costs as much as half a packet. */
let look = 0;

/** Counts `n` packets. Returns what to await before going on, if a turn is due; undefined if not. */
export function turnDue(n = 1): Promise<void> | undefined {
  const present = nextTurn();
  packets += n;
  if (packets < look) return undefined;
  if (packets > PACKETS_MOST || performance.now() - start >= MS_MOST) return present;
  // Twice as many: so a turn takes no longer than twice MS_MOST, however long each packet does.
  look = Math.min(packets * 2, PACKETS_MOST + 1);
  return undefined;
}

/** The turn that follows the present one. Who asks first is told first. */
export function nextTurn(): Promise<void> {
  if (next === undefined) {
    next = turn().then(turned);
    packets = 0;
    look = 1;
    start = performance.now();
  }
  return next;
}

/** What a wait returns that need not wait: `value`, after a turn if one is due. */
export function atOnce<T>(value: T): Promise<T> {
  const due = turnDue(WAIT_PACKETS);
  return due === undefined ? Promise.resolve(value) : due.then(() => value);
}

function turned(): void {
  next = undefined;
}

/** The next turn of the event loop: when it resolves, timers and I/O that were due have run. */
export function turn(): Promise<void> {
  return new Promise(schedule);
}

const schedule: (then: () => void) => void =
  typeof setImmediate === "function"
    ? (then) => void setImmediate(then)
    : typeof MessageChannel === "undefined" || "Deno" in globalThis
      ? // Deno would not end while a port is open.
        (then) => void setTimeout(then)
      : byMessage;

// Pages clamp a timer that a timer set to 4 ms; messages they do not.
const waiting: (() => void)[] = [];
let port: MessagePort | undefined;

function byMessage(then: () => void): void {
  if (port === undefined) {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => waiting.shift()?.();
    port = port2;
  }
  waiting.push(then);
  port.postMessage(null);
}
