// What the tests of streams share: connections, peers in other processes, and what packets are in a stream.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Framing, TransportError } from "skbuff/node";
import { afterAll, expect } from "vitest";
import { bytesAt, expectTyped } from "../packets.js";

export type Defer = (close: () => unknown) => void;

const folder = mkdtempSync(join(tmpdir(), "skbuff-"));
afterAll(() => rmSync(folder, { recursive: true }));
let names = 0;

/** A path where nothing is. */
export const freshPath = (): string => join(folder, `${names++}`);

/** The script that plays other processes. */
export const script = fileURLToPath(new URL("./process.mjs", import.meta.url));

/** All that a stream gives. */
export async function collected(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** What packets of places [at, at + n) are in a stream. */
export function framed(framing: Framing, packets: readonly (readonly [number, number])[]): Buffer {
  return Buffer.concat(
    packets.flatMap(([at, n]) => {
      const header = Buffer.alloc(framing === "none" ? 0 : framing === "length16" ? 2 : 4);
      if (framing === "length16") header.writeUInt16BE(n);
      if (framing === "length32") header.writeUInt32BE(n);
      return [header, Buffer.from(bytesAt(at, n))];
    }),
  );
}

export async function failure(promise: Promise<unknown>): Promise<TransportError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expectTyped(error, "a rejection");
  expect(error).toBeInstanceOf(TransportError);
  return error as TransportError;
}

/** Two ends of a connection: by TCP, or by a Unix socket, whose buffers are small. */
export async function connection(
  defer: Defer,
  where: "127.0.0.1" | "::1" | "unix",
): Promise<[Socket, Socket]> {
  const server = createServer({ pauseOnConnect: true });
  const place = freshPath();
  if (where === "unix") server.listen(place);
  else server.listen(0, where);
  await once(server, "listening");
  const { port } = where === "unix" ? { port: 0 } : (server.address() as { port: number });
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const near = where === "unix" ? connect(place) : connect(port, where);
  const [far] = await accepted;
  await (near.connecting ? once(near, "connect") : undefined);
  server.close();
  for (const socket of [near, far]) {
    socket.on("error", () => {});
    defer(() => socket.destroy());
  }
  return [near, far];
}

export async function killable(defer: Defer, ...args: string[]): Promise<[ChildProcess, { port: number }]> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  defer(() => child.kill("SIGKILL"));
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
  return [child, JSON.parse(String(line))];
}
