// skbuff/web over a real WebTransport, whose server is Deno: from Deno's own client, and from a page of each browser that has
// one.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { type BrowserName, callText, findBrowsers, launch, missingBrowsers } from "../browser/browsers.js";
import { serve } from "../browser/server.js";
import { makeCertificate } from "./certificate.js";
import { DENO, install } from "./installed.js";

/** What became of the cases in one place. */
export interface Line {
  readonly name: string;
  readonly passed: number;
  readonly skipped: number;
  readonly failed: number;
  readonly seconds: number;
}

/** Of a case: why it failed, or what it tells. */
interface Verdict {
  readonly case: string;
  readonly failure: string | null;
  readonly facts: string;
}

interface Server {
  readonly url: string;
  /** Of its certificate. */
  readonly hash: string;
  close(): Promise<void>;
}

const root = process.cwd();
const CASE_MS = 30_000;
/** For all cases, when whoever runs them does not answer any more. */
const ALL_MS = 180_000;

/** Whoever else says that it has no WebTransport has failed. */
const MAY_LACK: ReadonlySet<string> = new Set<BrowserName>(["webkit"]);

/** Runs every case: of the client at URL `args[0]`, with server `args[1]`, whose certificate has hash `args[2]`. None
 * where there is no WebTransport. */
const RUN = `
  if (typeof WebTransport === "undefined") return [];
  const [client, url, hash, ms] = args;
  const { CASES } = await import(client);
  const verdicts = [];
  for (const [name, run] of Object.entries(CASES)) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("took more than " + ms + " ms")), ms);
    });
    await Promise.race([run(url, hash), late]).then(
      (facts) => verdicts.push({ case: name, failure: null, facts }),
      (error) => verdicts.push({ case: name, failure: String(error) + "\\n" + error?.stack, facts: "" }),
    );
    clearTimeout(timer);
  }
  return verdicts;`;

/** The port that the server prints first. */
async function portOf(server: ChildProcess): Promise<number> {
  for await (const line of createInterface({ input: server.stdout as NodeJS.ReadableStream }))
    return (JSON.parse(line) as { port: number }).port;
  throw new Error("the WebTransport server ended before it listened");
}

async function startServer(deno: string): Promise<Server> {
  const { cert, key, hash } = makeCertificate();
  const temporary = await mkdtemp(join(tmpdir(), "skbuff-webtransport-"));
  const files = [join(temporary, "cert.pem"), join(temporary, "key.pem")] as const;
  await Promise.all([writeFile(files[0], cert), writeFile(files[1], key, { mode: 0o600 })]);
  const program = join(root, "test/portable/webtransport-server.mjs");
  const server = spawn(deno, [...DENO.args, "--unstable-net", program, ...files], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = new Promise((resolve) => server.once("close", resolve));
  const close = async (): Promise<void> => {
    server.kill("SIGKILL");
    await gone;
    await rm(temporary, { recursive: true });
  };
  try {
    return { url: `https://127.0.0.1:${await portOf(server)}`, hash, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function inDeno(deno: string, { url, hash }: Server): Promise<Verdict[]> {
  const client = pathToFileURL(join(root, "test/portable/webtransport-client.mjs")).href;
  const code = `console.log(JSON.stringify(await ${callText(RUN, [client, url, hash, CASE_MS])})); Deno.exit(0);`;
  const { stdout } = await promisify(execFile)(
    deno,
    ["eval", "--no-lock", "--no-config", "--unstable-net", code],
    {
      timeout: ALL_MS,
      killSignal: "SIGKILL",
    },
  );
  return JSON.parse(stdout) as Verdict[];
}

async function inBrowser(
  found: ReturnType<typeof findBrowsers>[number],
  { url, hash }: Server,
): Promise<Verdict[]> {
  const browser = await launch(found, { quic: true });
  const body = '<!doctype html><title>skbuff</title><link rel="icon" href="data:,">';
  const served = await serve({
    root: { "/dist": join(root, "dist"), "/test": join(root, "test") },
    isolated: true,
    routes: { "/": { body } },
  });
  try {
    const page = await browser.newPage();
    await page.goto(`${served.url}/`);
    const client = "/test/portable/webtransport-client.mjs";
    return (await page.evaluate(RUN, client, url, hash, CASE_MS)) as Verdict[];
  } finally {
    await served.close();
    await browser.close();
  }
}

type Place = readonly [name: string, run: (deno: string, server: Server) => Promise<Verdict[]>];

async function lineOf([place, run]: Place, deno: string, server: Server): Promise<Line> {
  const name = `WebTransport, ${place}`;
  const start = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took more than ${ALL_MS} ms`)), ALL_MS);
  });
  let verdicts: Verdict[];
  try {
    verdicts = await Promise.race([run(deno, server), late]);
    if (verdicts.length === 0 && !MAY_LACK.has(place)) throw new Error("there is no WebTransport");
  } catch (error) {
    verdicts = [{ case: "all", failure: (error as Error).stack ?? String(error), facts: "" }];
  } finally {
    clearTimeout(timer);
  }
  if (verdicts.length === 0) console.log(`${name}: skipped, it has no WebTransport`);
  for (const { case: what, failure, facts } of verdicts) console.log(`${name}: ${what}: ${failure ?? facts}`);
  const failed = verdicts.filter(({ failure }) => failure !== null).length;
  const seconds = (performance.now() - start) / 1000;
  return {
    name,
    passed: verdicts.length - failed,
    skipped: verdicts.length === 0 ? 1 : 0,
    failed,
    seconds,
  };
}

/** Runs the cases wherever `only` is part of the line's name, and prints what there is to know. */
export async function* webTransport(only: string): AsyncGenerator<Line> {
  const places: Place[] = [
    [DENO.name, inDeno],
    ...findBrowsers().map((found): Place => [found.name, (_, server) => inBrowser(found, server)]),
  ];
  const wanted = (place: string): boolean => `WebTransport, ${place}`.toLowerCase().includes(only);
  const chosen = places.filter(([place]) => wanted(place));
  if (chosen.length > 0) {
    const deno = await install(DENO);
    const server = await startServer(deno);
    try {
      for (const place of chosen) yield await lineOf(place, deno, server);
    } finally {
      await server.close();
    }
  }
  for (const place of missingBrowsers().filter(wanted)) {
    console.log(`WebTransport, ${place}: skipped, not found on this machine`);
    yield { name: `WebTransport, ${place}`, passed: 0, skipped: 1, failed: 0, seconds: 0 };
  }
}
