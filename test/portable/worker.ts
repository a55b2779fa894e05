// Runs files of tests in a worker, one after the other, for the page that started it.

import type { Outcome } from "./vitest.js";

const { runFile } = (await import(new URL("vitest.mjs", import.meta.url).href)) as {
  runFile(file: string): Promise<Outcome>;
};

addEventListener("message", async ({ data: { file } }: MessageEvent<{ file?: string }>) => {
  if (file === undefined) return;
  try {
    postMessage({ outcome: await runFile(file) });
  } catch (error) {
    postMessage({ error: String(error) });
  }
});
postMessage({ ready: true });
