// Bytes between JS and packets: the same by whichever way they get there, however both ends lie, whatever the length.

import { Engine, type Skb, UnsupportedError } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { amount, some } from "../amount.js";
import { forEachEngine } from "../engines.js";
import { SHARED_MEMORY } from "../environment.js";
import { bytesAt, expectBytes } from "../packets.js";

/** What an engine has of the ways, which is no part of the public interface. */
interface Ways {
  _crossing: { readonly at: number } | null | undefined;
  _bufferCopyLeast: number;
}

function waysOf(engine: Engine): Ways {
  return (engine as unknown as { _heap: Ways })._heap;
}

/** A module that has two memories, and nothing else. */
const TWO_MEMORIES = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 5, 5, 2, 0, 1, 0, 1);
const CAN_CROSS = typeof WebAssembly !== "undefined" && WebAssembly.validate(TWO_MEMORIES);

/** Has bytes cross for the first time where a module's instance is refused, as by a content security policy. */
function refuse(engine: Engine): void {
  const { Instance } = WebAssembly;
  (WebAssembly as { Instance: unknown }).Instance = () => {
    throw new WebAssembly.CompileError("refused");
  };
  try {
    engine.alloc(100).putData(bytesAt(0, 100)).release();
  } finally {
    (WebAssembly as { Instance: unknown }).Instance = Instance;
  }
  expect(waysOf(engine)._crossing?.at).not.toBe(0);
}

function withoutBufferCopy(engine: Engine): void {
  waysOf(engine)._bufferCopyLeast = Number.POSITIVE_INFINITY;
}

/** What the ways can be made to be. The last two where everything is as on other runtimes. */
const WAYS: Record<string, (engine: Engine) => void> = {
  "the quickest way": () => {},
  "without two memories": refuse,
  "without Buffer.copy": withoutBufferCopy,
  "without both": (engine) => {
    refuse(engine);
    withoutBufferCopy(engine);
  },
  "Buffer.copy for everything": (engine) => {
    const ways = waysOf(engine);
    if (ways._bufferCopyLeast < Number.POSITIVE_INFINITY) ways._bufferCopyLeast = 0;
  },
};

/** The ways that an engine's bytes may take: there are others than the plain one only into shared memory, and only Wasm crosses. */
function waysFor(name: string): string[] {
  const all = Object.keys(WAYS);
  if (name === "wasm on shared memory") return all;
  return name.startsWith("js on a Shared") ? all.filter((way) => !way.includes("two")) : all.slice(0, 1);
}

/** Every place within two words, and lengths around each threshold of heap.ts. */
const PLACES = Array.from({ length: 17 }, (_, i) => i);
const LENGTHS = [0, 1, 7, 24, 25, 32, 96, 97, 255, 511, 512, 513, 1500, 2039, 2040, 2041];
const LONG = [4095, 4096, 4097, 8191, 16383, 16384, 16385, 32769, 65536, 100_001];
const FEW_PLACES = [0, 1, 7, 8, 13];
/** Bytes on both sides that nothing may touch. */
const GUARD = 32;

/** A packet of bytes that differ from those in `slab`, and a place for the caller's. */
class Ends {
  readonly #skb: Skb;
  readonly #slab: Uint8Array;

  constructor(engine: Engine, slab: Uint8Array) {
    this.#skb = engine.alloc(slab.length);
    this.#skb.putZeros(slab.length);
    this.#slab = slab;
  }

