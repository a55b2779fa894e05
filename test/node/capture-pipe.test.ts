// Captures that come through pipes: longer than memory, slowly, from standard input, and while nobody must be blocked.

import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { InUseError, type Skb } from "skbuff";
import { stats } from "skbuff/inspect";
import { CaptureReader, type CaptureReaderOptions } from "skbuff/node";
import { afterEach, describe, expect, it } from "vitest";
import { bytesAt, caught } from "../packets.js";
import { Folder, pcapHeader, pcapRecord } from "./made.js";
import { expectCaptureError, readAll, withEngine } from "./reading.js";

const folder = new Folder();
const script = fileURLToPath(new URL("./capture-process.mjs", import.meta.url));
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** A named pipe that another process writes `count` packets into, the last ones only once it is told so. */
function piped(count: number, length: number, pauseAfter = 0): { path: string; goOn: () => void } {
  const path = folder.fresh();
  execFileSync("mkfifo", [path]);
  const args = [script, "make", String(count), String(length), String(pauseAfter)].map((arg) => `'${arg}'`);
  const child = spawn("sh", ["-c", `exec '${process.execPath}' ${args.join(" ")} > '${path}'`], {
    stdio: ["pipe", "inherit", "inherit"],
  });
  children.push(child);
  return { path, goOn: () => child.stdin?.end("\n") };
}

const MODES: Record<string, CaptureReaderOptions> = {
  pool: {},
  "pool, single pages": { chunk: 4096 },
  lent: { lend: 8 },
};

// Named pipes are not everywhere.
describe.runIf(process.platform !== "win32")("from another process", () => {
  it.each(Object.entries(MODES))("300 MB go through 4 MiB of memory: %s", async (_, mode) => {
    const [count, length] = [200_000, 1500];
    await withEngine({ memory: 4 * 1024 * 1024 }, (engine) => {
      const { path } = piped(count, length);
      const reader = CaptureReader.open(engine, path, mode);
      expect(reader.format).toBeNull();
      const burst: Skb[] = new Array(32);
      let i = 0;
      let wrong = 0;
      for (let n = reader.readBurst(burst); n !== 0; n = reader.readBurst(burst)) {
        for (let k = 0; k < n; k++, i++) {
          const skb = burst[k] as Skb;
          if (
            skb.readU32(0) !== Buffer.from(Uint32Array.of(i).buffer).readUInt32BE() ||
            skb.length !== length
          )
            wrong++;
        }
        engine.releaseBurst(burst, n);
      }
      expect([i, wrong]).toEqual([count, 0]);
      expect(reader.stats().bytes).toBe(24 + count * (16 + length));
      expect(stats(engine).bytesCopied).toBe(0);
      reader.close();
    });
  });

  it("gives what has come, without waiting for more", async () => {
    await withEngine({ memory: 1024 * 1024 }, (engine) => {
      const { path, goOn } = piped(10, 100, 7);
      const reader = CaptureReader.open(engine, path);
      const out: Skb[] = [];
      const burst = (): number => {
        const n = reader.readBurst(out, 32);
        engine.releaseBurst(out, n);
        return n;
      };
      // Who waited for all 32 would wait until the other end loses patience.
      const start = performance.now();
      let n = 0;
      while (n < 7) n += burst();
      expect(n).toBe(7);
      expect(performance.now() - start).toBeLessThan(50_000);
      goOn();
      while (n < 10) n += burst();
      expect(burst()).toBe(0);
      expect(reader.format).toBe("pcap");
      expectCaptureError(
        caught(() => reader.rewind()),
        "a pipe",
      );
      reader.close();
    });
  });

  it.runIf(process.platform === "linux").each(["blocking", "not blocking"])(
    "reads a descriptor that has nothing yet, and does not block by itself (%s)",
    async (how) => {
      await withEngine({ memory: 1024 * 1024 }, async (engine) => {
        const path = folder.fresh();
        execFileSync("mkfifo", [path]);
        // Opened for both, so that it does not end while nobody writes.
        const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
        const capture = folder.file(
          Buffer.concat([pcapHeader(), ...[1, 2, 3].map((n) => pcapRecord(bytesAt(0, n)))]),
        );
        children.push(spawn("sh", ["-c", `sleep 0.1; cat '${capture}' > '${path}'`]));
        const reader = CaptureReader.open(engine, fd);
        const lengths: number[] = [];
        const keep = (skb: Skb): void => {
          lengths.push(skb.length);
          skb.release();
        };
        if (how === "blocking") while (lengths.length < 3) keep(reader.read() as Skb);
        else {
          for await (const skb of reader) {
            keep(skb);
            if (lengths.length === 3) break;
          }
        }
        expect(lengths).toEqual([1, 2, 3]);
        reader.close();
        closeSync(fd);
      });
    },
  );

  it("for await leaves the event loop alone, and only one call at a time touches the stream", async () => {
    await withEngine({ memory: 1024 * 1024 }, async (engine) => {
      const { path, goOn } = piped(10, 100, 7);
      const reader = CaptureReader.open(engine, path);
      let n = 0;
      let ended = false;
      const loop = (async () => {
        for await (const skb of reader) {
          n++;
          skb.release();
        }
        ended = true;
      })();
      let turns = 0;
      while (n < 7) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        turns++;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect([n, ended]).toEqual([7, false]);
      expect(turns).toBeGreaterThan(0);
      for (const call of [() => reader.read(), () => reader.readBurst([], 1)])
        expect(expectCaptureError(caught(call), "meanwhile").message).toContain("one call at a time");
      goOn();
      await loop;
      expect(n).toBe(10);
      reader.close();
    });
  });

  it.each([{}, { lend: 2 }])(
    "closed while it is being read, keeps the memory until the read ends: %o",
    async (mode) => {
      await withEngine({ memory: 1024 * 1024 }, async (engine) => {
        const { path, goOn } = piped(10, 100, 7);
        const reader = CaptureReader.open(engine, path, mode);
        const seen: number[] = [];
        const loop = (async () => {
          for await (const skb of reader) {
            seen.push(skb.length);
            skb.release();
          }
        })();
        while (seen.length < 7) await new Promise((resolve) => setTimeout(resolve, 1));
        await new Promise((resolve) => setTimeout(resolve, 20));
        reader.close();
        // The kernel may still write into the chunk.
        expect(caught(() => engine.close())).toBeInstanceOf(InUseError);
        const before = stats(engine).pages.used;
        goOn();
        expect(expectCaptureError(await loop.catch((error) => error), "closed").message).toContain(
          "an open reader",
        );
        expect(stats(engine).pages.used).toBeLessThan(before);
        expect(seen.length).toBe(7);
      });
    },
  );
});

