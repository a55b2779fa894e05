// Sleeping and waking. Each thread sleeps on one word of its own block, whatever it waits for, and asks with a flag at
// each of those things to be woken.
//
//   the one who waits                        the one who brings
//   1  wake word := ASLEEP                   a  publishes what it brings
//   2  flag := what it wants                 b  flag set?  no: done, one load
//   3  is it there? then stay awake          c  flag := 0
//   4  sleep while the word is ASLEEP        d  wake word := AWAKE; if it was ASLEEP, notify
//
// (W) All of these are sequentially consistent: of 2, 3 and a, b either the bringer sees the flag or the other sees what
// was brought, so no wake-up is lost. 1 comes before 2, so whoever sees the flag finds the word set. A flag that is
// left over wakes somebody in vain, who looks and sleeps on.
//
// The same for memory, which anybody may bring to anybody (wanted.ts):
//
//   2  own flag := 1; flag of all := 1       b  flag of all set?  no: done, one load
//      marks all threads' magazines: full    c  flag of all := 0; then each thread's flag, as above
//   3  was anything freed since it looked?      a give to a marked magazine goes to the depots, with all it holds

import { threadBlocks } from "./arena";
import { ASLEEP, AWAKE, COUNT_WAKES, THREAD_BYTES, THREAD_WAKE } from "./layout";
import { atomicExchange32, atomicLoad32, atomicStore32, notify } from "./memory";
import { count } from "./thread";
import { isThread } from "./trust";

/** Wakes thread `number`, if it set a flag. Call it after what the flag asks for has been published. */
export function answer(flag: u32, number: u32): void {
  if (atomicLoad32(flag) === 0) return;
  atomicStore32(flag, 0);
  wakeThread(number);
}

/** The same for the thread that has the end of a ring whose word is at `end`. */
export function answerEnd(flag: u32, end: u32): void {
  if (atomicLoad32(flag) === 0) return;
  atomicStore32(flag, 0);
  // After the flag: whoever set it had taken the end before.
  const number = atomicLoad32(end);
  if (number !== 0) wakeThread(number);
}

/** Wakes thread `number`, if it sleeps. Trusts the number. */
export function wakeThread(number: u32): void {
  if (DEBUG) assert(isThread(number), "there is such a thread");
  const word = threadBlocks + (number - 1) * THREAD_BYTES + THREAD_WAKE;
  // The exchange makes one thread, of several that bring something, the one that notifies.
  if (atomicExchange32(word, AWAKE) !== ASLEEP) return;
  notify(word);
  count(COUNT_WAKES, 1);
}
