// One file is never read and written, nor written twice, at once: whatever it is called.

import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  linkSync,
  openSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { Engine } from "skbuff";
import { CaptureError, CaptureReader, CaptureWriter, Tap } from "skbuff/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytesAt, caught } from "../packets.js";
import { Folder, pcapHeader, pcapRecord } from "./made.js";

const folder = new Folder();
const CAPTURE = Buffer.concat([pcapHeader(), ...[60, 61, 62].map((n) => pcapRecord(bytesAt(0, n)))]);
let engine: Engine;

beforeAll(async () => {
  engine = await Engine.create({ memory: 2 * 1024 * 1024 });
});
afterAll(() => {
  expect(engine.close()).toEqual([]);
});

/** What leads to a file beside its path; each with a way to let go of it. */
const WAYS: Record<string, (path: string) => { file: string | number; end?: () => void }> = {
  "its path": (path) => ({ file: path }),
  "a way round": (path) => ({ file: path.replace(/([^/]+)$/, "./$1") }),
  "a symbolic link": (path) => {
    symlinkSync(path, `${path}.symbolic`);
    return { file: `${path}.symbolic` };
  },
  "a hard link": (path) => {
    linkSync(path, `${path}.hard`);
    return { file: `${path}.hard` };
  },
  "a descriptor": (path) => {
    const fd = openSync(path, "r+");
    return { file: fd, end: () => closeSync(fd) };
  },
  "a descriptor's path": (path) => {
    const fd = openSync(path, "r+");
    const of = process.platform === "linux" ? "/proc/self/fd" : "/dev/fd";
    return { file: `${of}/${fd}`, end: () => closeSync(fd) };
  },
};

function refusal(open: () => { close(): void }): CaptureError {
  const error = caught(() => open().close());
  expect(error).toBeInstanceOf(CaptureError);
  return error as CaptureError;
}

describe.runIf(process.platform !== "win32").each(Object.entries(WAYS))("by %s", (_, way) => {
  it("what is read is not written, and stays as it is", () => {
    const path = folder.file(CAPTURE);
    const { file, end } = way(path);
    const reader = CaptureReader.open(engine, path);
    expect(refusal(() => CaptureWriter.open(engine, file)).message).toContain("one that is being read here");
    expect(readFileSync(path)).toEqual(CAPTURE);
    // To read it twice harms nobody.
    CaptureReader.open(engine, file).close();
    reader.close();
    CaptureWriter.open(engine, file).closeSync();
    end?.();
  });

  it("what is read is not taped, and what is taped is neither read nor taped by another", async () => {
    const path = folder.file(CAPTURE);
    const { file, end } = way(path);
    const reader = CaptureReader.open(engine, path);
    await expect(Tap.open(engine, file)).rejects.toThrow("one that is being read here");
    expect(readFileSync(path)).toEqual(CAPTURE);
    reader.close();
    const tap = await Tap.open(engine, path);
    await expect(Tap.open(engine, file)).rejects.toThrow("one that is being written here");
    expect(refusal(() => CaptureReader.open(engine, file)).message).toContain("written here");
    await tap.close();
    CaptureReader.open(engine, file).close();
    end?.();
  });

  it("what is written is not read, and not written by another one", () => {
    const path = folder.file(CAPTURE);
    const { file, end } = way(path);
    const writer = CaptureWriter.open(engine, path);
    writer.enqueue(engine.alloc(10).putZeros(10));
    writer.flush();
    const { size } = statSync(path);
    for (const open of [() => CaptureReader.open(engine, file), () => CaptureWriter.open(engine, file)])
      expect(refusal(open).message).toContain("one that is being written here");
    expect(statSync(path).size).toBe(size);
    writer.closeSync();
    CaptureReader.open(engine, file).close();
    end?.();
  });
});

describe.runIf(process.platform !== "win32")("a named pipe", () => {
  it("is not read and written", () => {
    const path = folder.fresh();
    execFileSync("mkfifo", [path]);
    const reader = CaptureReader.open(engine, path);
    expect(refusal(() => CaptureWriter.open(engine, path)).message).toContain("read here");
    reader.close();
    // Not opened yet, because nobody reads it; and yet it is taken.
    const writer = CaptureWriter.open(engine, path);
    expect(refusal(() => CaptureReader.open(engine, path)).message).toContain("written here");
    const other = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    writer.closeSync();
    closeSync(other);
  });

  it("is opened without a wait, and waited for where it does not block", async () => {
    const path = folder.fresh();
    execFileSync("mkfifo", [path]);
    const reader = CaptureReader.open(engine, path);
    const first = reader[Symbol.asyncIterator]().next();
    // Somebody opens it, and goes away without a word: that is no end of a capture.
    closeSync(openSync(path, "w"));
    const turns = await Promise.race([first, new Promise((resolve) => setTimeout(resolve, 50, "turning"))]);
    expect(turns).toBe("turning");
    const fd = openSync(path, "w");
    writeSync(fd, CAPTURE);
    const { value } = await first;
    expect(value?.length).toBe(60);
    value?.release();
    closeSync(fd);
    reader.close();
  });

  it("is let go of while it is waited for", async () => {
    const path = folder.fresh();
    execFileSync("mkfifo", [path]);
    const reader = CaptureReader.open(engine, path);
    const next = reader[Symbol.asyncIterator]().next();
    reader.close();
    await expect(next).rejects.toThrow("an open reader");
  });

  it("takes what is written once somebody reads it", async () => {
    const path = folder.fresh();
    execFileSync("mkfifo", [path]);
    const writer = CaptureWriter.open(engine, path);
    writer.enqueue(engine.alloc(10).putZeros(10));
    const closed = writer.close();
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    await closed;
    expect(writer.stats().packets).toBe(1);
    closeSync(fd);
  });
});

it.runIf(process.platform !== "win32")("a device that keeps nothing may be both", () => {
  const [one, other] = [CaptureWriter.open(engine, "/dev/null"), CaptureWriter.open(engine, "/dev/null")];
  one.closeSync();
  other.closeSync();
});

it("a descriptor that was closed behind a writer's back takes nothing with it", () => {
  const fd = openSync(folder.file(Buffer.from("")), "w");
  const writer = CaptureWriter.open(engine, fd);
  closeSync(fd);
  // The number is another file's now, and the old file nobody's.
  const path = folder.file(CAPTURE);
  const again = openSync(path, "r");
  expect(again).toBe(fd);
  const reader = CaptureReader.open(engine, path);
  reader.close();
  closeSync(again);
  expect(caught(() => writer.closeSync())).toBeInstanceOf(CaptureError);
});

it("what is no file for a capture is left as it was", () => {
  const path = folder.file(CAPTURE);
  expect(caught(() => CaptureWriter.open(engine, path, { snapLength: 0 }))).toBeInstanceOf(RangeError);
  expect(readFileSync(path)).toEqual(CAPTURE);
});