describe("standard input", () => {
  it("is read as -", () => {
    const records = Array.from({ length: 100 }, (_, i) => pcapRecord(bytesAt(i, 4 + i)));
    const sum = records.reduce((total, record) => total + record.readUInt32BE(16) + record.length - 16, 0);
    const { stdout, stderr } = spawnSync(process.execPath, [script, "read"], {
      input: Buffer.concat([pcapHeader(), ...records]),
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    const { before, ...rest } = JSON.parse(stdout);
    expect(rest).toEqual({ format: "pcap", packets: 100, sum, out: [] });
    expect(before).toBeNull();
  });

  it.runIf(process.platform !== "win32")("may be a file, and then has its header read at once", () => {
    const file = folder.file(Buffer.concat([pcapHeader(), pcapRecord(bytesAt(0, 10))]));
    const fd = openSync(file, "r");
    const { stdout } = spawnSync(process.execPath, [script, "read"], {
      stdio: [fd, "pipe", "inherit"],
      encoding: "utf8",
    });
    closeSync(fd);
    expect(JSON.parse(stdout)).toMatchObject({ before: "pcap", packets: 1 });
  });

  it.runIf(process.platform !== "win32")(
    "a device without end that is no capture is refused at once",
    async () => {
      await withEngine({ memory: 1024 * 1024 }, (engine) => {
        const reader = CaptureReader.open(engine, "/dev/zero");
        expect(expectCaptureError(readAll(reader).error, "zeros").message).toContain("a pcap or pcapng file");
        reader.close();
        const nothing = CaptureReader.open(engine, "/dev/null");
        expect(expectCaptureError(readAll(nothing).error, "nothing").message).toContain("an empty one");
        nothing.close();
      });
    },
  );
});
