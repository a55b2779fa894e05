// A tap is open when the file is, and its worker stands; what fails before gives all back, and touches no file.

import { execFileSync } from "node:child_process";
import fs, { closeSync, existsSync, linkSync, openSync, readFileSync, symlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Engine, type EngineOptions, Ring } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { CaptureReader, CaptureWriter, Tap } from "skbuff/node";
import { describe, expect, it } from "vitest";
import { bytesAt, expectTyped } from "../packets.js";
import { Folder, pcapHeader, pcapRecord } from "./made.js";

const folder = new Folder();
const CAPTURE = Buffer.concat([pcapHeader(), pcapRecord(bytesAt(0, 60))]);
const root = fileURLToPath(new URL("../..", import.meta.url));

/** The code of what a promise rejects with. */
async function rejection(promise: Promise<Tap>): Promise<string> {
  const error = await promise.then(
    (tap) => tap.close().then(() => new Error("opened")),
    (reason: unknown) => reason,
  );
  expectTyped(error, "a rejection");
  return (error as { code: string }).code;
}

/** Nothing is out, nobody is attached, and rings and threads can be had as before. */
function expectClean(engine: Engine): void {
  expect(audit(engine)).toMatchObject({ problems: [], complete: true, ringPages: 0 });
  expect(stats(engine).threads.length).toBe(1);
  expect(engine.close()).toEqual([]);
}

const create = (options?: EngineOptions): Promise<Engine> => Engine.create({ memory: 4 << 20, ...options });

describe("opening a tap", () => {
  it.each([
    ["null", null, "ERR_SKB_TYPE"],
    ["an object that cannot be cloned", { file: () => "tap.pcapng" }, "ERR_SKB_TYPE"],
    ["a number that is no descriptor", -1, "ERR_SKB_RANGE"],
    ["a descriptor that nobody has", 2 ** 30, "ERR_SKB_CAPTURE"],
    ["nothing", "", "ERR_SKB_CAPTURE"],
    ["a path to nowhere", "/nonexistent/x", "ERR_SKB_CAPTURE"],
    ["a path with a zero", "a\0b", "ERR_SKB_CAPTURE"],
    ["a folder", "/", "ERR_SKB_CAPTURE"],
  ])("fails for %s", async (_, file, code) => {
    const engine = await create();
    expect(await rejection(Tap.open(engine, file as string))).toBe(code);
    expectClean(engine);
  });

  it.each([
    ["snapLength", { snapLength: 0 }, "ERR_SKB_RANGE"],
    ["snapLength, which is more than a packet can have", { snapLength: 2 ** 32 - 1 }, "ERR_SKB_RANGE"],
    ["capacity", { capacity: 2 ** 21 }, "ERR_SKB_RANGE"],
    ["capacity, which is more than there is memory for", { capacity: 2 ** 20 }, "ERR_SKB_EXHAUSTED"],
    ["name", { capacty: 64 }, "ERR_SKB_TYPE"],
    ["options", 5, "ERR_SKB_TYPE"],
  ])("fails for a bad %s, and leaves the file as it was", async (_, options, code) => {
    const engine = await create();
    const [old, fresh] = [folder.file(CAPTURE), folder.fresh()];
    for (const file of [old, fresh])
      expect(await rejection(Tap.open(engine, file, options as object))).toBe(code);
    expect([readFileSync(old), existsSync(fresh)]).toEqual([CAPTURE, false]);
    expectClean(engine);
  });

  it("fails where no thread is left, or no ring", async () => {
    for (const [options, code] of [
      [{ threads: 1 }, "ERR_SKB_THREADS"],
      [{ rings: 0 }, "ERR_SKB_EXHAUSTED"],
      [{ rings: 1 }, "ERR_SKB_EXHAUSTED"],
    ] as const) {
      const engine = await create(options);
      const ring: Ring | null = "rings" in options && options.rings === 1 ? new Ring(engine) : null;
      const [old, fresh] = [folder.file(CAPTURE), folder.fresh()];
      for (const file of [old, fresh]) expect(await rejection(Tap.open(engine, file))).toBe(code);
      expect([readFileSync(old), existsSync(fresh)]).toEqual([CAPTURE, false]);
      ring?.release();
      // What was missing is there again as it was before.
      if (ring !== null) await (await Tap.open(engine, old)).close();
      expectClean(engine);
    }
  });

  it("fails for an engine that is closed, or is while it opens", async () => {
    const engine = await create();
    const file = folder.file(CAPTURE);
    const opening = rejection(Tap.open(engine, file));
    engine.close({ force: true });
    expect(await opening).toBe("ERR_SKB_CLOSED");
    expect(await rejection(Tap.open(engine, file))).toBe("ERR_SKB_CLOSED");
    expect(readFileSync(file)).toEqual(CAPTURE);
  });

  it("fails for a file that cannot be emptied, and leaves no worker", async () => {
    const engine = await create();
    const file = folder.file(CAPTURE);
    const { ftruncateSync } = fs;
    fs.ftruncateSync = () => {
      throw new Error("EPERM");
    };
    try {
      expect(await rejection(Tap.open(engine, file))).toBe("ERR_SKB_CAPTURE");
    } finally {
      fs.ftruncateSync = ftruncateSync;
    }
    expect(readFileSync(file)).toEqual(CAPTURE);
    expectClean(engine);
  });

  it("fails for a file that is read, or written, here", async () => {
    const engine = await create();
    const path = folder.file(CAPTURE);
    symlinkSync(path, `${path}.symbolic`);
    linkSync(path, `${path}.hard`);
    const fd = openSync(path, "r+");
    const reader = CaptureReader.open(engine, path);
    for (const file of [path, `${path}.symbolic`, `${path}.hard`, fd])
      expect(await rejection(Tap.open(engine, file))).toBe("ERR_SKB_CAPTURE");
    reader.close();
    expect(readFileSync(path)).toEqual(CAPTURE);
    const writer = CaptureWriter.open(engine, path);
    expect(await rejection(Tap.open(engine, `${path}.hard`))).toBe("ERR_SKB_CAPTURE");
    writer.closeSync();
    // Two at once: the first has it.
    const [first, second] = [Tap.open(engine, path), Tap.open(engine, `${path}.symbolic`)];
    expect(await rejection(second)).toBe("ERR_SKB_CAPTURE");
    const tap = await first;
    expect(() => CaptureReader.open(engine, path)).toThrow("being written here");
    await tap.close();
    await (await Tap.open(engine, fd)).close();
    closeSync(fd);
    expectClean(engine);
  });
});

