// The demo page as people use it: every control, in every browser that is here, with shared memory and without.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { buildDemo } from "../../demo/build.mjs";
import { ALL, some } from "../amount.js";
import { type Browser, findBrowsers, launch, type Page } from "./browsers.js";
import { type Served, serve } from "./server.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const capture = fileURLToPath(new URL("../../captures/two-hosts.pcap", import.meta.url));
const PACKETS = 1769;
/** What every page has at hand. */
const TOOLS = `
  const at = (id) => document.getElementById(id);
  const text = (id) => at(id).textContent;
  const number = (id) => Number(text(id).replaceAll(",", ""));
  const until = async (is, what) => {
    const deadline = performance.now() + 100_000;
    while (!(await is())) {
      if (performance.now() > deadline) throw new Error("waited in vain until " + what + "; " + told());
      await new Promise(requestAnimationFrame);
    }
  };
  const choose = (values) => {
    for (const [id, value] of Object.entries(values)) {
      if (typeof value === "boolean") at(id).checked = value; else at(id).value = value;
    }
  };
  const begin = async (packets = 2000) => {
    at("start").click();
    await until(() => number("f-total") >= packets, packets + " packets came");
  };
  const told = () => text("status") + " " + text("message");
  const end = async () => {
    at("stop").click();
    await until(() => /^Stopped/.test(text("status")), "it stopped");
    return told();
  };
  const give = (name, bytes) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name));
    dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
  };
  await until(() => globalThis.demo !== undefined, "the page has started");
`;
const ALL_BACK = /: ([\d,]+) packets left the source, ([\d,]+) came to the sink. Every buffer came back/;

let built: string;
const served = new Map<boolean, Served>();

beforeAll(async () => {
  built = mkdtempSync(join(tmpdir(), "skbuff-"));
  await buildDemo(built);
  for (const isolated of [true, false]) {
    const body = readFileSync(capture);
    const routes = { "/two-hosts.pcap": { type: "application/octet-stream", body } };
    served.set(isolated, await serve({ root: built, isolated, routes }));
  }
});

afterAll(async () => {
  for (const one of served.values()) await one.close();
  rmSync(built, { recursive: true });
});

describe("npm run demo", () => {
  const script = fileURLToPath(new URL("../../demo/serve.mjs", import.meta.url));

  it("serves the page, isolated, on a port of its own", async () => {
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const [line] = (await once(child.stdout, "data")) as [Buffer];
      const url = String(line).trim();
      expect(url).toMatch(/^http:\/\/localhost:\d+\/$/);
      const page = await fetch(url);
      expect(page.headers.get("Cross-Origin-Opener-Policy")).toBe("same-origin");
      expect(page.headers.get("Cross-Origin-Embedder-Policy")).toBe("require-corp");
      expect(await page.text()).toContain("<title>skbuff");
      expect((await fetch(`${url}worker.js`)).headers.get("Content-Type")).toBe("text/javascript");
      const statuses = ["nothing.js", "..%2fserve.mjs", "%"].map(
        async (path) => (await fetch(url + path)).status,
      );
      expect(await Promise.all(statuses)).toEqual([404, 404, 404]);
    } finally {
      child.kill();
      await once(child, "exit");
    }
  });

  it("refuses a port that is none", () => {
    const { status, stderr } = spawnSync(process.execPath, [script, "--port", "x"], { encoding: "utf8" });
    expect([status, stderr]).toEqual([2, '"--port" expected 0..65535, got x\n']);
  });
});

const found = findBrowsers();

describe.skipIf(found.length > 0)("no browser is here", () => {
  it.skip("so the demo is not looked at", () => {});
});

