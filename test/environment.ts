// What differs between the places where the tests run: Node, its likes, and pages and workers of browsers.

/** Whether this is Node itself, or something that has all of what the tests want of it. */
export const NODE: boolean =
  typeof process === "object" && typeof (process as { execPath?: string }).execPath === "string";

/** Whether there is memory that threads can share: a page has it if it is cross-origin isolated. */
export const SHARED_MEMORY: boolean =
  typeof SharedArrayBuffer !== "undefined" &&
  (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated !== false;

/** Whether this thread may sleep. A page's own must not. */
export const MAY_BLOCK: boolean = SHARED_MEMORY && typeof document === "undefined";

/**
 * Milliseconds. Whoever hears of something sooner was woken: a sleeper looks for itself after a second. In browsers, two of which
 * run at a time on machines with two cores, it was up to 970 when a third program ran.
 */
export const SOON_MS = NODE ? 500 : 900;

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
