// The core's assertions: each fires when what it trusts its caller with is not so, and the product has none of them.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Script } from "node:vm";
import { inflateSync } from "node:zlib";
import { build } from "esbuild";
import { Engine } from "skbuff";
import { beforeAll, describe, expect, it } from "vitest";
import * as layout from "../assembly/layout.js";
import { deflated } from "../build/wasm.js";
import { inside } from "./engines.js";

type Call = (...args: number[]) => number;
/** A module of the core, as its functions and variables are. */
type Module = Record<string, Call> & { readonly [variable: string]: unknown };

const MODULES =
  "arena burst fields head magazine memory page pool rehead resize ring scatter shinfo skb thread ubuf wake walk zerocopy";
const BASE = layout.PAGE_BYTES;
const PAGES = 128;

const source = (file: string): Promise<string> => readFile(join("assembly", file), "utf8");

async function sources(): Promise<{ file: string; text: string }[]> {
  const files = (await readdir("assembly")).filter(
    (file) => file.endsWith(".ts") && file !== "portable.d.ts",
  );
  return Promise.all(files.map(async (file) => ({ file, text: await source(file) })));
}

/** What assertions say. */
function messagesIn(text: string): string[] {
  const all = [...text.matchAll(/^\s+if \(DEBUG\)\s+assert\([^;]*?"([^"]+)",?\s*\);$/gm)];
  return all.map(([, message]) => message as string);
}

/** All modules of the core for JS, with assertions, as one thread has them. */
async function instance(): Promise<Record<string, Module>> {
  const names = MODULES.split(" ");
  const { outputFiles } = await build({
    stdin: {
      contents: names.map((name) => `export * as ${name} from "./${name}";`).join("\n"),
      resolveDir: "assembly",
      loader: "ts",
    },
    bundle: true,
    write: false,
    format: "iife",
    globalName: "core",
    define: { DEBUG: "true" },
    plugins: [
      {
        name: "memory",
        setup(bundle) {
          bundle.onResolve({ filter: /^\.\/memory$/ }, () => ({
            path: join(process.cwd(), "assembly/memory.host.ts"),
          }));
        },
      },
    ],
  });
  const assert = "function assert(so, message) { if (!so) throw new Error(message); }";
  const text = outputFiles[0]?.text;
  return new Script(`(() => { ${assert} ${text} return core; })()`).runInThisContext() as Record<
    string,
    Module
  >;
}

const { CLASS_PAGE, KIND_FRAG, LINK_PAGE, OK } = layout;

/** The modules on a fresh arena, and what cases need of it. */
class Fresh {
  readonly skb: number;
  readonly handle: number;
  readonly shinfo: number;
  readonly page: number;
  readonly ring: number;

  constructor(readonly core: Record<string, Module>) {
    this.module("memory").bind?.(new ArrayBuffer(BASE + PAGES * layout.PAGE_BYTES) as never);
    const { arena, thread, skb, fields, page, ring } = core as Record<string, Module>;
    expect(arena?.format?.(BASE, PAGES, 128, 128, 2, 2, 4)).toBe(OK);
    expect(arena?.attach?.(BASE)).toBe(OK);
    expect(thread?.claimThread?.()).toBe(OK);
    this.handle = skb?.alloc?.(100, 0) as number;
    this.skb = fields?.skbAddress?.(this.handle) as number;
    this.shinfo = this.word(this.skb + layout.SKB_END);
    this.page = page?.takePage?.(KIND_FRAG) as number;
    this.ring = ring?.createRing?.(8) as number;
  }

  module(name: string): Module {
    return this.core[name] as Module;
  }

  call(name: string, ...args: number[]): number {
    const [file, method] = name.split(".") as [string, string];
    return (this.module(file)[method] as Call)(...args);
  }

  word(address: number): number {
    return this.call("memory.load32", address);
  }

  set(address: number, value: number): void {
    this.call("memory.store32", address, value);
  }

  variable(name: string): number {
    const [file, variable] = name.split(".") as [string, string];
    return this.module(file)[variable] as unknown as number;
  }

  /** Where the magazine of a class is. */
  magazine(kind: number): number {
    return this.variable("arena.thread") + layout.THREAD_MAGAZINES + (kind << layout.MAGAZINE_SHIFT);
  }
}

/** What breaks each trust: the message, and calls of which one fires it. */
const CASES: readonly [message: string, ...breaks: ((it: Fresh) => unknown)[]][] = [
  ["the arena begins at a page", (it) => it.call("arena.format", BASE + 4, 64, 128, 128, 1, 1, 0)],
  ["handles are masked", (it) => it.call("arena.format", BASE, 64, 100, 128, 1, 1, 0)],
  ["two batches fit a magazine", (it) => it.call("arena.format", BASE, 64, 128, 128, 1, 1, 256)],
  ["the memory is zero", (it) => it.call("arena.format", BASE, 64, 128, 128, 1, 1, 0)],
  [
    "the address is a ring's",
    (it) => it.call("burst.roomFor", it.ring + 4, 0, 1),
    (it) => it.call("burst.dequeueBurst", it.ring + 4, it.call("thread.scratch"), 1),
    ...[
      "ringIndex",
      "ringGeneration",
      "leaveRing",
      "takeProducer",
      "takeConsumer",
      "ringProducer",
      "ringConsumer",
    ].map((name) => (it: Fresh) => it.call(`ring.${name}`, it.ring + 2 * (1 << layout.RING_SHIFT), 0)),
    ...["ringCapacity", "closeRing", "ringState", "isReady", "askRing"].map(
      (name) => (it: Fresh) => it.call(`ring.${name}`, 0, 0),
    ),
  ],
  ["an object refers to it", (it) => it.call("ring.leaveRing", it.ring + (1 << layout.RING_SHIFT), 0)],
  [
    "a target is a ring",
    (it) => it.call("scatter.setTarget", layout.TARGETS_MOST, it.ring),
    (it) => it.call("scatter.setTarget", 0, 1),
  ],
  [
    "a ring holds handles of packets that live",
    (it) => {
      it.set(it.call("thread.scratch"), it.handle);
      expect(it.call("burst.enqueueBurst", it.ring, it.call("thread.scratch"), 1)).toBe(1);
      it.set(it.word(it.ring + layout.RING_SLOTS), it.handle ^ 128);
      it.call("burst.dequeueBurst", it.ring, it.call("thread.scratch"), 1);
    },
  ],
  [
    "the handles lie in the scratch or in pages",
    (it) => it.call("skb.allocBurst", 4, 1, 100, 0),
    (it) => it.call("skb.releaseBurst", it.call("thread.scratch") - 4, 1),
    (it) => it.call("burst.enqueueBurst", it.ring, it.call("thread.scratch") + layout.STAGING, 1),
    (it) => it.call("burst.dequeueBurst", it.ring, 0, 1),
  ],
  [
    "the offset is a field's",
    (it) => it.call("fields.field", it.handle, layout.SKB_BYTES),
    (it) => it.call("fields.field16", it.handle, layout.SKB_QUEUE + 1),
    (it) => it.call("fields.infoField", it.handle, layout.SHINFO_FRAGS),
  ],
  ["the offset is a user's field's", (it) => it.call("fields.setField", it.handle, layout.SKB_DATA, 1)],
  ["the offset is a short field's", (it) => it.call("fields.setField16", it.handle, layout.SKB_MARK, 1)],
  [
    "the offset is a GSO field's",
    (it) => it.call("fields.setInfoField", it.handle, layout.SHINFO_DATAREF, 1),
  ],
  ["the offset is a header's", (it) => it.call("fields.setHeader", it.handle, layout.SKB_MARK, 1)],
  ["the size is one of headBytesFor", (it) => it.call("head.takeHead", 600)],
  ["a head lies in pages", (it) => it.call("head.giveHead", it.skb, 512)],
  [
    "the size is that of allocation",
    (it) => it.call("head.giveHead", it.word(it.skb + layout.SKB_HEAD), 600),
  ],
  [
    "the head is a slab's",
    (it) => {
      it.call("magazine.give", 1, layout.SHINFO_FRAG_LIST, it.call("page.pageAddress", it.page));
      it.call("head.drainHeads");
    },
  ],
  ["a thread has a magazine of each class", (it) => it.call("magazine.held", layout.CLASSES)],
  ["something is held", (it) => it.call("magazine.takeHeld", 4)],
  [
    "the magazine has room",
    ...["giveHeld", "giveMany"].map((name) => (it: Fresh) => {
      it.set(it.magazine(4), it.variable("arena.magazineMost"));
      it.call(`magazine.${name}`, 4, 1);
    }),
  ],
  ["as many are held", (it) => it.call("magazine.takeMany", 4, 1)],
  ["there is such a page", (it) => it.call("page.entryAt", PAGES)],
  ["the address is in a page", (it) => it.call("page.entryOf", it.skb)],
  [
    "the address is an entry's",
    (it) => it.call("page.pageAddress", it.page + 4),
    (it) => it.call("page.getPage", it.skb),
  ],
  [
    "nobody uses the pages",
    (it) => {
      it.call("magazine.give", CLASS_PAGE, LINK_PAGE, it.page);
      it.call("page.takePage", KIND_FRAG);
    },
  ],
  [
    "there is a reference that stays",
    (it) => it.call("page.getPage", it.page + (1 << layout.PAGE_ENTRY_SHIFT) * 9),
  ],
  [
    "the run is in use",
    (it) => {
      it.call("page.putPage", it.page);
      it.call("page.putPage", it.page);
    },
  ],
  [
    "the page is in use",
    (it) => {
      it.call("page.freeToBitmap", it.page);
      it.call("page.freeToBitmap", it.page);
    },
  ],
  [
    "the address is an skb's",
    (it) => it.call("shinfo.shinfoOf", it.handle),
    (it) => it.call("pool.retire", it.skb + 64),
  ],
  [
    "the address is a ubuf's",
    ...["ubuf.getUbuf", "ubuf.putUbuf", "pool.freeUbufSlot"].map(
      (name) => (it: Fresh) => it.call(name, it.skb, 0),
    ),
  ],
  [
    "a head carries it, and stays",
    (it) => it.call("ubuf.getUbuf", it.call("ubuf.ubufOf", it.call("ubuf.createUbuf", 1, 0))),
  ],
  ["the handle names a ubuf", (it) => it.call("ubuf.ubufDesc", 77)],
  ["there are members to allocate for", (it) => it.call("rehead.allocForList", it.shinfo, 0)],
  ["as many bytes are behind the head", (it) => it.call("shinfo.dropData", it.skb, 1)],
  ["a packet has no more", (it) => it.call("shinfo.addData", it.skb, 2 ** 31)],
  [
    "the address is a shared info's",
    ...["getData", "putData", "fragCount", "fragList"].map(
      (name) => (it: Fresh) => it.call(`shinfo.${name}`, it.skb, 1),
    ),
  ],
  [
    "an skb has the data",
    (it) => {
      it.set(it.shinfo, 0);
      it.call("shinfo.getData", it.shinfo, 1);
    },
  ],
  [
    "there is such an entry",
    ...["fragAddress", "fragSize", "setFrag"].map(
      (name) => (it: Fresh) => it.call(`shinfo.${name}`, it.shinfo, layout.MAX_FRAGS, 0, 0),
    ),
  ],
  [
    "there is room for a frag",
    (it) => {
      it.set(it.shinfo + layout.SHINFO_FRAG_COUNT, layout.MAX_FRAGS);
      it.call("shinfo.pushFrag", it.shinfo, it.call("page.pageAddress", it.page), 1);
    },
  ],
  ["a frag lies in pages", (it) => it.call("shinfo.pushFrag", it.shinfo, it.skb, 1)],
  [
    "there is room for the frags",
    (it) => {
      it.set(it.shinfo + layout.SHINFO_FRAG_COUNT, 9);
      it.call("shinfo.copyFrags", it.shinfo, it.shinfo, 0);
    },
  ],
  ["there are as many", (it) => it.call("shinfo.removeFrags", it.shinfo, 1)],
  ["members are skbs", (it) => it.call("shinfo.pushList", it.shinfo, it.skb, it.handle)],
  ["nothing is in the block", (it) => it.call("thread.freeThread", 0)],
  [
    "a thread has a scratch",
    (it) => {
      it.call("magazine.flushMagazines");
      it.call("thread.freeThread", 0);
      it.call("thread.scratch");
    },
  ],
  [
    "a thread counts",
    (it) => {
      it.call("magazine.flushMagazines");
      it.call("thread.freeThread", 0);
      it.call("thread.count", 0, 1);
    },
  ],
  ["there is such a thread", (it) => it.call("wake.wakeThread", 0), (it) => it.call("wake.wakeThread", 3)],
  ["the packet has the bytes", (it) => it.call("walk.walk", it.skb, 0, 1)],
  [
    "they go elsewhere",
    (it) => {
      it.call("skb.put", it.handle, 20);
      it.call("walk.copyOut", it.skb, 0, 10, it.word(it.skb + layout.SKB_DATA) + 5);
    },
  ],
  [
    "the bytes may be written",
    (it) => {
      it.call("skb.put", it.handle, 20);
      it.call("shinfo.markShares", it.skb);
      it.call("shinfo.getData", it.shinfo, 1);
      it.call("walk.copyIn", it.skb, 0, 10, it.call("thread.scratch"));
    },
  ],
  [
    "the address is a region's",
    ...["releaseRegion", "regionFrags"].map(
      (name) => (it: Fresh) => it.call(`zerocopy.${name}`, it.call("page.pageAddress", it.page)),
    ),
    (it) =>
      it.call(
        "zerocopy.addUserFrag",
        it.handle,
        it.call("page.pageAddress", it.page),
        0,
        1,
        it.call("ubuf.createUbuf", 1, 0),
      ),
  ],
  [
    "the address is in the arena",
    (it) => it.word(0),
    (it) => it.word(BASE + 2),
    (it) => it.call("memory.load8", 2 ** 30),
    (it) => it.call("memory.copy", BASE, 0, 1),
  ],
];

describe("with assertions", () => {
  let core: Record<string, Module>;
  beforeAll(async () => {
    core = await instance();
  });

  for (const [message, ...breaks] of CASES) {
    for (const [i, broken] of breaks.entries()) {
      it(`fires: ${message} (${i + 1})`, () => {
        const fresh = new Fresh(core);
        expect(() => broken(fresh)).toThrow(message);
      });
    }
  }
});

it("each assertion is among these", async () => {
  const all = (await sources()).flatMap(({ text }) => messagesIn(text));
  expect(all.length).toBeGreaterThan(80);
  expect(new Set(all)).toEqual(new Set(CASES.map(([message]) => message)));
});

it("whatever trusts says in code what", async () => {
  let functions = 0;
  for (const { file, text } of await sources()) {
    // A comment that says so, and the function behind it.
    const documented = /\/\*\*((?:(?!\*\/).)*)\*\/\n(?:export )?function (\w+)(.*?)^\}/gms;
    for (const [, comment, name, body] of text.matchAll(documented)) {
      if (!/\btrusts\b/i.test(comment as string)) continue;
      functions += 1;
      expect(`${file}: ${name} ${/if \(DEBUG\)\s+assert\(/.test(body as string)}`).toBe(
        `${file}: ${name} true`,
      );
    }
  }
  expect(functions).toBeGreaterThan(30);
});

