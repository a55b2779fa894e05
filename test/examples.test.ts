// The examples in the docstrings. Each is run, and a line `expression; // → value` gives that value; and no method of
// a public class is without one.

import assert from "node:assert/strict";
import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import {
  Burst,
  DropReason,
  Engine,
  Mesh,
  Receiver,
  Ring,
  Sender,
  Skb,
  SkbQueue,
  Ubuf,
  UserRegion,
} from "skbuff";
import { audit, debug, dump, PageKind, PageOwner, pageMap, stats } from "skbuff/inspect";
import * as node from "skbuff/node";
import * as pipelines from "skbuff/pipeline";
import * as web from "skbuff/web";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { asserting } from "./asserting.js";
import { DISPOSE, prototypesOf, TELLS } from "./members.js";
import { pcapHeader, pcapRecord } from "./node/made.js";
import { Peer } from "./node/peer.js";
import { EchoServer } from "./web/echo-server.js";

// What the library calls it where Node has no name for it yet.
if (Symbol.dispose === undefined) Object.defineProperty(Symbol, "dispose", { value: DISPOSE });

interface Example {
  /** `Skb.pull`, or `Skb` for the class's own. */
  readonly member: string;
  readonly file: string;
  readonly code: string;
}

const SOURCES = new URL("../src/", import.meta.url);
const COMMENT = /^( *)\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n(.*)/gm;
const TOP = /^export (?:abstract )?(class|const|function|interface|type) (\w+)/;
const MEMBER =
  /^ +(?:(?:private|protected|abstract|override|static|async|readonly|get|set) +(?=[\w*[]))*\*?(\[[\w.]+\]|\w+)/;

/** The example blocks of a source file: from `@example` to the next tag or the end of the comment. */
function examplesOf(file: string, source: string): Example[] {
  const found: Example[] = [];
  let owner = "";
  for (const [, indent = "", comment = "", declaration = ""] of source.matchAll(COMMENT)) {
    // What src/skb has are parts of one class.
    if (indent === "") owner = file.startsWith("skb/") ? "Skb" : (TOP.exec(declaration)?.[2] ?? "");
    const name = indent === "" ? undefined : MEMBER.exec(declaration)?.[1];
    const member = name === undefined ? owner : `${owner}.${name}`;
    const text = comment.replace(/^ *\* ?/gm, "");
    for (const [, code = ""] of text.matchAll(/^@example\n([\s\S]*?)(?=^@\w|(?![\s\S]))/gm))
      found.push({ member, file: `src/${file}`, code: code.trim() });
  }
  return found;
}

const examples = ["", "inspect/", "io/", "node/", "pipeline/", "skb/", "web/"]
  .flatMap((path) => readdirSync(new URL(path, SOURCES)).map((file) => path + file))
  .filter((file) => file.endsWith(".ts"))
  .flatMap((file) => examplesOf(file, readFileSync(new URL(file, SOURCES), "utf8")));

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (
  ...parameters: string[]
) => (...values: unknown[]) => Promise<void>;

/** What examples of skbuff/node and skbuff/web connect to and write to. */
const peer = new Peer();
const echo = new EchoServer();
const folder = mkdtempSync(join(tmpdir(), "skbuff-"));
beforeAll(async () => {
  await peer.open();
  await echo.open();
});
afterAll(async () => {
  await peer.close();
  await echo.close();
  rmSync(folder, { recursive: true });
});

/** Three Ethernet packets of 60 bytes, a microsecond apart. */
const capture = join(folder, "capture.pcap");
const records = [1, 2, 3].map((n) => pcapRecord(new Uint8Array(60), { seconds: 1_700_000_000, fraction: n }));
writeFileSync(capture, Buffer.concat([pcapHeader(), ...records]));

interface Closable {
  close?(): unknown;
  release?(): void;
}

/** What skbuff/node and skbuff/web export, and everything that an example makes of it goes to `made`. */
function recording(made: Closable[]): Record<string, unknown> {
  const keep = (object: Closable): Closable => {
    made.push(object);
    return object;
  };
  const recorded = (type: object): object =>
    new Proxy(type as new () => Closable, {
      construct: (target, values) => keep(Reflect.construct(target, values)),
      get(target, key) {
        const value = Reflect.get(target, key);
        if (typeof value !== "function") return value;
        return (...values: unknown[]) => {
          const object = value.apply(target, values);
          return object instanceof Promise ? object.then(keep) : keep(object);
        };
      },
    });
  return Object.fromEntries(
    Object.entries({ ...node, ...web, ...pipelines }).map(([name, value]) => [
      name,
      /^[A-Z]/.test(name) ? recorded(value) : value,
    ]),
  );
}

async function run(code: string): Promise<void> {
  const made: Closable[] = [];
  const engine = await Engine.create({ memory: 1024 * 1024, threads: 2, core: "wasm" });
  const payload = Uint8Array.from({ length: 100 }, (_, i) => i);
  const scope = {
    assert,
    console: { log() {}, warn() {}, error() {} },
    engine,
    Burst,
    Engine,
    Mesh,
    Ring,
    SkbQueue,
    Ubuf,
    UserRegion,
    DropReason,
    audit,
    debug,
    PageKind,
    pageMap,
    PageOwner,
    stats,
    dump,
    capture,
    fresh: join(folder, "fresh.pcapng"),
    payload,
    skb: engine.alloc(1500, { headroom: 64 }).putData(payload),
    other: engine.alloc(1500, { headroom: 64 }).putData(payload),
    region: new UserRegion(engine, 4096),
    ubuf: new Ubuf(engine),
    ...recording(made),
    ...{ connect, createReadStream, createWriteStream, PassThrough, readFileSync, sleep },
    port: peer.port,
    WebSocket,
    url: echo.url,
    path: join(folder, "file"),
    file: join(folder, "tap.pcapng"),
  };
  scope.region.bytes.set(payload);
  try {
    // In a block, so that an example can declare a name that is in scope.
    await new AsyncFunction(...Object.keys(scope), `"use strict"; {\n${asserting(code)}\n}`)(
      ...Object.values(scope),
    );
    if (!engine.closed) expect(audit(engine).problems).toEqual([]);
  } finally {
    for (const object of made.reverse()) {
      // An example may have shown how closing fails.
      await Promise.resolve(object.close?.()).catch(() => {});
      object.release?.();
    }
    engine.close({ force: true });
  }
}

/** The methods of a class, in the way the examples are named. What starts with _ is not public. */
function methodsOf(type: { name: string; prototype: object }): string[] {
  const methods: string[] = [];
  for (const object of [type, ...prototypesOf(type)]) {
    for (const key of Reflect.ownKeys(object)) {
      if (TELLS.includes(key)) continue;
      const description = String((key as symbol).description).replace("nodejs.", "Symbol.");
      const symbol = key === DISPOSE ? "[Symbol.dispose]" : `[${description}]`;
      const name = typeof key === "symbol" ? symbol : key;
      if (name.startsWith("_") || name === "constructor") continue;
      const { value } = Object.getOwnPropertyDescriptor(object, key) as PropertyDescriptor;
      if (typeof value === "function") methods.push(name);
    }
  }
  return methods;
}

describe("the example of", () => {
  it.each(examples)("$member in $file", ({ code }) => run(code));
});

describe("each method has an example, of", () => {
  const classes = { Burst, Engine, Mesh, Receiver, Ring, Sender, Skb, SkbQueue, Ubuf, UserRegion };
  const { CaptureReader, CaptureWriter, Inbox, Outbox, StreamReceiver, StreamSender, Tap } = node;
  const { StreamInbox, UdpReceiver, UdpSender, UdpSocket } = node;
  const { WebSocketReceiver, WebSocketSender, WebStreamReceiver, WebStreamSender } = web;
  const files = { CaptureReader, CaptureWriter, Tap };
  const sockets = {
    ...{ Inbox, Outbox, StreamInbox, StreamReceiver, StreamSender },
    ...{ UdpReceiver, UdpSender, UdpSocket },
  };
  const webs = { WebSocketReceiver, WebSocketSender, WebStreamReceiver, WebStreamSender };
  const { Pipeline } = pipelines;
  it.each(Object.entries({ ...classes, ...files, ...sockets, ...webs, Pipeline }))("%s", (name, type) => {
    const shown = new Set(examples.map(({ member }) => member));
    const methods = methodsOf(type);
    expect([name, ...methods.map((method) => `${name}.${method}`)].filter((m) => !shown.has(m))).toEqual([]);
  });
});

describe("what checks the examples", () => {
  it("sees a wrong result, a result of no expression, and what throws", async () => {
    await run("skb.length; // → 100");
    await expect(run("skb.length; // → 101")).rejects.toThrow(assert.AssertionError);
    await expect(run("const n = skb.length; // → 100")).rejects.toThrow(SyntaxError);
    await expect(run("skb.length // → 100")).rejects.toThrow("not an expression");
    await expect(run("skb.pull(101);")).rejects.toMatchObject({ code: "ERR_SKB_ROOM" });
  });

  it("finds each example by its member", () => {
    const top = "/**\n * @example\n * a();\n * @throws B\n */\nexport class A {\n";
    const member = "  /**\n   * @example\n   * b();\n   */\n  static async *c() {}\n}\n";
    expect(examplesOf("a.ts", top + member)).toEqual([
      { member: "A", file: "src/a.ts", code: "a();" },
      { member: "A.c", file: "src/a.ts", code: "b();" },
    ]);
  });
});