it("an open tap closes though its engine was closed by force", async () => {
  const engine = await create();
  const path = folder.fresh();
  const tap = await Tap.open(engine, path);
  engine.close({ force: true });
  expect(await rejection(tap.close().then(() => tap))).toBe("ERR_SKB_CAPTURE");
  expect(await rejection(tap.close().then(() => tap))).toBe("ERR_SKB_CAPTURE");
  expect(tap.stats()).toMatchObject({ offered: 0, written: 0, waiting: 0 });
  // The file is free for others.
  const other = await create();
  await (await Tap.open(other, path)).close();
  expectClean(other);
});

describe("a program with a tap", () => {
  /** What a program says that is not in a file. It ends by itself. */
  function said(code: string, ...flags: string[]): string {
    const program = `
      import { Engine } from "skbuff";
      import { audit } from "skbuff/inspect";
      import { CaptureReader, Tap } from "skbuff/node";
      const engine = await Engine.create({ memory: 4 << 20 });
      ${code}`;
    return execFileSync(process.execPath, ["--no-warnings", ...flags, "--input-type=module", "-e", program], {
      cwd: root,
      encoding: "utf8",
      timeout: 30_000,
    });
  }

  it("need not be in a file", () => {
    const file = JSON.stringify(folder.fresh());
    const out = said(`
      const tap = await Tap.open(engine, ${file});
      const skb = engine.alloc(9).putZeros(9);
      tap.offer(skb);
      skb.release();
      console.log((await tap.close()).written, engine.close().length);`);
    expect(out).toBe("1 0\n");
  });

  it("ends without closing it", () => {
    const out = said(`
      await Tap.open(engine, ${JSON.stringify(folder.fresh())});
      console.log("over");`);
    expect(out).toBe("over\n");
  });

  it("whose engine is closed meanwhile hears it, and ends", () => {
    const out = said(`
      const opening = Tap.open(engine, ${JSON.stringify(folder.fresh())});
      engine.close({ force: true });
      console.log((await opening.catch((error) => error)).code);`);
    expect(out).toBe("ERR_SKB_CLOSED\n");
  });

  it("hears that workers are not allowed, and ends", () => {
    const file = folder.file(CAPTURE);
    const permission =
      Number(process.versions.node.split(".")[0]) < 22 ? "--experimental-permission" : "--permission";
    const out = said(
      `
      const error = await Tap.open(engine, ${JSON.stringify(file)}).catch((error) => error);
      console.log(error.code, error.cause?.code, audit(engine).clean, engine.close().length);`,
      permission,
      "--allow-fs-read=*",
      "--allow-fs-write=*",
    );
    expect(out).toBe("ERR_SKB_UNSUPPORTED ERR_ACCESS_DENIED true 0\n");
    expect(readFileSync(file)).toEqual(CAPTURE);
  });

  it("hears that a file may not be written", () => {
    const file = folder.file(CAPTURE);
    const permission =
      Number(process.versions.node.split(".")[0]) < 22 ? "--experimental-permission" : "--permission";
    const out = said(
      `
      const error = await Tap.open(engine, ${JSON.stringify(file)}).catch((error) => error);
      console.log(error.code, error.cause?.code, engine.close().length);`,
      permission,
      "--allow-fs-read=*",
      "--allow-worker",
    );
    expect(out).toBe("ERR_SKB_CAPTURE ERR_ACCESS_DENIED 0\n");
    expect(readFileSync(file)).toEqual(CAPTURE);
  });
});
