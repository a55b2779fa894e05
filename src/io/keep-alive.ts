// What keeps the event loop alive while something is waited for: promises alone do not. One timer for all waits of a thread, since a
// timer for each costs more than all the rest of a wait.

/** Milliseconds: the longest that a timer can be set to. It only has to be there. */
export const TIMER_MOST = 2 ** 31 - 1;

type Handle = ReturnType<typeof setInterval>;

let holders = 0;
let timer: Handle | undefined;

/** Keeps the event loop alive until `drop()` was called as often. */
export function hold(): void {
  if (holders++ > 0) return;
  if (timer === undefined) timer = setInterval(() => {}, TIMER_MOST);
  else timer.ref();
}

/** Takes one `hold()` back. */
export function drop(): void {
  if (--holders > 0) return;
  // In browsers, and in Deno, it is but a number, and there is only the long way.
  if (typeof timer === "object" && typeof timer.unref === "function") timer.unref();
  else {
    clearInterval(timer);
    timer = undefined;
  }
}
