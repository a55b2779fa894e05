// What others say of the package: the two linters of packages, and both compilers of TypeScript, with every check on.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { publint } from "publint";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { some } from "../amount.js";
import { installed, type Project, root, run } from "./installed.js";

const require = createRequire(import.meta.url);
const modules = join(root, "node_modules");
const nodeTypes = dirname(dirname(require.resolve("@types/node/package.json")));

let project: Project;

beforeAll(() => {
  project = installed();
});

afterAll(() => project?.remove());

it("publint finds nothing to say", async () => {
  const { buffer } = new Uint8Array(readFileSync(project.tarball));
  const { messages } = await publint({ pack: { tarball: buffer }, level: "suggestion", strict: true });
  expect(messages).toEqual([]);
});

it("attw: the types are those of the files, wherever modules are found as they are today", () => {
  const attw = join(modules, "@arethetypeswrong/cli/dist/index.js");
  // It exits with an error if it finds a problem.
  const said = run(
    process.execPath,
    [attw, "--profile", "esm-only", "--format", "ascii", project.tarball],
    root,
  );
  for (const entry of ENTRIES) expect(said).toContain(`"${entry}"`);
});

/**
 * What the entries are used for here, and what types it needs beside the language's own. All have an AbortSignal, which the
 * DOM's types have, and Node's.
 */
const USES = [
  {
    entries: ["skbuff", "skbuff/js"],
    lib: ["es2022"],
    types: [],
    program: `import { Engine, type EngineToken, Ring, SkbuffError, Ubuf, type Completion } from "skbuff";
import "skbuff/js";
export async function use(token?: EngineToken): Promise<number> {
  const engine = token ? await Engine.attach(token) : await Engine.create({ core: "auto" });
  using skb = engine.alloc(64, { headroom: 16 });
  new Ubuf(engine, ({ desc, status }: Completion) => void [desc, status]);
  const token2: EngineToken = engine.share();
  const bytes: Uint8Array = skb.putData(Uint8Array.of(1)).toBytes();
  for await (const packet of new Ring(engine)) packet.release();
  // @ts-expect-error: no number
  engine.alloc("64");
  // @ts-expect-error: inside
  skb._handle;
  return bytes.length + (token2 instanceof SkbuffError ? 1 : 0);
}
`,
  },
  {
    entries: ["skbuff/attach"],
    lib: ["es2022"],
    types: [],
    program: `import { Engine, type EngineToken, Ring, type RingToken } from "skbuff/attach";
import type { Engine as Whole } from "skbuff";
export async function use(token: EngineToken, ring: RingToken): Promise<Whole> {
  const engine = await Engine.attach(token);
  for await (const packet of Ring.attach(engine, ring)) packet.release();
  return engine;
}
`,
  },
  {
    entries: ["skbuff/inspect"],
    lib: ["es2022"],
    types: [],
    program: `import { Engine, type Leak } from "skbuff";
import { type AuditReport, audit, debug, PageKind, type PageMap, pageMap, type Stats, stats } from "skbuff/inspect";
export async function use(): Promise<number> {
  const engine = await Engine.create({ debug, onLeak: (leak: Leak) => void leak.allocatedAt });
  await Engine.attach(engine.share(), { debug: false });
  // @ts-expect-error: it is the function
  await Engine.create({ debug: true });
  const report: AuditReport = audit(engine);
  const map: PageMap = pageMap(engine, pageMap(engine));
  const read: Stats = stats(engine);
  return report.packets.length + read.skbs.used + (map.kinds[0] === PageKind.free ? 1 : 0);
}
`,
  },
  {
    entries: ["skbuff/pipeline"],
    lib: ["es2022"],
    types: [],
    program: `import { Engine, Ring, type Skb } from "skbuff";
import { type MakeStage, Pipeline, PipelineError, stage } from "skbuff/pipeline";
const marker: MakeStage<{ least: number }> = ({ data, emit }) => ({
  packet: (skb) => (skb.length < data.least ? skb.release() : skb),
  end: () => void emit,
});
export default stage(marker);
export async function use(engine: Engine): Promise<number> {
  await using pipeline = await Pipeline.open(engine, {
    source: new Ring(engine),
    stages: [() => (skb: Skb) => skb, { module: "file:///stage.js", threads: 2, data: { least: 20 } }],
    sink: (skb: Skb) => skb.release(),
  });
  await pipeline.done.catch((error: unknown) => void (error instanceof PipelineError && error.part));
  // @ts-expect-error: no sink
  await Pipeline.open(engine, { source: [] });
  return pipeline.stats().delivered;
}
`,
  },
  {
    entries: ["skbuff/node"],
    lib: ["es2022"],
    types: ["node"],
    program: `import { Engine } from "skbuff";
import { CaptureReader, StreamSender, type Transmitter } from "skbuff/node";
export async function use(engine: Engine): Promise<void> {
  using reader = CaptureReader.open(engine, "in.pcap", { lend: 8 });
  const way: Transmitter = new StreamSender(engine, process.stdout);
  for await (const packet of reader) if (!way.enqueue(packet)) packet.release();
}
`,
  },
  {
    entries: ["skbuff/web"],
    lib: ["es2022", "dom", "dom.iterable"],
    types: [],
    program: `import { Engine, Ring } from "skbuff";
import { readablePackets, WebSocketReceiver, WebSocketSender, WebStreamSender } from "skbuff/web";
export async function use(engine: Engine, socket: WebSocket, writable: WritableStream<Uint8Array>): Promise<number> {
  const out = new WebSocketSender(engine, socket, { inFlight: 65536 });
  out.enqueue(engine.alloc(1).putZeros(1));
  const stream = new WebStreamSender(engine, writable, { framing: "length16" });
  await stream.close();
  const receiver = new WebSocketReceiver(engine, socket);
  for await (const packet of receiver) packet.release();
  const packets: ReadableStream<unknown> = readablePackets(new Ring(engine));
  // @ts-expect-error: no such framing
  new WebStreamSender(engine, writable, { framing: "length8" });
  return packets.locked ? 1 : 0;
}
`,
  },
];

