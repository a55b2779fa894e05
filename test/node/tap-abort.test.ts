// A tap that is aborted gives everything back, though nobody reads what its worker writes.

import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, statSync } from "node:fs";
import { Engine } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { CaptureError, CaptureReader, CaptureWriter, Tap } from "skbuff/node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesAt } from "../packets.js";
import { Folder } from "./made.js";
import { cleaner, until } from "./support.js";

const folder = new Folder();
const defer = cleaner();
const reason = new Error("enough");
let engine: Engine;

beforeEach(async () => {
  engine = await Engine.create({ memory: 8 << 20 });
});

/** Everything is back, and the worker is gone. */
afterEach(() => {
  expect(audit(engine)).toMatchObject({ problems: [], complete: true, ringPages: 0 });
  expect([stats(engine).threads.length, stats(engine).skbs.used]).toEqual([1, 0]);
  expect(engine.close()).toEqual([]);
});

function offer(tap: Tap, packets: number): void {
  for (let i = 0; i < packets; i++) {
    const skb = engine.alloc(1400).putData(bytesAt(i, 1400));
    tap.offer(skb);
    skb.release();
  }
}

function fifo(): string {
  const path = folder.fresh();
  execFileSync("mkfifo", [path]);
  return path;
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => ["resolved", value],
    (caught: unknown) => caught,
  );
}

/** More than a pipe and a batch hold, so that the worker is stuck with some, and the ring has others. */
async function stuck(file: string | number): Promise<Tap> {
  const tap = await Tap.open(engine, file);
  offer(tap, 600);
  await until("the worker takes some", () => tap.room > 1024 - 600);
  offer(tap, 200);
  expect(tap.room).toBeLessThan(1024);
  return tap;
}

/** A pipe that is open, and that nobody reads. */
function unread(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  defer(() => closeSync(fd));
}

const PIPES: Record<string, () => string | number> = {
  "a named pipe that nobody has opened": fifo,
  "a named pipe that nobody reads": () => {
    const path = fifo();
    unread(path);
    return path;
  },
};
// Elsewhere a write to such a one holds the thread until somebody reads.
if (process.platform === "linux") {
  PIPES["a descriptor that blocks"] = () => {
    const path = fifo();
    unread(path);
    const fd = openSync(path, "w");
    defer(() => closeSync(fd));
    return fd;
  };
}

describe.runIf(process.platform !== "win32").each(Object.entries(PIPES))("%s", (_, pipe) => {
  it("is aborted: all comes back, each packet once", async () => {
    const tap = await stuck(pipe());
    tap.abort(reason);
    tap.abort(new Error("again"));
    expect(await rejection(tap.close())).toBe(reason);
    expect(stats(engine).threads.length).toBe(1);
    const { offered, written, waiting, dropped } = tap.stats();
    expect([offered, waiting]).toEqual([800, 0]);
    expect(written + dropped.failed).toBe(800);
    expect(written).toBeLessThan(60);
  });

  it("is aborted after close has begun", async () => {
    const tap = await stuck(pipe());
    const closing = [rejection(tap.close()), rejection(tap.close())];
    tap.abort(reason);
    expect(await Promise.all(closing)).toEqual([reason, reason]);
    await tap[Symbol.asyncDispose]();
  });

  it("is left by `await using` after it was aborted", async () => {
    const tap = await stuck(pipe());
    tap.abort();
    await tap[Symbol.asyncDispose]();
    expect(stats(engine).threads.length).toBe(1);
    expect(await rejection(tap.close())).toBeInstanceOf(CaptureError);
  });

  it("rejects who waits, and takes nothing more", async () => {
    const tap = await stuck(pipe());
    const waiting = rejection(tap.waitWritableAsync(1024));
    tap.abort(reason);
    expect(await waiting).toBe(reason);
    const skb = engine.alloc(1);
    expect([tap.offer(skb), tap.room, await tap.waitWritableAsync()]).toEqual([false, 0, "ended"]);
    skb.release();
    expect(await rejection(tap.close())).toBe(reason);
    expect(await tap.waitWritableAsync()).toBe("ended");
  });
});

describe("a file", () => {
  it("holds whole packets, and no more than had gone", async () => {
    const file = folder.fresh();
    const tap = await Tap.open(engine, file);
    offer(tap, 1000);
    tap.abort(reason);
    expect(await rejection(tap.close())).toBe(reason);
    const { written, bytes, dropped } = tap.stats();
    expect([written + dropped.failed, statSync(file).size]).toEqual([1000, bytes]);
    // Where the worker has come to write at all.
    if (bytes > 0) {
      const reader = CaptureReader.open(engine, file);
      let n = 0;
      for (let skb = reader.read(); skb !== null; skb = reader.read(), n++) skb.release();
      reader.close();
      expect(n).toBe(written);
    }
  });

  it("that is closed is not aborted any more", async () => {
    const tap = await Tap.open(engine, folder.fresh());
    offer(tap, 3);
    await tap.close();
    tap.abort(reason);
    expect((await tap.close()).written).toBe(3);
    expect([tap.room, await tap.waitWritableAsync()]).toEqual([0, "ended"]);
  });

  it("is waited for while it closes: never again", async () => {
    const tap = await Tap.open(engine, folder.fresh(), { capacity: 1 });
    const closing = tap.close();
    expect(await tap.waitWritableAsync()).toBe("ended");
    await closing;
  });
});

describe.runIf(process.platform === "linux")("a writer to a descriptor that blocks", () => {
  it("is aborted, though nobody reads", async () => {
    const path = fifo();
    unread(path);
    const fd = openSync(path, "w");
    defer(() => closeSync(fd));
    const writer = CaptureWriter.open(engine, fd);
    for (let i = 0; i < 200; i++) writer.enqueue(engine.alloc(1400).putZeros(1400));
    const flushing = rejection(writer.flushAsync());
    await new Promise(setImmediate);
    writer.abort(reason);
    expect(await flushing).toBe(reason);
    expect(await rejection(writer.close())).toBe(reason);
    expect(stats(engine).skbs.used).toBe(0);
  });

  it("is not one that can only be read", async () => {
    const path = fifo();
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = CaptureWriter.open(engine, fd);
    expect(() => writer.closeSync()).toThrow("EBADF");
    closeSync(fd);
  });

  it("leaves the descriptor open, and blocking", async () => {
    const path = fifo();
    const fd = openSync(path, "r+");
    const writer = CaptureWriter.open(engine, fd);
    writer.enqueue(engine.alloc(10).putZeros(10));
    await writer.close();
    expect(statSync(path).isFIFO()).toBe(true);
    const flags = /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "";
    expect(Number.parseInt(flags, 8) & constants.O_NONBLOCK).toBe(0);
    closeSync(fd);
  });
});
