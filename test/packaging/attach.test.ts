// skbuff/attach: what a thread imports that gets the core with its token. A bundler that makes a bundle for each worker then
// has the core in one of them.

import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { Engine } from "skbuff";
import { audit } from "skbuff/inspect";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installed, type Project, root } from "./installed.js";

const app = fileURLToPath(new URL("apps/app", import.meta.url));

describe("a build of Vite", () => {
  let project: Project;
  let core: string;

  beforeAll(async () => {
    project = installed();
    const { deflated } = (await import(join(root, "build/wasm.js"))) as { deflated: string };
    // So long that there is no other like it.
    core = deflated.slice(1000, 1200);
  });

  afterAll(() => project?.remove());

  /** How often the core is in what is built of the app, whose worker imports `module`. */
  async function coresIn(module: string): Promise<number> {
    const folder = join(project.folder, module.replace("/", "-"));
    cpSync(app, folder, { recursive: true });
    const worker = join(folder, "worker.js");
    writeFileSync(worker, readFileSync(worker, "utf8").replace('"skbuff/attach"', `"${module}"`));
    await build({ root: folder, configFile: false, logLevel: "error" });
    const files = readdirSync(join(folder, "dist"), { recursive: true, encoding: "utf8" });
    const scripts = files.filter((file) => file.endsWith(".js"));
    expect(scripts.filter((file) => file.includes("worker")).length).toBe(1);
    const texts = scripts.map((file) => readFileSync(join(folder, "dist", file), "utf8"));
    return texts.reduce((n, text) => n + text.split(core).length - 1, 0);
  }

  it("has the core once, if its worker imports skbuff/attach", async () => {
    expect(await coresIn("skbuff/attach")).toBe(1);
  });

  it("has it in the page's bundle and in the worker's, if that imports skbuff", async () => {
    expect(await coresIn("skbuff")).toBe(2);
  });
});

/** Runs a program in a worker, which answers by a message. */
async function inWorker(program: string, workerData: unknown): Promise<unknown> {
  const text = `import { parentPort, workerData } from "node:worker_threads";
    import { Engine, Ring } from ${JSON.stringify(pathToFileURL(join(root, "dist/attach.js")))};
    parentPort.postMessage(await (async () => { ${program} })().catch(({ code, message }) => ({ code, message })));`;
  const url = new URL(`data:text/javascript,${encodeURIComponent(text)}`);
  const worker = new Worker(url, { workerData });
  try {
    return await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  } finally {
    await worker.terminate();
  }
}

describe("a thread that imports only skbuff/attach", () => {
  it("attaches, and works", async () => {
    const engine = await Engine.create({ memory: 1024 * 1024, threads: 2, core: "wasm", shared: true });
    const answer = await inWorker(
      `const engine = await Engine.attach(workerData);
       const skb = engine.alloc(100).putData(Uint8Array.of(1, 2, 3));
       const sum = skb.checksum();
       skb.release();
       engine.detach();
       return [engine.core, sum];`,
      engine.share(),
    );
    const skb = engine.alloc(100).putData(Uint8Array.of(1, 2, 3));
    expect(answer).toEqual(["wasm", skb.checksum()]);
    skb.release();
    expect(audit(engine).problems).toEqual([]);
    expect(engine.close()).toEqual([]);
  });

  it("is told what it lacks to make an engine", async () => {
    expect(await inWorker("await Engine.create({ memory: 1024 * 1024 });", null)).toEqual({
      code: "ERR_SKB_UNSUPPORTED",
      message: '"core" expected import "skbuff" on this thread, got "wasm" without it',
    });
  });

  it("makes one with the JS core, if it has that", async () => {
    const answer = await inWorker(
      `await import(${JSON.stringify(pathToFileURL(join(root, "dist/js.js")))});
       const engine = await Engine.create({ memory: 1024 * 1024 });
       engine.close();
       return engine.core;`,
      null,
    );
    expect(answer).toBe("js");
  });
});
