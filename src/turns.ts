// Turns of the event loop. A promise that is ready goes on before any timer and any I/O, so a loop that awaits only such
// promises keeps everything else on its thread from running. Whatever may be awaited in a loop counts here, and waits for
// a real turn when one is due.

/** Packets after which a turn is due: it costs some 2 us, which is little beside those of so many. */
const PACKETS_MOST = 256;
/** Milliseconds after which one is due, however few packets there were: far below what anybody would notice. */
const MS_MOST = 4;
/** Packets that each loop may take in a turn, whatever others did in it: more than a socket brings to a turn. */
const PACKETS_LEAST = 64;
/** Milliseconds that count at most between two of them, since they may have been somebody else's. */
const GAP_MOST = 2;
/** What a wait counts that ends at once: behind it there is often a burst. */
const WAIT_PACKETS = 16;

// For the whole thread, not for each loop: loops that take turns by promises starve the rest just as one does.

/** The turn that follows the present one, once somebody has counted in this one. */
let next: Promise<void> | undefined;
/** Which one that is. */
let number = 0;
let packets = 0;
/** Whether a turn is due. */
let spent = false;
let start = 0;
/** At how many packets the clock is looked at again, which costs as much as half a packet. */
let look = 0;

/**
 * Whoever goes on for packet after packet. It waits for a turn when one is due, but not before it has had its own part of the
 * present one: else a sender that fills each turn would leave it a few packets, and it would fall behind for good.
 */
export class Loop {
  #turn = 0;
  /** Packets in this turn. */
  #own = 0;
  /** Milliseconds for which it went on although a turn was due. */
  #late = 0;
  /** When it last did. */
  #last = 0;

  /** Counts `n` packets. Returns what to await before going on, if a turn is due; undefined if not. */
  due(n = 1): Promise<void> | undefined {
    const present = nextTurn();
    if (this.#turn !== number) {
      this.#turn = number;
      this.#own = 0;
      this.#late = 0;
      this.#last = 0;
    }
    this.#own += n;
    if (!isDue(n)) return undefined;
    if (this.#own > PACKETS_LEAST) return present;
    const now = performance.now();
    if (this.#last !== 0) this.#late += Math.min(now - this.#last, GAP_MOST);
    this.#last = now;
    return this.#late >= MS_MOST ? present : undefined;
  }
}

/** What a wait returns that need not wait: `value`, after a turn if one is due. */
export function atOnce<T>(value: T): Promise<T> {
  return Promise.resolve(soon(value));
}

/** The same for who resolves a promise with it. */
export function soon<T>(value: T): T | Promise<T> {
  const present = nextTurn();
  return isDue(WAIT_PACKETS) ? present.then(() => value) : value;
}

/** Counts `n` packets of the thread. Returns whether so much was done that a turn is due. */
function isDue(n: number): boolean {
  packets += n;
  if (spent || packets < look) return spent;
  spent = packets > PACKETS_MOST || performance.now() - start >= MS_MOST;
  // Twice as many: so a turn takes no longer than twice MS_MOST, however long each packet does.
  look = Math.min(packets * 2, PACKETS_MOST + 1);
  return spent;
}

/** The turn that follows the present one. Whoever asks first is told first. */
export function nextTurn(): Promise<void> {
  if (next === undefined) {
    next = turn().then(turned);
    number++;
    packets = 0;
    spent = false;
    look = 1;
    start = performance.now();
  }
  return next;
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

// WebKit's workers run timers only when no message waits, so whoever turns by messages alone would keep all timers of the
// thread waiting. One of our own shows whether they are: while it is late, turns wait for it. Not on a page's own thread,
// where a hidden page's timers are a second late or more.
const OWN_THREAD = typeof document === "undefined";
/** Milliseconds after which it is late: it is set to none, and a turn may take MS_MOST. */
const LATE_MS = 2 * MS_MOST;
/** When it was set; -1 while there is none. */
let set = -1;

function byMessage(then: () => void): void {
  if (port === undefined) {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => waiting.shift()?.();
    port = port2;
  }
  waiting.push(then);
  if (OWN_THREAD) {
    const now = performance.now();
    if (set < 0) {
      set = now;
      setTimeout(onTime);
    } else if (now - set > LATE_MS) return;
  }
  port.postMessage(null);
}

function onTime(): void {
  set = -1;
  for (const then of waiting.splice(0)) then();
}
