// An option that is misspelt is refused, wherever options are taken, and the one that was meant is named.

import { Engine, type EngineToken, Mesh, Ring, Ubuf } from "skbuff";
import { stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";

/** Calls something with options that the compiler would not let through. */
type Call = (options: never) => unknown;

/** What takes options: its name, one that is misspelt, the one that was meant, and a call of it. */
type Row = readonly [name: string, misspelt: string, meant: string, call: Call];

function rowsOf(engine: Engine, token: EngineToken): Row[] {
  const ring = new Ring(engine);
  const mesh = new Mesh(engine, 1, 1);
  const [sender, receiver] = [mesh.sender(0), mesh.receiver(0)];
  const skb = engine.alloc(10).putZeros(10);
  const rows: Row[] = [];
  const add = (name: string, call: Call, names: Record<string, string>): void => {
    for (const [misspelt, meant] of Object.entries(names)) rows.push([name, misspelt, meant, call]);
  };
  const engines = { memroy: "memory", Core: "core", thread: "threads", ring: "rings", magazin: "magazine" };
  add("Engine.create", (options) => Engine.create(options), { ...engines, onleak: "onLeak" });
  add("Engine.attach", (options) => Engine.attach(token, options), { cores: "core", debugs: "debug" });
  add("alloc", (options) => engine.alloc(10, options), { headRoom: "headroom" });
  add("tryAlloc", (options) => engine.tryAlloc(10, options), { headRoom: "headroom" });
  const burst = { headRoom: "headroom", resue: "reuse" };
  add("allocBurst", (options) => engine.allocBurst([null], 10, undefined, options), burst);
  add("ubuf", (options) => new Ubuf(engine, undefined, options), { desk: "desc", Sharing: "sharing" });
  add("ring", (options) => new Ring(engine, options), { Capacity: "capacity" });
  add("mesh", (options) => new Mesh(engine, 1, 1, options), { capactiy: "capacity", spreed: "spread" });
  add("extract", (options) => skb.extract(0, 1, options), { headRoom: "headroom" });
  for (const [name, from] of Object.entries({ ring, receiver }))
    add(`${name}.dequeueBurst`, (options) => from.dequeueBurst([], undefined, options), { reUse: "reuse" });
  const waits = { timeOut: "timeout", spinn: "spin", completion: "completions" };
  for (const [name, from] of Object.entries({ ring, receiver })) {
    add(`${name}.wait`, (options) => from.wait(options), waits);
    add(`${name}.waitAsync`, (options) => from.waitAsync(options), waits);
  }
  for (const [name, to] of Object.entries({ ring, sender })) {
    add(`${name}.waitWritable`, (options) => to.waitWritable(1, options), waits);
    add(`${name}.waitWritableAsync`, (options) => to.waitWritableAsync(1, options), waits);
  }
  add("engine.wait", (options) => engine.wait(options), { timeOut: "timeout" });
  add("engine.waitAsync", (options) => engine.waitAsync(options), { timeOut: "timeout" });
  add("detach", (options) => engine.detach(options), { Completions: "completions", timeOut: "timeout" });
  add("detachAsync", (options) => engine.detachAsync(options), { timeOut: "timeout" });
  add("close", (options) => engine.close(options), { Force: "force" });
  return rows;
}

/** What calling it says: thrown, or as a rejection. */
async function said(call: Call, options: unknown): Promise<string> {
  try {
    await call(options as never);
    return "nothing";
  } catch (error) {
    return (error as Error).message;
  }
}

forEachEngine((_name, make) => {
  describe("an option", () => {
    it("that is misspelt is refused by whatever takes options, and the one that was meant is named", async () => {
      const engine = await make();
      const token = engine.shared ? engine.share() : undefined;
      const rows = rowsOf(engine, token as EngineToken).filter(
        ([name]) => name !== "Engine.attach" || engine.shared,
      );
      for (const [name, misspelt, meant, call] of rows) {
        const message = `${name}: "options" expected ${meant}, got "${misspelt}"`;
        expect(`${name}: ${await said(call, { [misspelt]: 1 })}`).toBe(message);
        expect(await said(call, 7)).toBe('"options" expected an object, got 7');
        expect(await said(call, [])).toBe('"options" expected an object, got an object of another kind');
      }
      // Nothing was closed, nor is anything left of what was refused.
      expect(engine.closed).toBe(false);
      expect(stats(engine).skbs.used).toBe(1);
      expect(stats(engine).ubufs).toBe(0);
      engine.close({ force: true });
    });

    it("that is like no other is refused with those that there are", async () => {
      const engine = await make();
      expect(await said((options) => new Ring(engine, options), { size: 8 })).toBe(
        '"options" expected capacity, got "size"',
      );
      expect(await said((options) => engine.allocBurst([], 1, undefined, options), { zeroed: true })).toBe(
        '"options" expected headroom or reuse, got "zeroed"',
      );
    });

    it("that is misspelt beside one that is right is refused, too", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      const skb = engine.alloc(10).putZeros(10);
      const wanted = '"options" expected headroom, got "headRoom"';
      // Of options for each packet all names are looked at in one call of 16.
      for (const alloc of [engine.alloc.bind(engine), engine.tryAlloc.bind(engine)]) {
        const seen: string[] = [];
        for (let i = 0; i < 16; i++)
          seen.push(await said((options) => alloc(1, options)?.release(), { headroom: 1, headRoom: 2 }));
        expect(seen.filter((message) => message !== "nothing")).toEqual([wanted]);
      }
      const both = { headroom: 1, headRoom: 2 };
      expect(await said((options) => skb.extract(0, 1, options), both)).toBe(wanted);
      expect(await said((options) => ring.dequeueBurst([], 0, options), { reuse: true, reUse: false })).toBe(
        '"options" expected reuse, got "reUse"',
      );
      engine.close({ force: true });
    });

    it.each([
      ["force", (engine: Engine, options: never) => engine.close(options)],
      ["reuse", (engine: Engine, options: never) => engine.allocBurst([], 1, undefined, options)],
      ["reuse", (engine: Engine, options: never) => new Ring(engine).dequeueBurst([], undefined, options)],
    ])("%s is true or false", async (option, call) => {
      const engine = await make();
      expect(await said((options) => call(engine, options), { [option]: "yes" })).toContain(
        `"${option}" expected true or`,
      );
    });
  });
});
