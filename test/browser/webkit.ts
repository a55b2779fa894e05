// WebKit, as WebKitGTK has it: WebKitWebDriver starts the engine's MiniBrowser, which wants a display.

import { type ChildProcess, spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { Builder, type WebDriver } from "selenium-webdriver";
import { type Browser, callText, type Page } from "./browsers.js";

// What puppeteer hears by itself. Installed before the page's first own script only if the page has the server send it.
const LISTEN = `
  if (globalThis.__errors === undefined) {
    globalThis.__errors = [];
    for (const level of ["error", "warn"]) {
      const own = console[level];
      console[level] = (...args) => { globalThis.__errors.push(args.map(String).join(" ")); own.apply(console, args); };
    }
    addEventListener("error", (event) => globalThis.__errors.push(String(event.error ?? event.message)));
    addEventListener("unhandledrejection", (event) => globalThis.__errors.push(String(event.reason)));
  }`;

/** Milliseconds that a program may take to say that it is ready. */
const START_MS = 20_000;

/** A port that nobody listens on. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** Starts an X server without a screen. Resolves with it and its display's name. */
function startDisplay(): Promise<{ child: ChildProcess; display: string }> {
  const child = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", "1600x1200x24", "-nolisten", "tcp"], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  return new Promise((resolve, reject) => {
    child.once("error", (cause) => reject(new Error("WebKit needs a display, or Xvfb", { cause })));
    child.once("exit", (code) => reject(new Error(`Xvfb has ended with ${code}`)));
    child.stdio[3]?.once("data", (text: Buffer) => resolve({ child, display: `:${String(text).trim()}` }));
  });
}

async function ready(url: string, child: ChildProcess): Promise<void> {
  const until = Date.now() + START_MS;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`WebKitWebDriver has ended with ${child.exitCode}`);
    try {
      await fetch(`${url}/status`);
      return;
    } catch (error) {
      if (Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** One display for all browsers of this process: it goes when the process does. */
let shared: Promise<string> | undefined;

async function displayOf(): Promise<string> {
  if (process.env.DISPLAY !== undefined) return process.env.DISPLAY;
  shared ??= startDisplay().then(({ child, display }) => {
    process.once("exit", () => child.kill());
    child.unref();
    (child.stdio[3] as Socket).unref();
    return display;
  });
  return shared;
}

interface Session {
  readonly session: WebDriver;
  readonly end: () => Promise<void>;
}

/** A driver, and the one browser that it can drive. */
async function startSession(path: string): Promise<Session> {
  const port = await freePort();
  const driver = spawn(path, [`--port=${port}`], {
    // WebKit for GTK has all of shared memory but its constructor, which Safari shows to isolated pages and this shows to all:
    // whether a page may share is what `crossOriginIsolated` says.
    // And it draws without its compositor, a thread that Mesa's software OpenGL takes down with the page now and then.
    env: {
      ...process.env,
      DISPLAY: await displayOf(),
      JSC_useSharedArrayBuffer: "1",
      WEBKIT_DISABLE_COMPOSITING_MODE: "1",
    },
    stdio: "ignore",
  });
  // Whoever forgets to close a browser, or dies, leaves none behind.
  const kill = (): void => void driver.kill();
  process.once("exit", kill);
  try {
    const url = `http://127.0.0.1:${port}`;
    await ready(url, driver);
    const session = await new Builder()
      .usingServer(url)
      .withCapabilities({ browserName: "MiniBrowser" }) // Its own name for itself.
      .build();
    await session.manage().setTimeouts({ script: 3_600_000, pageLoad: 60_000 });
    return {
      session,
      async end() {
        await session.quit().catch(() => undefined);
        process.off("exit", kill);
        kill();
      },
    };
  } catch (error) {
    process.off("exit", kill);
    kill();
    throw error;
  }
}

/** A page is a browser of its own here: a driver talks to one window at a time, and a tab behind it draws nothing. */
export async function startWebKit(path: string): Promise<Browser> {
  const sessions = new Set<Session>();
  let next: Session | undefined = await startSession(path);
  sessions.add(next);
  const version = (await next.session.getCapabilities()).getBrowserVersion() ?? "?";
  return {
    name: "webkit",
    version: `WebKitGTK/${version}`,
    async newPage() {
      const one = next ?? (await startSession(path));
      next = undefined;
      sessions.add(one);
      return pageOf(one, async () => {
        if (sessions.delete(one)) await one.end();
      });
    },
    async close() {
      await Promise.all([...sessions].map((one) => one.end()));
      sessions.clear();
    },
  };
}

function pageOf({ session }: Session, close: () => Promise<void>): Page {
  return {
    puppeteer: undefined,
    async goto(url) {
      await session.get(url);
      await session.executeScript(LISTEN);
    },
    async evaluate(body, ...args) {
      const answer = (await session.executeAsyncScript(
        `const done = arguments[arguments.length - 1];
        ${callText(body, args)}.then(
          (value) => done({ value: value === undefined ? null : value }),
          (error) => done({ error: String(error) + "\\n" + (error && error.stack) }),
        );`,
      )) as { value?: unknown; error?: string };
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer.value;
    },
    errors: async () => (await session.executeScript("return globalThis.__errors ?? [];")) as string[],
    async resize(width, height) {
      await session.manage().window().setRect({ width, height });
    },
    async screenshot(file) {
      await writeFile(file, Buffer.from(await session.takeScreenshot(), "base64"));
    },
    close,
  };
}
