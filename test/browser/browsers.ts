// The browsers of this machine, and one way to drive them: puppeteer for Chromium and Firefox, WebDriver for WebKit.

import { accessSync, constants } from "node:fs";
import { writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import puppeteer, { type Browser as Puppet, type Page as PuppetPage } from "puppeteer-core";
import { startWebKit } from "./webkit.js";

export type BrowserName = "chromium" | "firefox" | "webkit";

/** A browser that can be started. */
export interface Found {
  readonly name: BrowserName;
  /** Of the browser; of its driver for WebKit. */
  readonly path: string;
}

export interface Page {
  goto(url: string): Promise<void>;
  /** Runs the body of an async function in the page, whose `args` come as JSON. Returns its value, by JSON as well. */
  evaluate(body: string, ...args: unknown[]): Promise<unknown>;
  /** What was thrown and not caught, and what the console was told by `error` and `warn`, since the page was opened. */
  errors(): Promise<readonly string[]>;
  /** CSS pixels. */
  resize(width: number, height: number): Promise<void>;
  /** Writes a PNG. */
  screenshot(file: string): Promise<void>;
  close(): Promise<void>;
  /** For clicks, keys and files, where there is one (not in WebKit). */
  readonly puppeteer: PuppetPage | undefined;
}

export interface Browser {
  readonly name: BrowserName;
  readonly version: string;
  newPage(): Promise<Page>;
  close(): Promise<void>;
}

const KNOWN: readonly { name: BrowserName; variable: string; commands: readonly string[] }[] = [
  {
    name: "chromium",
    variable: "CHROME_PATH",
    commands: [
      "chromium",
      "chromium-browser",
      "google-chrome",
      "google-chrome-stable",
      "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
      "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
    ],
  },
  {
    name: "firefox",
    variable: "FIREFOX_PATH",
    commands: [
      "firefox-esr",
      "firefox",
      "/Applications/Firefox.app/Contents/MacOS/firefox",
      "C:\\Program Files\\Mozilla Firefox\\firefox.exe",
    ],
  },
  {
    name: "webkit",
    variable: "WEBKIT_DRIVER_PATH",
    commands: ["WebKitWebDriver", "/usr/lib/webkit2gtk-4.1/WebKitWebDriver"],
  },
];

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The browsers that this machine has: where the variable of each says, else on the usual paths. */
export function findBrowsers(): Found[] {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return KNOWN.flatMap(({ name, variable, commands }) => {
    const said = process.env[variable];
    if (said === "") return []; // Said to be none.
    if (said !== undefined && !isProgram(said)) throw new Error(`${variable}: no program at ${said}`);
    const paths = commands.flatMap((command) =>
      /[\\/]/.test(command) ? [command] : folders.map((folder) => join(folder, command)),
    );
    const path = said ?? paths.find(isProgram);
    return path === undefined ? [] : [{ name, path }];
  });
}

/** The browsers that it has not. */
export function missingBrowsers(): BrowserName[] {
  const found = new Set(findBrowsers().map(({ name }) => name));
  return KNOWN.map(({ name }) => name).filter((name) => !found.has(name));
}

export interface LaunchOptions {
  /** Whether Chromium may speak QUIC, which WebTransport needs. Not if not given. */
  readonly quic?: boolean;
}

/** Starts a browser without a window. */
export function launch({ name, path }: Found, { quic = false }: LaunchOptions = {}): Promise<Browser> {
  return name === "webkit" ? startWebKit(path) : startPuppet(name, path, quic);
}

// The tests' pages are the machine's own, and root has no other way to start Chromium than without its sandbox.
const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

async function startPuppet(name: "chromium" | "firefox", path: string, quic: boolean): Promise<Browser> {
  const flags = quic ? CHROMIUM_FLAGS : [...CHROMIUM_FLAGS, "--disable-quic"];
  const puppet = await puppeteer.launch({
    browser: name === "chromium" ? "chrome" : "firefox",
    executablePath: path,
    headless: true,
    args: name === "chromium" ? flags : [],
    // A suite in a page is one call.
    protocolTimeout: 0,
  });
  return {
    name,
    version: await puppet.version(),
    newPage: () => newPuppetPage(puppet),
    close: () => puppet.close(),
  };
}

async function newPuppetPage(puppet: Puppet): Promise<Page> {
  const page = await puppet.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warn") errors.push(message.text());
  });
  return {
    puppeteer: page,
    async goto(url) {
      await page.goto(url);
    },
    // As text, so that what the body says is what runs.
    evaluate: async (body, ...args) => page.evaluate(callText(body, args)),
    errors: () => Promise.resolve(errors),
    resize: (width, height) => page.setViewport({ width, height }),
    async screenshot(file) {
      await writeFile(file, await page.screenshot({ type: "png" }));
    },
    close: () => page.close(),
  };
}

/** An expression that calls an async function with this body. */
export function callText(body: string, args: readonly unknown[]): string {
  return `(async (...args) => {${body}\n})(...${JSON.stringify(args)})`;
}
