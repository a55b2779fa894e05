// What debug tells, as far as only Node can show it: garbage collected when we want, and files of any name.

import v8 from "node:v8";
import vm from "node:vm";
import { build } from "esbuild";
import { Engine, type Leak, type Skb, type StaleSkbError } from "skbuff";
import { audit, debug } from "skbuff/inspect";
import { describe, expect, it, vi } from "vitest";
import { forEachEngine } from "./engines.js";
import { caught } from "./packets.js";

const SMALL = { memory: 256 * 1024, threads: 1 };
const HERE = /debug\.test\.ts/;

forEachEngine((_name, make) => {
  describe("debug", () => {
    it("reports no packet of which close() has told", async () => {
      const leaks: Leak[] = [];
      const onLeak = (leak: Leak): void => void leaks.push(leak);
      const [engine, other] = [await make({ debug, onLeak }), await make({ debug, onLeak })];
      const told = ((): readonly string[] => {
        engine.alloc(1);
        return engine.close({ force: true });
      })();
      expect(told.length).toBe(1);
      const { handle } = other.alloc(1);
      await collect(() => leaks.length > 0);
      expect(leaks.map((leak) => leak.handle)).toEqual([handle]);
    });

    it("takes no caller for the library, whatever the caller's files are called", async () => {
      const engine = await make({ debug });
      for (const filename of ["/app/src/index.js", "/app/dist/engine.js", "/app/src/queue.ts"]) {
        const allocate = vm.runInThisContext("(engine) => engine.alloc(1)", { filename }) as (
          engine: Engine,
        ) => Skb;
        const skb = allocate(engine);
        skb.release();
        const { allocatedAt } = caught(() => skb.length) as StaleSkbError;
        expect(allocatedAt?.split("\n")[0], filename).toContain(filename);
      }
    });

    it("keeps one record of an object that bursts use again and again, of its present life", async () => {
      const register = vi.spyOn(FinalizationRegistry.prototype, "register");
      try {
        const leaks: Leak[] = [];
        const engine = await make({ debug, onLeak: (leak) => leaks.push(leak) });
        const handle = ((): number => {
          const burst = new Array<Skb>(10);
          for (let i = 0; i < 50; i++) {
            engine.allocBurst(burst, 8, burst.length, { reuse: true });
            engine.releaseBurst(burst);
          }
          const records = register.mock.calls.length;
          // It would keep the objects.
          register.mockClear();
          expect(records).toBe(10);
          const [first] = burst as [Skb];
          expect(caught(() => first.length)).toMatchObject({ releasedAt: expect.stringMatching(HERE) });
          engine.allocBurst(burst, 8, 1, { reuse: true });
          return first.handle;
        })();
        await collect(() => leaks.length > 0);
        expect(leaks).toEqual([{ handle, allocatedAt: expect.stringMatching(HERE) }]);
      } finally {
        register.mockRestore();
      }
    });

    it("reports a packet that was garbage-collected, and not one that was released", async () => {
      const leaks: Leak[] = [];
      const engine = await make({ debug, onLeak: (leak) => leaks.push(leak) });
      const handle = ((): number => {
        engine.alloc(1).release();
        const moved = engine.alloc(1);
        engine.releaseBurst([moved]);
        return engine.alloc(7).handle;
      })();
      await collect(() => leaks.length > 0);
      expect(leaks).toEqual([{ handle, allocatedAt: expect.stringMatching(HERE) }]);
      // A reporter only: the packet is still out.
      expect(audit(engine).packets.map((packet) => packet.handle)).toEqual([handle]);
    });
  });
});

it("says where a packet was made also in a bundle that is a classic script", async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { Engine } from "skbuff";
        import { debug } from "skbuff/inspect";
        export async function made() {
          const engine = await Engine.create({ memory: 262144, threads: 1, debug });
          engine.alloc(1);
          return engine.close({ force: true }).join();
        }`,
      resolveDir: process.cwd(),
    },
    bundle: true,
    write: false,
    format: "iife",
    globalName: "bundled",
    logLevel: "error",
  });
  const text = (outputFiles[0] as { text: string }).text;
  const { made } = vm.runInThisContext(`${text}\nbundled;`, { filename: "classic.js" }) as {
    made(): Promise<string>;
  };
  expect(await made()).toContain("classic.js");
});

it("prints a warning of a leak when nobody listens", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  try {
    const engine = await Engine.create({ ...SMALL, debug });
    engine.alloc(1);
    await collect(() => warn.mock.calls.length > 0);
    expect(String(warn.mock.calls[0])).toContain("garbage-collected unreleased");
    engine.close({ force: true });
  } finally {
    warn.mockRestore();
  }
});

/** Collects garbage until `done`: when the finalizers run is the environment's matter. */
async function collect(done: () => boolean): Promise<void> {
  v8.setFlagsFromString("--expose-gc");
  const gc = vm.runInNewContext("gc") as () => void;
  for (let i = 0; i < 200 && !done(); i++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(done()).toBe(true);
}
