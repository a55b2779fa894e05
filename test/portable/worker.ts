// Runs files of tests in a worker, one after the other, for the page that started it.

import { letPageMakeWorkers } from "./relay.js";
import type { Outcome } from "./vitest.js";

interface Order {
  readonly file?: string;
  /** If the page is to make the threads. */
  readonly relay?: MessagePort;
}

const { runFile } = (await import(new URL("vitest.mjs", import.meta.url).href)) as {
  runFile(file: string): Promise<Outcome>;
};

addEventListener("message", async ({ data: { file, relay } }: MessageEvent<Order>) => {
  if (file === undefined) return;
  if (relay !== undefined) letPageMakeWorkers(relay);
  try {
    postMessage({ outcome: await runFile(file) });
  } catch (error) {
    postMessage({ error: String(error) });
  }
});
postMessage({ ready: true });
