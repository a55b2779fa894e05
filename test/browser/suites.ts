// The contract, the threads and the explorer in a browser: in the page, in a module worker, and without what isolation gives.
// The package is the built one.

import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ALL } from "../amount.js";
import { bundleTests } from "../portable/bundle.js";
import type { Outcome } from "../portable/vitest.js";
import { type Browser, type BrowserName, findBrowsers, launch, type Page } from "./browsers.js";
import { type Served, serve } from "./server.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

type Suites = Awaited<ReturnType<typeof bundleTests>>;

const PAGE = {
  body: `<!doctype html><meta charset="utf-8"><title>skbuff</title><link rel="icon" href="data:,">`,
};

const FRAME = {
  body: `${PAGE.body}<script>
  window.run = async (file) => (await import("/tests/vitest.mjs")).runFile(file);
  </script>`,
};

/**
 * Runs a file in the page: in a frame of it, which is a page's thread as well. What a driver has once evaluated something in,
 * Firefox runs for good as if it were debugged, nine times slower.
 */
const IN_PAGE = `
  const frame = document.body.appendChild(document.createElement("iframe"));
  const loaded = new Promise((resolve) => { frame.onload = resolve; });
  frame.src = "/frame";
  await loaded;
  return frame.contentWindow.run(args[0]);`;

/** Runs it in a module worker; the second argument says whether the page makes its threads. */
const IN_WORKER = `
  const answer = (worker) => new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => { event.preventDefault(); reject(new Error(event.message)); };
  });
  const worker = new Worker("/tests/worker.mjs", { type: "module" });
  await answer(worker);
  let relay;
  if (args[1]) {
    const { makeWorkers } = await import("/tests/relay.mjs");
    const { port1, port2 } = new MessageChannel();
    makeWorkers(port1);
    relay = port2;
  }
  worker.postMessage({ file: args[0], relay }, relay === undefined ? [] : [relay]);
  const { outcome: value, error } = await answer(worker);
  if (error !== undefined) throw new Error(error);
  return value;`;

const everything = ({ contract, threads, explore }: Suites): string[] => [
  ...contract,
  ...threads,
  ...explore,
];
const theContract = ({ contract }: Suites): string[] => contract;
/** Enough to see that it works there at all, for `npm test`. */
const smoke =
  (...files: string[]) =>
  (): string[] =>
    files;
const PLACES = [
  {
    place: "a page",
    isolated: true,
    body: IN_PAGE,
    files: ALL ? everything : smoke("contract-ring.test", "threads-attach.test"),
  },
  {
    place: "a module worker",
    isolated: true,
    body: IN_WORKER,
    files: ALL ? everything : smoke("contract-waiting.test", "threads-completion.test"),
  },
  {
    place: "a page without isolation",
    isolated: false,
    body: IN_PAGE,
    files: ALL ? theContract : smoke("contract-zerocopy.test"),
  },
  {
    place: "a module worker without isolation",
    isolated: false,
    body: IN_WORKER,
    files: ALL ? theContract : smoke("contract-engine.test"),
  },
];

/** Milliseconds for one file: the explorer takes a minute in a slow browser on a busy machine. */
const FILE_MS = 600_000;

/** Runs all suites in a browser, or says that it is not on this machine. */
export async function suitesIn(name: BrowserName): Promise<void> {
  const found = findBrowsers().find((one) => one.name === name);
  if (found === undefined) {
    console.log(`${name}: not found on this machine, nothing was tested in it`);
    // Where tests must not be left out, a browser must not be missing.
    if (process.env.CI) it(`${name} is on this machine`, () => expect.fail(`${name} was not found`));
    else it.skip(`${name}: not found on this machine`, () => {});
    return;
  }
  const outdir = `${root}/build/tests-${name}`;
  const suites = await bundleTests({ outdir, skbuff: "/dist/index.js", browser: true });
  let browser: Browser;

  beforeAll(async () => {
    browser = await launch(found);
    console.log(`${name}: ${browser.version}`);
  });

  afterAll(() => browser?.close());

  describe.each(PLACES)("$place", ({ isolated, body, files }) => {
    let served: Served;
    let page: Page;

    beforeAll(async () => {
      served = await serve({
        root: { "/tests": outdir, "/dist": `${root}/dist` },
        isolated,
        routes: { "/": PAGE, "/frame": FRAME },
      });
      page = await browser.newPage();
    });

    // Each file has a page and workers of its own: browsers have address space for a hundred memories or so, and free
    // those of a worker when it has ended.
    beforeEach(() => page.goto(`${served.url}/`));

    afterAll(async () => {
      await page?.close();
      await served?.close();
    });

    it("is isolated as it should be", async () => {
      expect(await page.evaluate("return crossOriginIsolated")).toBe(isolated);
    });

    it.each(files(suites))(
      "%s",
      async (file) => {
        const { passed, skipped, failed, milliseconds } = (await page.evaluate(
          body,
          file,
          name === "firefox",
        )) as Outcome;
        expect(failed.map((text) => text.slice(0, 2000)).slice(0, 20)).toEqual([]);
        expect(passed).toBeGreaterThan(0);
        if (process.env.SKBUFF_TIMES)
          console.log(`${name} ${file}: ${passed} passed, ${skipped} skipped, ${milliseconds} ms`);
      },
      FILE_MS,
    );
  });
}
