// Pipelines in every browser of this machine: on the library's workers and on the page's own, and without threads where
// nothing can be shared.

import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Browser, findBrowsers, launch, missingBrowsers, type Page } from "./browsers.js";
import { type Served, serve } from "./server.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Plain, as a page without a bundler has it. */
const STAGE = `export default ({ index, data }) => (skb) => {
  skb.mark = skb.checksum();
  skb.priority = index + data.base;
  return skb;
};`;

/** A worker by itself, which serves the pipeline; and a module that can be imported. */
const OWN = `import { stage } from "/dist/pipeline.js";
export default stage(({ index, data }) => (skb) => {
  skb.mark = skb.checksum();
  skb.priority = index + data.base;
  return skb;
});`;

const THROWS = `export default () => () => {
  throw new RangeError("too much");
};`;

const HANGS = `export default () => () => {
  for (;;);
};`;

/** Fails before it stands, with a lock that nobody else gets as long as it is left to run. */
const BREAKS = `void navigator.locks.request("alive", () => {
  setTimeout(() => { throw new RangeError("broken"); });
  return new Promise(() => {});
});`;

const RUN = `
  const { Engine, Ring } = await import("/dist/index.js");
  const { Pipeline } = await import("/dist/pipeline.js");
  const engine = await Engine.create({ memory: 4 * 1024 * 1024 });
  function* packets(n) {
    for (let i = 0; i < n; i++) {
      const skb = engine.alloc(100).putData(new Uint8Array(100).fill(i));
      skb.hash = i;
      yield skb;
    }
  }
  const ways = {
    module: { module: "/stage.mjs", threads: 2, data: { base: 10 } },
    own: {
      worker: () => new Worker("/own.mjs", { type: "module" }),
      load: () => import("/own.mjs"),
      threads: 2,
      data: { base: 10 },
    },
  };
  const out = {};
  for (const [name, stage] of Object.entries(ways)) {
    let good = 0;
    const places = new Set();
    const pipeline = await Pipeline.open(engine, {
      source: packets(2000),
      stages: [stage],
      sink: (skb) => {
        if (skb.mark === skb.checksum()) good++;
        places.add(skb.priority);
        skb.release();
      },
    });
    await pipeline.done;
    out[name] = { good, places: [...places].sort() };
  }
  const failing = await Pipeline.open(engine, {
    source: packets(100),
    stages: [{ module: "/throws.mjs" }],
    sink: (skb) => skb.release(),
  });
  out.failed = await failing.done.catch(({ name, part, cause }) => [name, part, cause.message]);
  const idle = new Ring(engine);
  const aborted = await Pipeline.open(engine, { source: idle, stages: [ways.module], sink: (skb) => skb.release() });
  aborted.abort(new Error("enough"));
  out.aborted = await aborted.done.catch(({ message }) => message);
  if (engine.shared) {
    out.broken = await Pipeline.open(engine, {
      source: idle,
      stages: [{ worker: () => new Worker("/breaks.mjs", { type: "module" }) }],
      sink: (skb) => skb.release(),
    }).catch(({ part, cause }) => [part, cause.message.includes("broken")]);
    await navigator.locks.request("alive", () => {});
    // Nobody tells of the end of a page's worker that is terminated. What it had is lost.
    const lost = await Engine.create({ memory: 1024 * 1024 });
    const hanging = await Pipeline.open(lost, {
      source: [lost.alloc(1)],
      stages: [{ module: "/hangs.mjs" }],
      sink: (skb) => skb.release(),
    });
    hanging.abort(new Error("endless"));
    out.hanging = await hanging.done.catch(({ message }) => message);
    lost.close({ force: true });
  }
  out.missing = await Pipeline.open(engine, { source: idle, stages: [{ module: "/not-there.mjs" }], sink: idle })
    .catch(({ name, part }) => [name, part]);
  idle.release();
  out.left = engine.close();
  return out;`;

for (const found of findBrowsers()) {
  describe(found.name, () => {
    let browser: Browser;

    beforeAll(async () => {
      browser = await launch(found);
    });

    afterAll(() => browser?.close());

    describe.each([true, false])("isolated: %s", (isolated) => {
      let served: Served;
      let page: Page;

      beforeAll(async () => {
        const script = (body: string) => ({ body, type: "text/javascript" });
        served = await serve({
          root: { "/dist": `${root}/dist` },
          isolated,
          routes: {
            "/": {
              body: `<!doctype html><meta charset="utf-8"><title>skbuff</title><link rel="icon" href="data:,">`,
            },
            "/stage.mjs": script(STAGE),
            "/own.mjs": script(OWN),
            "/throws.mjs": script(THROWS),
            "/hangs.mjs": script(HANGS),
            "/breaks.mjs": script(BREAKS),
          },
        });
        page = await browser.newPage();
        await page.goto(`${served.url}/`);
      });

      afterAll(async () => {
        await page?.close();
        await served?.close();
      });

      it("takes every packet through, and gives everything back", async () => {
        const way = { good: 2000, places: isolated ? [10, 11] : [10] };
        expect(await page.evaluate(RUN)).toEqual({
          module: way,
          own: way,
          failed: ["PipelineError", "stage 0", "too much"],
          aborted: "enough",
          ...(isolated && { broken: ["stage 0", true], hanging: "endless" }),
          missing: ["PipelineError", "stage 0"],
          left: [],
        });
      });
    });
  });
}

for (const name of missingBrowsers()) {
  // Where tests must not be left out, a browser must not be missing.
  if (process.env.CI) it(`${name} is on this machine`, () => expect.fail(`${name} was not found`));
  else it.skip(`${name}: not found on this machine`, () => {});
}