it("the tests' core for JS has them", async () => {
  const engine = await Engine.create({ memory: 1024 * 1024, threads: 1, core: "js" });
  const { _core: js } = engine as unknown as { _core: { ringState(ring: number): number } };
  expect(inside(engine)).toBe(js);
  expect(() => js.ringState(1)).toThrow("the address is a ring's");
  engine.close();
});

it("the product has none", async () => {
  const messages = CASES.map(([message]) => message);
  const wasm = inflateSync(Buffer.from(deflated, "base64"));
  const exported = (bytes: Uint8Array<ArrayBuffer>): number =>
    WebAssembly.Module.exports(new WebAssembly.Module(bytes)).length;
  // It is the core, but for the names of what it exports.
  expect(exported(wasm)).toBe(exported(new Uint8Array(await readFile("build/core.wasm"))));
  const files = (await readdir("dist", { recursive: true })).filter((file) => file.endsWith(".js"));
  expect(files.length).toBeGreaterThan(4);
  const texts = await Promise.all(files.map((file) => readFile(join("dist", file), "utf8")));
  // Somewhere in there is the core for JS.
  expect(texts.join("\n")).toContain("flushMagazines");
  for (const text of [wasm.toString("latin1"), wasm.toString("utf16le"), ...texts])
    for (const message of messages) expect(text.includes(message) ? message : "").toBe("");
});