  /** Copies `n` bytes from a place of the caller's to one of the packet, and others back. */
  check(place: number, other: number, n: number): void {
    const hint = `${n} bytes, ${place} and ${other}`;
    const [skb, slab] = [this.#skb, this.#slab];
    const [from, to] = [GUARD + place, GUARD + other];
    const packet = skb.bytes;

    packet.fill(0xaa, 0, to + n + GUARD);
    const source = slab.subarray(from, from + n);
    source.set(bytesAt(n + place, n));
    skb.storeBits(to, source);
    const wanted = new Uint8Array(to + n + GUARD).fill(0xaa);
    wanted.set(bytesAt(n + place, n), to);
    expectBytes(packet.subarray(0, wanted.length), wanted, `in: ${hint}`);

    slab.fill(0x55, 0, from + n + GUARD);
    skb.copyBits(to, source);
    const got = new Uint8Array(from + n + GUARD).fill(0x55);
    got.set(bytesAt(n + place, n), from);
    expectBytes(slab.subarray(0, got.length), got, `out: ${hint}`);
  }

  release(): void {
    this.#skb.release();
  }
}

const SLAB_BYTES = 120_000;

function slabs(): Record<string, Uint8Array> {
  const plain = { "memory of its own": new Uint8Array(SLAB_BYTES) };
  return SHARED_MEMORY
    ? { ...plain, "memory that others share": new Uint8Array(new SharedArrayBuffer(SLAB_BYTES)) }
    : plain;
}

forEachEngine((name, make) => {
  describe.each(waysFor(name))("%s", (way) => {
    const start = async (): Promise<Engine> => {
      const engine = await make({ memory: 2 ** 22 });
      WAYS[way]?.(engine);
      return engine;
    };

    it("every place and length of the caller's memory, in and out", async () => {
      const engine = await start();
      for (const slab of Object.values(slabs())) {
        const ends = new Ends(engine, slab);
        for (const n of LENGTHS)
          for (const place of PLACES)
            for (const other of some(PLACES, amount(4, 17, 17))) ends.check(place, other, n);
        for (const n of LONG)
          for (const place of FEW_PLACES) for (const other of FEW_PLACES) ends.check(place, other, n);
        ends.release();
      }
      const random = (below: number): number => Math.floor(Math.random() * below);
      const ends = new Ends(engine, new Uint8Array(SLAB_BYTES));
      for (let i = 0; i < amount(100, 500, 5000); i++)
        ends.check(random(17), random(17), random(2 ** random(17)));
      ends.release();
    });

    it("what is put is counted once, byte for byte", async () => {
      const engine = await start();
      for (const n of [...LENGTHS, ...LONG]) {
        const skb = engine.alloc(n);
        const { bytesCopied } = stats(engine);
        skb.putData(bytesAt(3, n + 1).subarray(1));
        expect(stats(engine).bytesCopied - bytesCopied, `${n} bytes`).toBe(n);
        expectBytes(skb.toBytes(), bytesAt(3, n + 1).subarray(1), `${n} bytes`);
        skb.release();
      }
    });

    it("a packet's own bytes, also where both ends overlap", async () => {
      const engine = await start();
      for (const n of [100, 512, 513, 1500, 5000, 20_000, 70_000]) {
        for (const shift of [1, 3, 8, 40]) {
          const bytes = bytesAt(shift, n + shift);
          for (const up of [true, false]) {
            const skb = engine.alloc(n + shift).putData(bytes);
            const wanted = bytes.slice();
            wanted.copyWithin(up ? shift : 0, up ? 0 : shift, up ? n : n + shift);
            const own = skb.bytes;
            if (up) skb.storeBits(shift, own.subarray(0, n));
            else skb.storeBits(0, own.subarray(shift));
            expectBytes(skb.toBytes(), wanted, `${n} bytes by ${shift}, up: ${up}`);
            skb.release();
          }
        }
      }
    });

    it("what a subclass says of itself changes nothing, and its methods are not called", async () => {
      const engine = await start();
      const called: string[] = [];
      class Liar extends Uint8Array {
        override set(): void {
          called.push("set");
        }
      }
      for (const n of [25, 100, 1500, 4097, 20_000]) {
        const memory = new Uint8Array(n + 20).fill(1);
        const lies = (): Uint8Array =>
          Object.defineProperties(new Liar(memory.buffer, 5, n), {
            length: { get: () => called.push("length") + 2 ** 20 },
            byteLength: { get: () => called.push("byteLength") + 2 ** 20 },
            byteOffset: { get: () => called.push("byteOffset") },
            buffer: { get: () => called.push("buffer") },
          });
        memory.set(bytesAt(n, n), 5);
        const skb = engine.alloc(n + 1).putData(lies());
        expectBytes(skb.toBytes(), bytesAt(n, n), `in: ${n} bytes`);
        memory.fill(1);
        skb.copyBits(0, lies());
        const wanted = new Uint8Array(n + 20).fill(1);
        wanted.set(bytesAt(n, n), 5);
        expectBytes(memory, wanted, `out: ${n} bytes`);
        skb.release();
      }
      expect(called).toEqual([]);
    });

    it("memory that has gone to another thread has no bytes", async () => {
      const engine = await start();
      for (const n of [100, 5000]) {
        const memory = bytesAt(0, n);
        const skb = engine.alloc(n);
        structuredClone(memory.buffer, { transfer: [memory.buffer as ArrayBuffer] });
        expect(skb.putData(memory).length).toBe(0);
        skb.putData(bytesAt(0, n)).copyBits(0, memory);
        skb.release();
      }
    });
  });

  it("two memories are used on shared memory with Wasm, wherever there can be two", async () => {
    const engine = await make();
    engine.alloc(100).putData(bytesAt(0, 100)).release();
    const crossing = waysOf(engine)._crossing;
    if (!name.startsWith("wasm") || name.includes("unshared")) expect(crossing).toBe(null);
    else if (CAN_CROSS) expect(crossing?.at).toBe(0);
    else expect(crossing?.at).toBeGreaterThan(0);
  });
});

describe.runIf(SHARED_MEMORY)("4 GiB, the high end of them", () => {
  it.for(Object.keys(WAYS))("%s", async (way, { skip }) => {
    const engine = await Engine.create({ memory: 2 ** 32, core: "wasm", shared: true, threads: 1 }).catch(
      (error: unknown) => {
        if (error instanceof UnsupportedError) return null;
        throw error;
      },
    );
    // Not every machine gives out so much address space.
    if (engine === null) return skip("no 4 GiB of address space here");
    WAYS[way]?.(engine);
    // Runs come from the high end, so the end of this one is at the end of the arena.
    const ends = new Ends(engine, new Uint8Array(SLAB_BYTES));
    const skb = engine.alloc(8000).putData(bytesAt(0, 8000));
    expect(skb.bytes.byteOffset).toBeGreaterThan(2 ** 31);
    for (const n of [97, 1500, 4096, 4097, 20_000, 100_001])
      for (const place of [0, 3, 8]) for (const other of [0, 5]) ends.check(place, other, n);
    ends.release();
    skb.release();
    expect(audit(engine).problems).toEqual([]);
    engine.close();
  });
});
