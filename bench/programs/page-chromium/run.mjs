// Runs a program of `page` in Chromium. What is measured is the process of the page, with its workers; what the browser does for the
// network, in another one, is the same for all.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import puppeteer from "puppeteer-core";
import { mainOf, measureBy, peakOf, ready, stopped } from "../lib/program.mjs";
import { chromium } from "./find.mjs";

const PAGE = fileURLToPath(new URL("../page/", import.meta.url));
const DIST = fileURLToPath(new URL("../../../dist/", import.meta.url));

// The page is this machine's own, and root has no other way to start Chromium than without its sandbox.
const FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];

/** Nanoseconds of a tick, in which the system counts the CPU time of processes. */
const TICK = 1e9 / Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** Bundles the programs, with the browser's host in place of Node's; the package is the built one. */
async function bundle(outdir) {
  const entryPoints = ["ours", "ours-worker", "plain", "plain-worker", "alone"].map((name) =>
    join(PAGE, `${name}.mjs`),
  );
  const plugin = {
    name: "host",
    setup(bundle) {
      bundle.onResolve({ filter: /^\.\/host\.mjs$/ }, () => ({ path: join(PAGE, "host-page.mjs") }));
      bundle.onResolve({ filter: /^skbuff$/ }, () => ({ path: join(DIST, "index.js") }));
      bundle.onResolve({ filter: /^skbuff\/web$/ }, () => ({ path: join(DIST, "web.js") }));
    },
  };
  await build({
    entryPoints,
    outdir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm",
    target: "es2022",
    platform: "browser",
    plugins: [plugin],
    logLevel: "warning",
  });
}

function serve(folder, side) {
  const html = `<!doctype html><title>${side}</title><script type="module" src="/${side}.mjs"></script>`;
  const server = createServer(async ({ url }, response) => {
    const path = new URL(url, "http://localhost").pathname;
    response.setHeader("cross-origin-opener-policy", "same-origin");
    response.setHeader("cross-origin-embedder-policy", "require-corp");
    response.setHeader("content-type", path === "/" ? "text/html" : "text/javascript");
    const body = path === "/" ? html : await readFile(join(folder, basename(path))).catch(() => "");
    response.end(body);
  });
  return once(server.listen(0, "127.0.0.1"), "listening").then(() => server);
}

/** The processes that pages may have: that of ours, and those that the browser has in reserve, which do nothing. */
async function renderersOf(browser) {
  const session = await browser.target().createCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
}

async function cpuOf(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name may have spaces and brackets; behind it the 12th and 13th are user's and system's time.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { user: Number(fields[11]) * TICK, system: Number(fields[12]) * TICK };
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

export async function run(side) {
  const folder = await mkdtemp(join(tmpdir(), "skbuff-page-"));
  await bundle(folder);
  const server = await serve(folder, side);
  const port = await freePort();
  const browser = await puppeteer.launch({ executablePath: chromium(), args: FLAGS });
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.error(String(error)));
  await page.goto(`http://127.0.0.1:${server.address().port}/?port=${port}`);
  let pids;
  measureBy(async () => {
    pids ??= await renderersOf(browser);
    const units = await page.evaluate("globalThis.meter.units");
    const used = { cpu: 0, system: 0, main: 0, memory: 0, time: performance.now(), units };
    for (const pid of pids) {
      const { user, system } = await cpuOf(pid);
      used.cpu += user + system;
      used.system += system;
      used.main += mainOf(pid);
      used.memory = Math.max(used.memory, peakOf(pid));
    }
    return used;
  });
  ready({ port });
  await stopped;
  await browser.close();
  server.close();
  await rm(folder, { recursive: true });
}
