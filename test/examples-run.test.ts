// The programs in examples/ that run until they are told to end, as a user runs them.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";

const children: ChildProcess[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const child of children.splice(0)) if (child.exitCode === null) child.kill("SIGKILL");
  for (const socket of sockets.splice(0)) socket.close();
});

/** Starts an example. Resolves when it has said its first line. */
async function start(name: string, ...args: string[]) {
  const file = fileURLToPath(new URL(`../examples/${name}.mjs`, import.meta.url));
  const child = spawn(process.execPath, [file, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  let out = "";
  const first = new Promise<void>((resolve, reject) => {
    child.once("exit", () => reject(new Error(`${name} ended: ${out}`)));
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
      if (out.includes("\n")) resolve();
    });
  });
  const ended = once(child, "close").then(([code]) => ({ code, lines: out.trim().split("\n") }));
  await first;
  return { child, ended, port: Number(/\d+/.exec(out)?.[0]) };
}

async function bound(): Promise<{ socket: Socket; port: number; got: () => Promise<Buffer> }> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  sockets.push(socket);
  await once(socket, "listening");
  const waiting: Buffer[] = [];
  let wake = (): void => {};
  socket.on("message", (bytes) => {
    waiting.push(bytes);
    wake();
  });
  const got = async (): Promise<Buffer> => {
    while (waiting.length === 0)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    return waiting.shift() as Buffer;
  };
  return { socket, port: socket.address().port, got };
}

it("relay: everybody gets all that comes, and who joins late what there was", async () => {
  const { child, ended, port } = await start("relay", "0");
  const [source, early, late] = [await bound(), await bound(), await bound()];
  const text = async (one: typeof early): Promise<string> => (await one.got()).toString();
  // Until it has joined, nobody knows how far the relay is; afterwards each packet is awaited.
  source.socket.send("before", port, "127.0.0.1");
  early.socket.send("join", port, "127.0.0.1");
  expect(await text(early)).toBe("before");
  for (let i = 0; i < 120; i++) {
    source.socket.send(`packet ${i}`, port, "127.0.0.1");
    expect(await text(early)).toBe(`packet ${i}`);
  }
  late.socket.send("join", port, "127.0.0.1");
  for (let i = 20; i < 120; i++) expect(await text(late)).toBe(`packet ${i}`);
  source.socket.send("after", port, "127.0.0.1");
  expect([await text(early), await text(late)]).toEqual(["after", "after"]);
  child.kill("SIGINT");
  const { code, lines } = await ended;
  expect([code, lines.at(-1)]).toEqual([0, "100 packets of history, 2 listeners"]);
});

it("tunnel: what goes in comes out", async () => {
  const sink = await bound();
  const far = await start("tunnel", "out", "0", String(sink.port));
  const near = await start("tunnel", "in", "0", String(far.port));
  const source = await bound();
  for (let i = 0; i < 50; i++) {
    const bytes = Buffer.alloc(1 + 29 * i, i);
    source.socket.send(bytes, near.port, "127.0.0.1");
    expect((await sink.got()).equals(bytes)).toBe(true);
  }
  near.child.kill("SIGINT");
  expect(await near.ended).toMatchObject({ code: 0, lines: [expect.anything(), "50 datagrams sent"] });
  expect(await far.ended).toMatchObject({ code: 0, lines: [expect.anything(), "50 datagrams received"] });
});

it.each([
  ["tunnel"],
  ["tunnel", "out", "1"],
  ["tunnel", "in", "1", "x"],
  ["tunnel", "up", "1", "2"],
  ["relay", "x"],
  ["relay", "70000"],
])("%s with %s %s %s says how it is used", (name, ...args) => {
  const file = fileURLToPath(new URL(`../examples/${name}.mjs`, import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args.filter(Boolean)], {
    encoding: "utf8",
  });
  expect([status, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(new RegExp(`^usage: node ${name}\\.mjs .*\n(?: {7}node ${name}\\.mjs .*\n)?$`));
});
