// Real captures, each byte and time of which the naive parser and other people's tools know as well. SKBUFF_CAPTURES names
// the folder.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Engine } from "skbuff";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readNaively } from "./naive.js";
import { expectFrames, type Got, MODES, readFile } from "./reading.js";
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

const FOLDER =
  process.env.SKBUFF_CAPTURES ?? fileURLToPath(new URL("../../../shared/captures", import.meta.url));
const FILES = existsSync(FOLDER)
  ? readdirSync(FOLDER)
      .filter((name) => /\.pcap(ng)?$/.test(name))
      .sort()
  : [];
if (FILES.length === 0) console.warn(`captures: none in ${FOLDER}; set SKBUFF_CAPTURES to a folder of some`);
checkTools();

describe.runIf(FILES.length > 0).each(["wasm", "js"] as const)("captures, %s", (core) => {
  let engine: Engine;

  beforeAll(async () => {
    engine = await Engine.create({ memory: 4 * 1024 * 1024, threads: 1, core });
  });

  afterAll(() => {
    expect(engine.audit().problems).toEqual([]);
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
    expect(engine.stats().bytesCopied).toBe(0);
    expect(engine.stats().skbs.used).toBe(0);
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
