// What differs between the places where the tests run: Node, its likes, and pages and workers of browsers.

import type { Engine } from "skbuff";

/** Whether this is Node itself, or something that has all of what the tests want of it. */
export const NODE: boolean =
  typeof process === "object" && typeof (process as { execPath?: string }).execPath === "string";

/** Whether there is memory that threads can share: a page has it if it is cross-origin isolated. */
export const SHARED_MEMORY: boolean =
  typeof SharedArrayBuffer !== "undefined" &&
  (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated !== false;

/** Whether this thread may sleep. A page's own must not. */
export const MAY_BLOCK: boolean = SHARED_MEMORY && typeof document === "undefined";

/** Milliseconds between the looks of a sleeper whom nobody wakes, in the engines of the tests: longer than any machine is slow. */
export const RECHECK_MS = 60_000;

/** Milliseconds. Whoever hears of something sooner was woken, and did not look for itself. */
export const SOON_MS = RECHECK_MS / 2;

/** Makes an engine's sleepers rely on being woken, so that a wake-up that is lost shows, and a slow machine does not. Returns it. */
export function patient(engine: Engine): Engine {
  const { _waiter: waiter } = engine as unknown as { _waiter: { recheckMs: number } };
  if (waiter.recheckMs !== 1000) throw new Error("a sleeper looks each second no more");
  waiter.recheckMs = RECHECK_MS;
  return engine;
}

/** Hears of the next error that nobody catches, in place of whoever else does. */
export function surfaced(): Promise<unknown> {
  return NODE ? surfacedInNode() : surfacedInBrowser();
}

function surfacedInNode(): Promise<unknown> {
  const listeners = process.rawListeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  return new Promise((resolve) => {
    process.once("uncaughtException", (error) => {
      for (const listener of listeners) process.on("uncaughtException", listener as () => void);
      resolve(error);
    });
  });
}

function surfacedInBrowser(): Promise<unknown> {
  return new Promise((resolve) => {
    const hear = (event: Event): void => {
      event.preventDefault();
      globalThis.removeEventListener("error", hear);
      resolve((event as ErrorEvent).error);
    };
    globalThis.addEventListener("error", hear);
  });
}
