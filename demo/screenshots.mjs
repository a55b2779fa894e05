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

const SHOTS = [
  {
    name: "wide-light",
    width: 1280,
    height: 1280,
    scheme: "light",
    mode: "copy",
    size: "4096",
    arrangement: "row",
  },
  {
    name: "wide-dark",
    width: 1280,
    height: 1280,
    scheme: "dark",
    mode: "lend",
    size: "1500",
    arrangement: "side",
  },
  {
    name: "narrow-light",
    width: 400,
    height: 1560,
    scheme: "light",
    mode: "lend",
    size: "1500",
    arrangement: "side",
  },
  {
    name: "narrow-dark",
    width: 400,
    height: 1560,
    scheme: "dark",
    mode: "copy",
    size: "4096",
    arrangement: "row",
  },
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
  for (const { name, width, height, scheme, mode, size, arrangement } of SHOTS) {
    const page = await browser.newPage();
    await page.puppeteer.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.resize(width, height);
    await page.goto(`${served.url}/`);
    await page.puppeteer.select("#mode", mode);
    await page.puppeteer.select("#arrangement", arrangement);
    await page.evaluate("document.getElementById('size').value = args[0]", size);
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