// For `npm test` one browser is enough to see that the page works at all.
describe.each(some(found, 1))("$name", (one) => {
  let browser: Browser;
  let page: Page | undefined;

  beforeAll(async () => {
    browser = await launch(one);
  });
  afterAll(() => browser?.close());
  afterEach(async () => {
    const errors = await page?.errors();
    await page?.close();
    page = undefined;
    expect(errors ?? []).toEqual([]);
  });

  async function open(isolated: boolean, width = 1280): Promise<Page> {
    page = await browser.newPage();
    await page.resize(width, 900);
    await page.goto(`${served.get(isolated)?.url}/`);
    return page;
  }

  function run(body: string, ...args: unknown[]): Promise<unknown> {
    return (page as Page).evaluate(`${TOOLS}\n${body}`, ...args);
  }

  async function violations(): Promise<unknown> {
    return (page as Page).evaluate(
      `${axe}; const { violations } = await globalThis.axe.run();
      return violations.map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html).join(" "));`,
    );
  }

  /** That all that left the source came to the sink, unless some was dropped on the way. */
  function expectAllBack(status: unknown, dropped = false): void {
    const [, made, came] = ALL_BACK.exec(String(status)) ?? [];
    expect(made, String(status)).toBeDefined();
    if (!dropped) expect(came).toBe(made);
  }

  describe.each(some([true, false], 1))("isolated: %s", (isolated) => {
    it("starts, shows what is so, and stops with every buffer back", async () => {
      await open(isolated);
      expect(await run("return [crossOriginIsolated, !at('isolation').hidden]")).toEqual([
        isolated,
        !isolated,
      ]);
      await run("await begin()");
      await run("await until(() => demo.picture.counts.kinds.get(4) > 100, 'the region is seen')");
      expectAllBack(await run("return end()"));
      const shown = await run("return [demo.run, number('f-total'), text('f-completions'), text('threads')]");
      expect(shown).toEqual([null, expect.any(Number), expect.stringMatching(/, 0$/), expect.any(String)]);
    });

    it.runIf(ALL && one.name !== "webkit")(
      "runs each mode, core and arrangement, drops and taps",
      async () => {
        await open(isolated);
        for (const mode of ["lend", "copy"])
          for (const [core, arrangement, workers, size] of [
            ["wasm", "row", "3", 65536],
            ["js", "side", "4", 64],
            ["js", "row", "1", 1500],
          ]) {
            const values = { mode, core, arrangement, workers, size, full: "wait", tap: false };
            expectAllBack(await run("choose(args[0]); await begin(200); return end()", values));
          }
        const tapped = {
          mode: "lend",
          core: "wasm",
          arrangement: "side",
          workers: "2",
          size: 4096,
          tap: true,
        };
        expectAllBack(await run("choose(args[0]); await begin(); return end()", tapped));
        // The tap's clones share nothing that was lent: all was copied.
        expect(await run("return text('f-completions')")).toMatch(/^0, [\d.]+/);
        const dropping = { mode: "copy", tap: false, full: "drop", size: 1500, arrangement: "side" };
        expectAllBack(await run("choose(args[0]); await begin(); return end()", dropping), true);
        const posting = { mode: "post", full: "wait", arrangement: "row", size: 1500 };
        const posted = await run("choose(args[0]); await begin(); return end()", posting);
        // How the modes compare stays there.
        for (const mode of ["lend", "post"])
          expect(await run(`return text("c-${mode}")`)).toMatch(/^[\d.,]+ ?[kM]? of \d+ bytes$/);
        expect(posted).toMatch(
          /: ([\d,]+) packets left the source, \1 came to the sink. There was no engine/,
        );
      },
    );

    it.runIf(ALL)("a leak is seen until it is released, and keeps the engine open", async () => {
      await open(isolated);
      await run(
        "await begin(); at('leak').click(); await until(() => !at('mend').disabled, 'it leaked'); at('leak').click(); " +
          "await until(() => /2 packets of 16 KiB leaked/.test(text('status')), 'it leaked again')",
      );
      const held = await run("return end()");
      expect(held).toMatch(
        /the engine stays open: skb \d+: 16384 bytes, 1 users, thread 1; skb \d+: 16384 bytes/,
      );
      const seen = "return [...demo.picture.counts.kinds]";
      const kinds = Object.fromEntries((await run(seen)) as [number, number][]);
      // Two frags of four pages, and the heads of both.
      expect(kinds).toMatchObject({ 1: 8 });
      expect(kinds[4] ?? 0).toBe(0);
      if (isolated) {
        const audit = (await run("return demo.audit()")) as Record<string, number>;
        expect(audit).toMatchObject({ problems: [], complete: true, dataPages: 8, ringPages: 0 });
        expect([kinds[0], kinds[2]]).toEqual([audit.freePages, audit.headPages]);
        const holders = Object.fromEntries(
          (await run("return [...demo.picture.counts.holders]")) as [string, number][],
        );
        // Their heads lie in one slab or in two.
        expect([9, 10]).toContain(holders.page);
        expect(Object.keys(holders).sort()).toEqual(["nobody", "page"]);
      }
      await run(
        "at('mend').click(); await until(() => /Every buffer came back/.test(text('status')), 'it is mended')",
      );
      expectAllBack(await run("return text('status')"));
      expect(await run("return [demo.run, at('mend').disabled, at('start').disabled]")).toEqual([
        null,
        true,
        false,
      ]);
    });

    it.runIf(ALL)(
      "a capture that is dropped is replayed; a file that is none is refused, and all goes on",
      async () => {
        await open(isolated);
        const load = "const bytes = new Uint8Array(await (await fetch('/two-hosts.pcap')).arrayBuffer());";
        for (const mode of ["lend", "copy", "post"]) {
          await run(
            `${load} choose({ mode: args[0] }); give("two-hosts.pcap", bytes);
            await until(() => number("f-total") >= ${PACKETS * 2}, "it was replayed twice")`,
            mode,
          );
          expect(await run("return text('replayed')")).toMatch(
            /two-hosts.pcap \(pcap\): 1,769 packets, [\d,]+ bytes/,
          );
          await run(
            `const before = number("f-total");
            give("wrong.txt", "no capture at all");
            await until(() => !at("message").hidden, "it complains");
            await until(() => number("f-total") > before, "it goes on")`,
          );
          expect(await run("return text('message')")).toBe(
            'This file cannot be replayed: "wrong.txt, byte 0" expected a capture, pcap or pcapng, got 0x6e6f2063',
          );
          const status = await run("return end()");
          if (mode === "post") expect(status).toMatch(/^Stopped/);
          else expectAllBack(status);
        }
        // What lies before the fault is replayed, and the page says so.
        await run(
          `${load} give("cut.pcap", bytes.subarray(0, 5000)); await until(() => /cut.pcap/.test(text("replayed")), "it came")`,
        );
        expect(await run("return text('replayed')")).toMatch(
          /only what lies before a fault: "cut.pcap, byte \d+" expected \d+ bytes of a packet/,
        );
        expect(await run("await until(() => !at('stop').disabled, 'it runs'); return end()")).toMatch(
          /^Stopped/,
        );
        await run("at('uncapture').click(); choose({ mode: 'lend' }); await begin()");
        expectAllBack(await run("return end()"));
      },
    );

    it.runIf(ALL && one.name !== "webkit")(
      "has no violation that axe knows, idle and running, and fits 400 pixels",
      async () => {
        for (const [width, scheme] of [
          [1280, "light"],
          [400, "dark"],
        ] as const) {
          const { puppeteer } = await open(isolated, width);
          // Firefox cannot be asked to.
          if (one.name === "chromium")
            await puppeteer?.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
          await run("");
          expect(await violations()).toEqual([]);
          await run("await begin(); at('leak').click()");
          expect(await violations()).toEqual([]);
          expect(await run("return document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
          await run(
            "await end(); at('mend').click(); give('wrong.txt', ''); await until(() => !at('message').hidden, 'it complains')",
          );
          expect(await violations()).toEqual([]);
          expect(await page?.errors()).toEqual([]);
          if (width !== 400) await page?.close();
        }
      },
    );
  });

  it.runIf(ALL && one.name !== "webkit")(
    "is used by keys and pointer, and draws while it runs flat out",
    async () => {
      const { puppeteer } = await open(true);
      await run("");
      await puppeteer?.focus("#workers");
      await puppeteer?.select("#workers", "3");
      await puppeteer?.focus("#size");
      await puppeteer?.keyboard.press("Enter");
      await run("await until(() => number('f-total') > 0, 'Enter starts it')");
      await puppeteer?.focus("#arena");
      for (const key of ["Home", "ArrowRight", "ArrowDown", "ArrowLeft", "Enter"])
        await puppeteer?.keyboard.press(key as "Home");
      expect(await run("return text('page')")).toMatch(/^Page \d+ at byte [\d,]+: .+\.$/);
      const described = await run("return [text('page'), demo.picture.describe(0)]");
      expect(described).toEqual([
        expect.not.stringMatching(/^Page 0 /),
        expect.stringMatching(/^Page 0 .*ring/),
      ]);
      await puppeteer?.keyboard.press("End");
      expect(await run("return text('page')")).toMatch(/user region, held by/);
      await puppeteer?.hover("#arena canvas");
      expect(await run("return at('cursor').hidden")).toBe(false);
      const file = await puppeteer?.$("#capture");
      await (file as unknown as { uploadFile(path: string): Promise<void> }).uploadFile(capture);
      await run("await until(() => /two-hosts/.test(text('replayed')), 'the file was taken')");
      await run(
        "const { since } = demo.frames; await until(() => demo.frames.since > since + 3000, 'three seconds passed')",
      );
      const { rate, cost } = (await run("return demo.frames")) as { rate: number; cost: number };
      console.log(
        `${one.name}: ${rate} frames a second while the pipeline runs flat out, ${cost.toFixed(1)} ms each`,
      );
      // How many is the machine's matter; a page that is blocked has none.
      expect(rate).toBeGreaterThan(0);
      await puppeteer?.click("#stop");
      await run("await until(() => /^Stopped/.test(text('status')), 'it stopped')");
      expectAllBack(await run("return text('status')"));
    },
  );
});
