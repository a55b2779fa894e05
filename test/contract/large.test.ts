// Arenas above 2 GiB, where an address no longer fits a signed 32-bit number: the high half must be as good as the low.
// What is not used of them is never touched, so they cost address space only.

import { Engine, Ubuf, UnsupportedError, UserRegion } from "skbuff";
import { audit } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { SHARED_MEMORY } from "../environment.js";

const GIB = 2 ** 30;

const KINDS = [
  ["wasm", true],
  ["wasm", false],
  ["js", true],
  ["js", false],
] as const;

describe.each(KINDS.filter(([, shared]) => !shared || SHARED_MEMORY))("%s, shared: %s", (core, shared) => {
  it.for([3, 4])("with %i GiB", async (gib, { skip }) => {
    const engine = await Engine.create({ memory: gib * GIB, core, shared, threads: 1 }).catch(
      (error: unknown) => {
        if (error instanceof UnsupportedError) return null;
        throw error;
      },
    );
    // Not every machine gives out so much address space.
    if (engine === null) return skip(`no ${gib} GiB of address space here`);
    // Runs come from the high end, single pages from the low one: a region over most of it brings them together.
    const region = new UserRegion(engine, (gib - 0.75) * GIB);
    const bytes = Uint8Array.from({ length: 90_000 }, (_, i) => (i * 31) & 0xff);
    const low = engine.alloc(bytes.length, { headroom: 100 }).putData(bytes);
    const frags = engine.alloc(10).append(bytes);
    region.bytes.set(bytes.subarray(0, 5000), region.size - 5000);
    const lent = engine.alloc(10);
    const statuses: string[] = [];
    const ubuf = new Ubuf(engine, ({ status }) => statuses.push(status), { sharing: "refcount" });
    lent.addUserFrag(region, region.size - 5000, 5000, ubuf);
    const twin = lent.clone();
    twin.linearize();
    expect(Buffer.compare(twin.toBytes(), bytes.subarray(0, 5000))).toBe(0);
    expect(Buffer.compare(low.toBytes(), bytes)).toBe(0);
    expect(Buffer.compare(frags.copy().toBytes(), bytes)).toBe(0);
    expect([lent.checksum(), twin.truesize > 5000, statuses]).toEqual([twin.checksum(), true, []]);
    expect(audit(engine).problems).toEqual([]);
    lent.release();
    expect(statuses).toEqual(["copied"]);
    expect(engine.close({ force: true })).toHaveLength(5);
  });
});