const ENTRIES = USES.flatMap(({ entries }) => entries);

const COMPILERS = some(
  [
    { compiler: "typescript", tsc: join(modules, "typescript/bin/tsc") },
    { compiler: "typescript-7", tsc: join(modules, "typescript-7/bin/tsc") },
  ],
  1,
);
const RESOLUTIONS = some(
  [
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ],
  1,
);

it.each(COMPILERS)("$compiler is the one that it is called", ({ compiler, tsc }) => {
  expect(run(process.execPath, [tsc, "--version"], root)).toMatch(
    compiler === "typescript" ? /^Version 5\.9/ : /^Version 7\./,
  );
});

describe.each(COMPILERS)("$compiler", ({ tsc }) => {
  describe.each(RESOLUTIONS)("module %s, resolution %s", (module, moduleResolution) => {
    it.each(USES)("$entries, beside lib $lib and types $types", ({ program, lib, types }) => {
      writeFileSync(join(project.folder, "use.ts"), program);
      const compilerOptions = {
        noEmit: true,
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
        target: "es2022",
        module,
        moduleResolution,
        lib,
        types,
        ...(types.length > 0 && { typeRoots: [nodeTypes] }),
      };
      writeFileSync(
        join(project.folder, "tsconfig.json"),
        JSON.stringify({ compilerOptions, files: ["use.ts"] }),
      );
      let said = "";
      try {
        run(process.execPath, [tsc, "--project", project.folder], project.folder);
      } catch (error) {
        said = (error as { stdout: string }).stdout;
      }
      expect(said).toBe("");
    });
  });
});

it("every entry of the package is tried above", () => {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  expect([...ENTRIES, "skbuff/package.json"]).toEqual(
    Object.keys(exports).map((key) => key.replace(".", "skbuff")),
  );
});
