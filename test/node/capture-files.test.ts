// Real captures, each byte and time of which the naive parser and other people's tools know as well. SKBUFF_CAPTURES names
// the folder.

import { readFileSync, statSync } from "node:fs";
import { Engine, type Skb } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { CaptureReader, CaptureWriter } from "skbuff/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FOLDER, filesIn } from "../folder.js";
import { Folder } from "./made.js";
import { readNaively } from "./naive.js";
import {
  expectCaptureError,
  expectFrames,
  frameOf,
  type Got,
  MODES,
  readFile,
  withEngine,
} from "./reading.js";
import {
  ascapinfos,
  astcpdump,
  astshark,
  bycapinfos,
  bytcpdump,
  bytshark,
  checkTools,
  TOOLS,
} from "./tools.js";

const FILES = filesIn(/\.pcap(ng)?$/);
checkTools();
const folder = new Folder();

describe.runIf(FILES.length > 0).each(["wasm", "js"] as const)("captures, %s", (core) => {
  let engine: Engine;

  beforeAll(async () => {
    engine = await Engine.create({ memory: 4 * 1024 * 1024, threads: 1, core });
  });

  afterAll(() => {
    expect(audit(engine).problems).toEqual([]);
    expect(engine.close()).toEqual([]);
  });

  it.each(FILES)("%s is read as the naive parser reads it", (name) => {
    const path = `${FOLDER}/${name}`;
    const naive = readNaively(readFileSync(path));
    for (const [mode, options] of Object.entries(MODES)) {
      const { frames, error } = readFile(engine, path, options);
      expect(error).toBeUndefined();
      expectFrames(frames, naive.frames, `${name}, ${mode}`);
    }
    expect(stats(engine).bytesCopied).toBe(0);
    expect(stats(engine).skbs.used).toBe(0);
  });
});

/** Small ones, with every kind of block that real captures have. */
const CUT = ["gopacket-test_dns.pcap", "pcapng-be-test012.pcapng", "pcapng-le-test016.pcapng"];

describe.runIf(FILES.length > 0)("cut off at every byte", () => {
  // A folder of other captures need not have these.
  it.each(CUT.filter((name) => FILES.includes(name)))("%s", async (name) => {
    const file = readFileSync(`${FOLDER}/${name}`);
    const { frames, ends } = readNaively(file);
    await withEngine({ memory: 1024 * 1024 }, (engine) => {
      for (let n = 0; n < file.length; n++) {
        const got = readFile(engine, folder.file(file.subarray(0, n)));
        const whole = frames.filter(({ end }) => end <= n);
        expectFrames(got.frames, whole, `${n} bytes`);
        if (ends.includes(n)) expect(got.error).toBeUndefined();
        else expectCaptureError(got.error, `${n} bytes`);
      }
    });
  });
});

/** Reads a capture and writes all of it. Returns what the new one must say. */
function rewrite(engine: Engine, name: string, path: string, format: "pcap" | "pcapng"): Got[] {
  const reader = CaptureReader.open(engine, `${FOLDER}/${name}`);
  const writer = CaptureWriter.open(engine, path, { format });
  const numbers = new Map<string, number>();
  const wanted: Got[] = [];
  const burst: Skb[] = new Array(32);
  for (let n = reader.readBurst(burst); n > 0; n = reader.readBurst(burst)) {
    for (const skb of burst.slice(0, n)) {
      const frame = frameOf(skb);
      // Interfaces are numbered as their first packets come; pcap knows of one only.
      const key = format === "pcap" ? "" : `${frame.linkType} ${frame.interface}`;
      if (!numbers.has(key)) numbers.set(key, numbers.size);
      wanted.push({ ...frame, interface: numbers.get(key) ?? 0 });
    }
    expect(writer.enqueueBurst(burst, n)).toBe(n);
    writer.flush();
  }
  reader.close();
  writer.closeSync();
  expect(writer.stats()).toEqual({ packets: wanted.length, bytes: statSync(path).size, dropped: 0 });
  return wanted;
}

describe.runIf(FILES.length > 0).each(["pcapng", "pcap"] as const)("rewritten as %s", (format) => {
  it.concurrent.each(FILES)("%s", async (name) => {
    const path = folder.fresh();
    await withEngine({ memory: 4 * 1024 * 1024 }, async (engine) => {
      const wanted = rewrite(engine, name, path, format);
      expect(stats(engine).bytesCopied).toBe(0);
      expectFrames(readNaively(readFileSync(path)).frames, wanted, `${name}, naively`);
      const { frames, error } = readFile(engine, path);
      expect(error).toBeUndefined();
      expectFrames(frames, wanted, name);
      if (TOOLS.tcpdump) expect(await bytcpdump(path)).toEqual({ got: astcpdump(wanted), stderr: "" });
      if (TOOLS.capinfos) expect(await bycapinfos([path])).toEqual({ got: [ascapinfos(wanted)], stderr: "" });
    });
  });
});

describe.runIf(FILES.length > 0)("other tools read the same in", () => {
  let engine: Engine;
  const read = (name: string): Got[] => readFile(engine, `${FOLDER}/${name}`).frames;

  beforeAll(async () => {
    engine = await Engine.create({ memory: 4 * 1024 * 1024, threads: 1 });
  });

  afterAll(() => {
    expect(engine.close()).toEqual([]);
  });

  describe.runIf(TOOLS.tshark)("tshark", () => {
    it.concurrent.each(FILES)("%s", async (name) => {
      const { got } = await bytshark(`${FOLDER}/${name}`);
      expect(got).toEqual(astshark(read(name)));
    });
  });

  describe.runIf(TOOLS.tcpdump)("tcpdump", () => {
    it.concurrent.each(FILES)("%s", async (name) => {
      const { got, stderr } = await bytcpdump(`${FOLDER}/${name}`);
      const wanted = astcpdump(read(name));
      // It reads no capture to the end whose interfaces differ in their snap lengths.
      const first = stderr.includes("different from the snapshot length of the first interface");
      expect(got).toEqual(first ? wanted.slice(0, got.length) : wanted);
    });
  });

  it.runIf(TOOLS.capinfos)("capinfos", async () => {
    const { got } = await bycapinfos(FILES.map((name) => `${FOLDER}/${name}`));
    expect(got).toEqual(FILES.map((name) => ascapinfos(read(name))));
  });
});
