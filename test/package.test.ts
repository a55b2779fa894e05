// The package as users get it: packed, installed into an empty project, run and type-checked there.

import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
const nodeTypes = dirname(dirname(createRequire(import.meta.url).resolve("@types/node/package.json")));
let project = "";
let installed = "";
/** What npm said when it was installed. */
let said = "";

function run(file: string, args: string[], cwd: string): string {
  return execFileSync(file, args, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    shell: file === "npm" && process.platform === "win32",
  });
}

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "skbuff-"));
  const [packed] = JSON.parse(
    run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", project], root),
  ) as [{ filename: string }];
  writeFileSync(
    join(project, "package.json"),
    JSON.stringify({ name: "empty", private: true, type: "module" }),
  );
  const { status, stdout, stderr } = spawnSync(
    "npm",
    ["install", "--offline", "--no-audit", "--no-fund", `./${packed.filename}`],
    { cwd: project, encoding: "utf8", shell: process.platform === "win32" },
  );
  said = stdout + stderr;
  expect(status, said).toBe(0);
  installed = join(project, "node_modules/skbuff");
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

test.each([
  ["first", "README.md"],
  ["workers", "docs/workers.md"],
  ["files", "docs/files-and-sockets.md"],
  ["web", "docs/browser.md"],
])("examples/%s.mjs runs as pasted from %s, and prints what stands there", (name, page) => {
  const program = readFileSync(join(root, `examples/${name}.mjs`), "utf8");
  const text = readFileSync(join(root, page), "utf8");
  const blocks = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, code]) => [
    language,
    code,
  ]);
  const at = blocks.findIndex(([language, code]) => language === "js" && code === program);
  expect(at).not.toBe(-1);
  writeFileSync(join(project, `${name}.mjs`), program);
  expect(run(process.execPath, [`${name}.mjs`], project)).toBe(blocks[at + 1]?.[1]);
});

test("a pipeline takes fewer than 40 lines by hand, and 25 as one", () => {
  const lines = (name: string): number =>
    readFileSync(join(root, `examples/${name}.mjs`), "utf8")
      .trimEnd()
      .split("\n").length;
  expect(lines("workers")).toBeLessThan(40);
  expect(lines("pipeline")).toBeLessThanOrEqual(25);
  for (const name of ["pipeline", "checksum"])
    copyFileSync(join(root, `examples/${name}.mjs`), join(project, `${name}.mjs`));
  expect(run(process.execPath, ["pipeline.mjs"], project)).toBe("100000 packets came back, 0 are missing\n");
});

test("has no dependencies, and nothing of it runs when it is installed", () => {
  const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  expect(manifest.dependencies ?? {}).toEqual({});
  // npm warns of these.
  const scripts = ["preinstall", "install", "postinstall", "prepare"];
  expect(scripts.filter((name) => name in manifest.scripts)).toEqual([]);
  expect(said).not.toMatch(/warn/i);
});

test("a clone has a built dist after npm ci, and a packed one is built", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  expect([scripts.prepublish, scripts.prepack]).toEqual(["npm run build", "npm run build"]);
});

test("pictures and links of its pages lead to what is in it", () => {
  const pages = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"];
  for (const file of readdirSync(join(installed, "docs"))) pages.push(`docs/${file}`);
  const dead: string[] = [];
  for (const page of pages) {
    const text = readFileSync(join(installed, page), "utf8").replace(/^```[\s\S]*?^```$/gm, "");
    for (const [, a, b] of text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g)) {
      const [path = "", anchor = ""] = (a ?? b ?? "").split("#");
      if (/^[a-z]+:/.test(path)) continue;
      const target = path === "" ? join(installed, page) : join(installed, dirname(page), path);
      if (!existsSync(target)) dead.push(`${page}: ${path}`);
      else if (anchor !== "" && !anchorsOf(target).has(anchor)) dead.push(`${page}: ${path}#${anchor}`);
    }
  }
  expect(dead).toEqual([]);
});

/** What a page's headings are called in links to them. */
function anchorsOf(file: string): Set<string> {
  const headings = readFileSync(file, "utf8").matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replace(/[^\w -]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
}

/** Compiles a program in the project. Throws what the compiler says. */
function check(name: string, program: string, options: Record<string, unknown>): void {
  writeFileSync(join(project, name), program);
  const compilerOptions = {
    noEmit: true,
    strict: true,
    target: "es2022",
    lib: ["es2022", "dom"],
    types: [],
    ...options,
  };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: [name] }));
  run(process.execPath, [tsc, "--project", project], project);
}

