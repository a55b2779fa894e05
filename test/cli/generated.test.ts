// Frames that are generated from a seed: what is found in them is what another dissector finds.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { pcapHeader, pcapRecord } from "../node/made.js";
import { generate } from "./generate.js";
import { looking } from "./seen.js";
import { asTheirs, type Fields, TSHARK, tshark } from "./tshark.js";

/** More with SKBUFF_FUZZ_FRAMES=100000; others with SKBUFF_FUZZ_SEED. */
const FRAMES = Number(process.env.SKBUFF_FUZZ_FRAMES ?? 4000);
const SEED = Number(process.env.SKBUFF_FUZZ_SEED ?? Date.now() % 2 ** 31);

describe.runIf(TSHARK)("generated frames", () => {
  const look = looking();

  it(`are seen as tshark sees them (seed ${SEED})`, () => {
    const folder = mkdtempSync(join(tmpdir(), "skbuff-frames-"));
    const path = join(folder, "frames.pcap");
    const frames = generate(SEED, FRAMES);
    writeFileSync(
      path,
      Buffer.concat([pcapHeader(), ...frames.map(({ bytes, length }) => pcapRecord(bytes, { length }))]),
    );
    let all: Fields[];
    try {
      all = tshark(path);
    } finally {
      rmSync(folder, { recursive: true });
    }
    expect(all.length).toBe(frames.length);
    for (const [i, { bytes, length }] of frames.entries()) {
      const theirs = all[i] as Fields;
      const hint = `SKBUFF_FUZZ_SEED=${SEED}, frame ${i + 1}: ${theirs["frame.protocols"]}, ${Buffer.from(bytes).toString("hex")}`;
      expect(asTheirs(look(bytes, 1, length), theirs, bytes.length), hint).toEqual(theirs);
    }
  });
});
