// reader.packets({ timeout, signal }), and abort: whoever waits for a capture's next packet need not wait for ever.

import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { PoolExhaustedError, type Skb, TimeoutError } from "skbuff";
import { stats } from "skbuff/inspect";
import { CaptureError, CaptureReader } from "skbuff/node";
import { describe, expect, it } from "vitest";
import { bytesAt } from "../packets.js";
import { Folder, pcapHeader, pcapRecord } from "./made.js";
import { withEngine } from "./reading.js";
import { cleaner } from "./support.js";

const folder = new Folder();
const defer = cleaner();
const THREE = Buffer.concat([pcapHeader(), ...[0, 1, 2].map((i) => pcapRecord(bytesAt(i, 60)))]);
const reason = new Error("enough");

/** A named pipe, and what writes into it. */
function pipe(): { path: string; write: (bytes: Uint8Array) => void; end: () => void } {
  const path = folder.fresh();
  execFileSync("mkfifo", [path]);
  const own = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  let open = true;
  const end = (): void => {
    if (open) closeSync(own);
    open = false;
  };
  defer(end);
  return { path, write: (bytes) => void writeSync(own, bytes), end };
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => ["resolved", value],
    (caught: unknown) => caught,
  );
}

async function count(packets: AsyncIterable<Skb>, most = Number.POSITIVE_INFINITY): Promise<number> {
  let n = 0;
  for await (const skb of packets) {
    skb.release();
    if (++n === most) break;
  }
  return n;
}

describe.runIf(process.platform !== "win32").each([{}, { lend: 2 }])("from a pipe: %o", (mode) => {
  it("says that none came in time, and loses nothing", async () => {
    await withEngine({ memory: 1024 * 1024 }, async (engine) => {
      const { path, write, end } = pipe();
      const reader = CaptureReader.open(engine, path, mode);
      write(THREE.subarray(0, 50));
      for (let i = 0; i < 2; i++)
        expect(await rejection(count(reader.packets({ timeout: 5 })))).toBeInstanceOf(TimeoutError);
      write(THREE.subarray(50));
      expect(await count(reader.packets({ timeout: 60_000 }), 2)).toBe(2);
      end();
      expect(await count(reader.packets({ timeout: 60_000 }))).toBe(1);
      reader.close();
    });
  });

  it("ends when its signal is aborted, and loses nothing", async () => {
    await withEngine({ memory: 1024 * 1024 }, async (engine) => {
      const { path, write, end } = pipe();
      const reader = CaptureReader.open(engine, path, mode);
      const stopper = new AbortController();
      const { signal } = stopper;
      const waiting = rejection(count(reader.packets({ signal })));
      stopper.abort(reason);
      expect(await waiting).toBe(reason);
      write(THREE);
      end();
      expect(await rejection(count(reader.packets({ signal })))).toBe(reason);
      expect(await count(reader)).toBe(3);
      reader.close();
    });
  });

  it("is aborted, though nobody writes: who waits hears why, and the memory comes back", async () => {
    await withEngine({ memory: 1024 * 1024 }, async (engine) => {
      const { path, write } = pipe();
      const reader = CaptureReader.open(engine, path, mode);
      write(THREE);
      const packets = reader.packets();
      const first = (await packets.next()).value as Skb;
      await count(reader, 2);
      const waiting = [rejection(packets.next()), rejection(count(reader))];
      reader.abort(reason);
      reader.abort(new Error("again"));
      expect(await Promise.all(waiting)).toEqual([reason, reason]);
      expect(() => reader.read()).toThrow(reason);
      expect(await rejection(reader.waitAsync())).toBe(reason);
      expect(await rejection(count(reader))).toBe(reason);
      first.release();
      while (stats(engine).pages.used > 0 && stats(engine).skbs.used > 0)
        await new Promise((resolve) => setTimeout(resolve, 1));
    });
  });
});

describe("where there is no memory", () => {
  async function hoarded(use: (reader: CaptureReader, giveBack: () => void) => Promise<void>): Promise<void> {
    await withEngine({ memory: 256 * 1024, threads: 1 }, async (engine) => {
      const reader = CaptureReader.open(engine, folder.file(THREE), { chunk: 4096, patience: 100_000 });
      const hoard: Skb[] = [];
      for (const size of [100_000, 4096, 100, 0])
        for (let skb = engine.tryAlloc(size); skb !== null; skb = engine.tryAlloc(size)) hoard.push(skb);
      await use(reader, () => engine.releaseBurst(hoard.splice(0)));
      engine.releaseBurst(hoard);
      expect(await count(reader)).toBe(3);
      reader.close();
    });
  }

  it("waits for `timeout`, not for `patience`", async () => {
    await hoarded(async (reader) => {
      expect(() => reader.read()).toThrow(PoolExhaustedError);
      expect(await rejection(count(reader.packets({ timeout: 5 })))).toBeInstanceOf(TimeoutError);
    });
  });

  it("hears its signal", async () => {
    await hoarded(async (reader) => {
      const stopper = new AbortController();
      const waiting = rejection(count(reader.packets({ signal: stopper.signal })));
      const memory = rejection(reader.waitAsync({ signal: stopper.signal }));
      await new Promise(setImmediate);
      stopper.abort(reason);
      expect(await Promise.all([waiting, memory])).toEqual([reason, reason]);
    });
  });

  it("is told when another try is worth it", async () => {
    await hoarded(async (reader, giveBack) => {
      expect(await reader.waitAsync({ timeout: 2 })).toBe("timed-out");
      const waiting = reader.waitAsync();
      giveBack();
      expect(await waiting).toBe("ready");
    });
  });
});

it("an option that is none, and a closed reader, are errors", async () => {
  await withEngine({ memory: 1024 * 1024 }, async (engine) => {
    const reader = CaptureReader.open(engine, folder.file(THREE));
    expect(() => reader.packets({ timeout: -1 })).toThrow(RangeError);
    expect(() => reader.packets({ tmeout: 1 } as object)).toThrow(TypeError);
    expect(() => reader.packets({ signal: 1 as never })).toThrow(TypeError);
    reader.close();
    reader.abort(reason);
    expect(await rejection(count(reader))).toBeInstanceOf(CaptureError);
    expect(await rejection(reader.waitAsync())).toBeInstanceOf(CaptureError);
  });
});

it("an aborted reader of a file says why", async () => {
  await withEngine({ memory: 1024 * 1024 }, async (engine) => {
    const reader = CaptureReader.open(engine, folder.file(THREE));
    reader.abort();
    expect(() => reader.read()).toThrow("an aborted one");
    const disposed = CaptureReader.open(engine, folder.file(THREE));
    disposed[Symbol.dispose]();
    expect(() => disposed.read()).toThrow("an aborted one");
  });
});
