// npm run demo:screenshots: pictures of the page while it runs, light and dark, wide and narrow, into demo/images/.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { buildDemo } from "./build.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, "demo/dist");
const images = join(root, "demo/images");
/** Milliseconds that the pipeline runs before its picture is taken. */
const RUN_MS = 12_000;

/** The same run in each, so that they differ in what they look like and in nothing else. */
const RUN = { mode: "lend", size: "1500", arrangement: "side" };
/** Runs before it, for the comparison, and how many milliseconds each takes. */
const BEFORE = ["post", "copy"];
const BEFORE_MS = 5000;
const SHOTS = [
  { name: "wide-light", width: 1280, height: 1400, scheme: "light" },
  { name: "wide-dark", width: 1280, height: 1400, scheme: "dark" },
  { name: "narrow-light", width: 400, height: 1700, scheme: "light" },
  { name: "narrow-dark", width: 400, height: 1700, scheme: "dark" },
];

/** The tests' way to start a browser and to serve a folder. */
async function tools() {
  await build({
    absWorkingDir: root,
    entryPoints: ["test/browser/browsers.ts", "test/browser/server.ts"],
    outdir: join(folder, "tools"),
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "warning",
  });
  const load = (name) => import(pathToFileURL(join(folder, "tools", `${name}.js`)).href);
  return { ...(await load("browsers")), ...(await load("server")) };
}

await buildDemo(folder);
await mkdir(images, { recursive: true });
const { findBrowsers, launch, serve } = await tools();
const found = findBrowsers().find(({ name }) => name === "chromium");
if (found === undefined) throw new Error("the pictures are taken with Chromium, which is not here");
const served = await serve({ root: folder, isolated: true });
const browser = await launch(found);
try {
  for (const { name, width, height, scheme } of SHOTS) {
    const page = await browser.newPage();
    await page.puppeteer.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.resize(width, height);
    await page.goto(`${served.url}/`);
    await page.puppeteer.select("#arrangement", RUN.arrangement);
    await page.evaluate("document.getElementById('size').value = args[0]", RUN.size);
    for (const mode of BEFORE) {
      await page.puppeteer.select("#mode", mode);
      await page.puppeteer.click("#start");
      await page.puppeteer.waitForSelector("#stop:enabled");
      await new Promise((resolve) => setTimeout(resolve, BEFORE_MS));
      await page.puppeteer.click("#stop");
      await page.puppeteer.waitForSelector("#start:enabled");
    }
    await page.puppeteer.select("#mode", RUN.mode);
    await page.puppeteer.click("#start");
    await page.puppeteer.waitForSelector("#leak:enabled");
    await page.puppeteer.click("#leak");
    await new Promise((resolve) => setTimeout(resolve, RUN_MS));
    const bottom = await page.evaluate(
      "return Math.ceil(document.documentElement.getBoundingClientRect().bottom)",
    );
    await page.resize(width, Math.min(bottom, height));
    await page.screenshot(join(images, `${name}.png`));
    console.log(`${name}.png`);
    await page.close();
  }
} finally {
  await browser.close();
  await served.close();
}
