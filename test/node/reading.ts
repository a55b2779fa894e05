// What the tests of captures do again and again: read all of one, and compare it with what the naive parser says.

import { Engine, type EngineOptions, type Skb } from "skbuff";
import { audit } from "skbuff/inspect";
import {
  CaptureError,
  CaptureReader,
  type CaptureReaderOptions,
  interfaceOf,
  linkTypeOf,
  originalLengthOf,
} from "skbuff/node";
import { expect } from "vitest";
import { caught, expectBytes } from "../packets.js";
import type { Frame } from "./naive.js";

/** A packet as it was read. */
export type Got = Omit<Frame, "end">;

export function frameOf(skb: Skb): Got {
  return {
    bytes: skb.toBytes(),
    length: originalLengthOf(skb),
    time: skb.timestamp,
    linkType: linkTypeOf(skb) ?? -1,
    interface: interfaceOf(skb) ?? -1,
  };
}

/** All packets up to the end, or to the error that is thrown instead. */
export function readAll(reader: CaptureReader): { frames: Got[]; error: unknown } {
  const frames: Got[] = [];
  for (;;) {
    let skb: Skb | null = null;
    const error = caught(() => {
      skb = reader.read();
    });
    if (error !== undefined) return { frames, error };
    if (skb === null) return { frames, error: undefined };
    frames.push(frameOf(skb));
    (skb as Skb).release();
  }
}

export function readFile(
  engine: Engine,
  file: string | number,
  options?: CaptureReaderOptions,
): { frames: Got[]; error: unknown } {
  let reader: CaptureReader;
  try {
    reader = CaptureReader.open(engine, file, options);
  } catch (error) {
    return { frames: [], error };
  }
  const all = readAll(reader);
  // The end stays the end, and an error the same one.
  const again = caught(() => expect(reader.read()).toBeNull());
  expect(again).toBe(all.error);
  reader.close();
  return all;
}

export function expectFrames(got: readonly Got[], wanted: readonly Got[], hint: string): void {
  expect(got.length, `${hint}: packets`).toBe(wanted.length);
  for (const [i, frame] of wanted.entries()) {
    const one = got[i] as Got;
    expectBytes(one.bytes, frame.bytes, `${hint}, packet ${i}`);
    const { length, time, linkType } = one;
    expect({ length, time, linkType, interface: one.interface }, `${hint}, packet ${i}`).toEqual({
      length: frame.length === 0 ? frame.bytes.length : frame.length,
      time: frame.time,
      linkType: frame.linkType,
      interface: frame.interface,
    });
  }
}

export function expectCaptureError(error: unknown, hint: string): CaptureError {
  expect(error, hint).toBeInstanceOf(CaptureError);
  const { code, message, file, offset } = error as CaptureError;
  expect(code, hint).toBe("ERR_SKB_CAPTURE");
  expect(message, hint).toMatch(/^"[^"]+, byte \d+" expected .+, got .+/s);
  expect(message, hint).toContain(`"${file}, byte ${offset}"`);
  return error as CaptureError;
}

/** The same for an error whose message has to have `text` in it. */
export function expectCaptureSays(error: unknown, text: string): CaptureError {
  const checked = expectCaptureError(error, text);
  expect(checked.message).toContain(text);
  return checked;
}

/** Runs `use` with an engine, which has nothing out afterwards. */
export async function withEngine<T>(
  options: EngineOptions,
  use: (engine: Engine) => T | Promise<T>,
): Promise<T> {
  const engine = await Engine.create({ threads: 1, ...options });
  try {
    const result = await use(engine);
    expect(audit(engine)).toMatchObject({ problems: [], clean: true });
    expect(engine.close()).toEqual([]);
    return result;
  } finally {
    engine.close({ force: true });
  }
}

/** The kinds of engine that captures are read and written on. */
export const KINDS = [
  { name: "wasm on shared memory", core: "wasm", shared: true },
  { name: "wasm on unshared memory", core: "wasm", shared: false },
  { name: "js on a SharedArrayBuffer", core: "js", shared: true },
  { name: "js on an ArrayBuffer", core: "js", shared: false },
] as const;

/** Ways to read that put records across chunks at other places. */
export const MODES: Record<string, CaptureReaderOptions> = {
  "pages of 64 KiB": {},
  "pages of 4 KiB": { chunk: 4096 },
  "pages of 5000 bytes, no headroom": { chunk: 5000, headroom: 0 },
  "lent, 32 buffers of 4 KiB": { lend: 32, chunk: 4096 },
  "lent, 3 buffers of 128 KiB": { lend: 3, chunk: 131072 },
};
