// Whether this environment has memory that threads can share.

/** What a page lacks that has none, for messages. */
export const ISOLATION =
  "SharedArrayBuffer; pages have it if served with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp";

/**
 * Whether there is shared memory that can be sent to workers. Browsers may have its constructor and yet refuse to send it
 * from a page that is not cross-origin isolated; outside of browsers nobody asks.
 */
export function sharedMemoryExists(): boolean {
  return typeof SharedArrayBuffer !== "undefined" && globalThis.crossOriginIsolated !== false;
}