test("the types of what connects to Node check beside Node's own", () => {
  check(
    "connect.ts",
    `import { Engine, Ring } from "skbuff";
import { CaptureReader, CaptureWriter, noteCapture, StreamReceiver, StreamSender, Tap, type Transmitter, UdpReceiver, UdpSender } from "skbuff/node";
export async function use(engine: Engine): Promise<void> {
  using reader = CaptureReader.open(engine, "in.pcap", { lend: 8 });
  await using writer = CaptureWriter.open(engine, 1, { format: "pcap" });
  for await (const packet of reader) if (!writer.enqueue(packet)) packet.release();
  using skb = engine.alloc(10);
  noteCapture(skb, { linkType: 101 });
  await using tap = await Tap.open(engine, "out.pcapng");
  const ways: Transmitter[] = [new Ring(engine), new StreamSender(engine, process.stdout), tap.on(await UdpSender.open(engine, { host: "::1", port: 1 }))];
  for (const way of ways) if (!way.enqueue(skb)) await way.waitWritableAsync();
  for await (const packet of await UdpReceiver.open(engine, { port: 0 })) packet.release();
  for await (const packet of await StreamReceiver.connect(engine, { port: 1, framing: "length32" })) packet.release();
  // @ts-expect-error: what is inside the library is not to be seen
  reader._feed;
}
`,
    { module: "nodenext", moduleResolution: "nodenext", types: ["node"], typeRoots: [nodeTypes] },
  );
});

test("the types of what connects to the web check with the web's own", () => {
  check(
    "web.ts",
    `import { type Engine, Ring, type Skb } from "skbuff";
import { readablePackets, type Transmitter, WebSocketReceiver, WebSocketSender, WebStreamReceiver, WebStreamSender, writablePackets } from "skbuff/web";
export async function use(engine: Engine, skb: Skb, transport: WebTransport, url: string): Promise<void> {
  const socket = new WebSocket(url);
  // What toBytes gives is what browsers take, which a view of the arena is not.
  socket.send(skb.toBytes());
  await crypto.subtle.digest("SHA-256", skb.toBytes(new Uint8Array(1500)));
  // @ts-expect-error: it may be shared
  await crypto.subtle.digest("SHA-256", skb.bytes);
  const { readable, writable } = await transport.createBidirectionalStream();
  const ways: Transmitter[] = [new Ring(engine), new WebSocketSender(engine, socket), new WebStreamSender(engine, writable, { framing: "length16" })];
  for (const way of ways) if (!way.enqueue(skb)) await way.waitWritableAsync();
  const receiver = new WebSocketReceiver(engine, socket, { onText: (text: string) => void text });
  const type: BinaryType = receiver.socket.binaryType;
  await readablePackets(receiver).pipeTo(writablePackets(new Ring(engine)));
  for await (const packet of new WebStreamReceiver(engine, readable)) packet.release();
  for await (const packet of new WebStreamReceiver(engine, transport.datagrams.readable)) packet.release();
  void type;
}
`,
    { module: "esnext", moduleResolution: "bundler" },
  );
});

test.each([
  ["nodenext", "nodenext"],
  ["esnext", "bundler"],
])("its types check without help from other types (module %s, resolution %s)", (module, resolution) => {
  check(
    "use.ts",
    `import { Engine, PoolExhaustedError, Ring, Skb, SkbQueue, Ubuf, UserRegion, type Completion } from "skbuff";
export async function use(): Promise<number> {
  const engine = await Engine.create({ core: "auto", shared: "auto" });
  using skb: Skb = engine.alloc(64, { headroom: 16 });
  skb.putData(Uint8Array.of(1, 2)).pushData(Uint8Array.of(3));
  const ubuf = new Ubuf(engine, ({ desc, status }: Completion) => void [desc, status], { sharing: "refcount" });
  skb.addUserFrag(new UserRegion(engine, 4096), 0, 10, ubuf);
  const queue = new SkbQueue(engine);
  queue.pushTail(skb.clone());
  using ring: Ring = Ring.attach(await Engine.attach(engine.share()), new Ring(engine, { capacity: 8 }).share());
  for await (const packet of ring) packet.release();
  // @ts-expect-error: what is inside the library is not to be seen
  skb._handle;
  return queue.purge() + (PoolExhaustedError.name.length > 0 ? 1 : 0);
}
`,
    { module, moduleResolution: resolution },
  );
});
