// npx skbuff replay, as a user runs it: real files, real sockets, real signals, and receivers that die.

import { spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { copyFileSync, existsSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { checkTools, TOOLS } from "../node/tools.js";
import { readPcap } from "../pcap.js";
import { folder, OWN_CAPTURE, replayed, start, startWith } from "./run.js";

checkTools();

const OWN = readPcap(readFileSync(OWN_CAPTURE));
const FRAMES = OWN?.frames ?? [];
const BYTES = FRAMES.reduce((sum, { bytes }) => sum + bytes.length, 0);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Frames of a stream, each behind its length in 4 bytes. */
function unframed(stream: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < stream.length; ) {
    const n = stream.readUInt32BE(at);
    frames.push(stream.subarray(at + 4, at + 4 + n));
    at += 4 + n;
  }
  return frames;
}

/** A capture of `n` frames that are `ms` milliseconds apart. */
function spaced(name: string, n: number, ms: number): string {
  const file = Buffer.alloc(24 + n * (16 + 60));
  file.writeUInt32LE(0xa1b2c3d4, 0);
  file.writeUInt16LE(2, 4);
  file.writeUInt16LE(4, 6);
  file.writeUInt32LE(65535, 16);
  file.writeUInt32LE(1, 20);
  for (let i = 0; i < n; i++) {
    const at = 24 + i * 76;
    file.writeUInt32LE(1_000_000 + Math.floor((i * ms) / 1000), at);
    file.writeUInt32LE(((i * ms) % 1000) * 1000, at + 4);
    file.writeUInt32LE(60, at + 8);
    file.writeUInt32LE(60, at + 12);
    file.fill(i, at + 16, at + 76);
  }
  const path = join(folder, name);
  writeFileSync(path, file);
  return path;
}

describe("skbuff replay", () => {
  it("without arguments sends our own capture to a receiver of its own, and proves it", async () => {
    const { code, stdout } = await start("replay").ended;
    expect(code, stdout).toBe(0);
    expect(stdout).toContain("every one came back, audit clean");
    expect(stdout).toContain("byte for byte the input");
    expect(stdout).toContain("the same bytes in the same order");
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    // The tap's file is for others to read, too.
    const tap = join(folder, "two-hosts.tap.pcapng");
    for (const [tool, args] of [
      ["tcpdump", ["-nn", "-r", tap]],
      ["capinfos", [tap]],
    ] as const) {
      if (!TOOLS[tool]) continue;
      const { status, stderr } = spawnSync(tool, args, { encoding: "utf8", maxBuffer: 1 << 26 });
      expect([tool, status]).toEqual([tool, 0]);
      expect(stderr.replace(/^reading from file .*\n/, "").replace(/^Running as user .*\n/, "")).toBe("");
    }
  });

  it("says as JSON what it did", async () => {
    const { code, result } = await replayed("--workers", "3");
    expect(code).toBe(0);
    expect(result.read).toEqual({ packets: FRAMES.length, bytes: BYTES, skipped: 0 });
    expect(result.sent).toMatchObject({
      packets: FRAMES.length,
      bytes: BYTES,
      tooLong: 0,
      failed: 0,
      refused: 0,
    });
    expect(result.receiver).toEqual({ packets: FRAMES.length, bytes: BYTES, dropped: 0, same: true });
    const { good, bad, unverifiable, none } = result.looked;
    expect([bad, good + unverifiable + none]).toEqual([0, FRAMES.length]);
    // ARP has no checksum, fragments cannot be verified, and all the rest is right.
    expect(good).toBeGreaterThan(1500);
    expect(result.flows).toBeGreaterThanOrEqual(154);
    // A buffer holds many packets, and each filling of it completes once: copied, because the tap holds clones.
    expect(result.completions.sent + result.completions.copied).toBeGreaterThanOrEqual(BYTES / 65536 - 1);
    expect(result.completions.copied).toBeGreaterThan(0);
    expect(result.cpu.map(({ thread }) => thread)).toEqual([
      "reader",
      "worker 1",
      "worker 2",
      "worker 3",
      "transmitter",
      "tap",
      "main",
    ]);
    expect([result.out, result.errors, result.good]).toEqual([[], [], true]);
  });

  it.each([1, 2, 4])("keeps the order with %i workers, over and over", async (workers) => {
    const tap = join(folder, `order-${workers}.pcapng`);
    const { code, result } = await replayed(
      OWN_CAPTURE,
      "--workers",
      `${workers}`,
      "--loop",
      "5",
      "--tap",
      tap,
    );
    expect(result.errors).toEqual([]);
    expect([code, result.tap?.difference, result.tap?.packets]).toEqual([0, null, 5 * FRAMES.length]);
  });

  it("tells a tap that differs from its input", async () => {
    // Nothing is wrong with the replay; the comparison must be able to say so.
    const { compareCaptures } = await import("../../cli/verify.js");
    const other = join(folder, "other.pcap");
    const bytes = readFileSync(OWN_CAPTURE);
    const last = bytes.length - 1;
    bytes[last] = (bytes[last] as number) ^ 1;
    writeFileSync(other, bytes);
    const all = { rounds: 1, packets: FRAMES.length, longest: 65536 };
    expect(await compareCaptures(OWN_CAPTURE, OWN_CAPTURE, all)).toBeNull();
    expect(await compareCaptures(OWN_CAPTURE, other, all)).toBe(`packet ${FRAMES.length} has other bytes`);
    expect(await compareCaptures(OWN_CAPTURE, other, { ...all, packets: FRAMES.length - 1 })).toBe(
      `packet ${FRAMES.length} is one more`,
    );
    const short = spaced("short.pcap", 3, 1);
    expect(await compareCaptures(short, short, { rounds: 2, packets: 6, longest: 65536 })).toBe(
      "packet 4 is missing",
    );
  });

  it("sends datagrams to whom it is told", async () => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    const got: Buffer[] = [];
    socket.on("message", (message) => got.push(message));
    const file = spaced("udp.pcap", 50, 1);
    const { code, result } = await replayed(file, "--udp", `127.0.0.1:${socket.address().port}`);
    await sleep(50);
    socket.close();
    expect([code, result.sent.packets]).toEqual([0, 50]);
    expect(got).toEqual(Array.from({ length: 50 }, (_, i) => Buffer.alloc(60, i)));
  });

  it("sends a stream to whom it is told", async () => {
    const chunks: Buffer[] = [];
    const server = createServer((socket) => socket.on("data", (chunk) => chunks.push(chunk)));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const { code, result } = await replayed(OWN_CAPTURE, "--tcp", `127.0.0.1:${port}`, "--loop", "3");
    server.close();
    expect(result.errors).toEqual([]);
    expect([code, result.sent.packets]).toEqual([0, 3 * FRAMES.length]);
    const frames = unframed(Buffer.concat(chunks));
    expect(frames.length).toBe(3 * FRAMES.length);
    for (const [i, frame] of frames.entries()) {
      if (Buffer.compare(frame, FRAMES[i % FRAMES.length]?.bytes as Uint8Array) !== 0)
        throw new Error(`packet ${i} differs`);
    }
  });

  it("comes back with every buffer when its receiver is killed", async () => {
    const receiver = spawn(process.execPath, [
      "-e",
      `let got = 0;
       const server = require("node:net").createServer((socket) => socket.on("data", ({ length }) => {
         if (got < ${BYTES} && (got += length) >= ${BYTES}) console.log("enough");
       }));
       server.listen(0, "127.0.0.1", () => console.log(server.address().port));`,
    ]);
    const [port] = (await once(receiver.stdout, "data")) as [Buffer];
    const run = start(
      "replay",
      "--json",
      OWN_CAPTURE,
      "--loop",
      "0",
      "--tcp",
      `127.0.0.1:${String(port).trim()}`,
    );
    await once(receiver.stdout, "data");
    receiver.kill("SIGKILL");
    const { code, stdout } = await run.ended;
    const result = JSON.parse(stdout);
    expect([code, result.out]).toEqual([1, []]);
    expect(result.errors.join()).toContain("transmitter");
    expect(result.sent.packets).toBeGreaterThan(0);
    expect(result.sent.packets + result.sent.failed).toBeGreaterThanOrEqual(result.read.packets);
  });

  it("ends, and names what is missing, when one of its own threads dies", async () => {
    const dies = fileURLToPath(new URL("./dies.mjs", import.meta.url));
    const run = startWith(["--import", dies], "replay", "--json", OWN_CAPTURE, "--loop", "0");
    const { code, stdout } = await run.ended;
    const result = JSON.parse(stdout);
    expect([code, result.good, result.interrupted]).toEqual([1, false, false]);
    expect(result.errors.join()).toContain("worker 1: the thread died");
    // What it had comes back all the same.
    expect(result.out).toEqual([]);
  });

  it("says who does not answer", async () => {
    const { code, result } = await replayed(OWN_CAPTURE, "--tcp", "127.0.0.1:1");
    expect([code, result.sent.packets, result.out]).toEqual([1, 0, []]);
    expect(result.errors.join()).toMatch(/ECONNREFUSED/);
  });

  it("drains and reports when it is interrupted", async () => {
    const tap = join(folder, "interrupted.pcapng");
    const run = start("replay", "--json", OWN_CAPTURE, "--loop", "0", "--tap", tap);
    while (!existsSync(tap) || statSync(tap).size < 3 * BYTES) await sleep(10);
    run.child.kill("SIGINT");
    const { code, stdout } = await run.ended;
    const result = JSON.parse(stdout);
    expect([code, result.interrupted, result.out, result.errors]).toEqual([130, true, [], []]);
    expect(result.sent.packets).toBe(result.read.packets);
    expect([result.tap.packets, result.tap.difference]).toEqual([result.sent.packets, null]);
    expect(result.sent.packets).toBeGreaterThan(FRAMES.length);
  });

  it("keeps the pace of the recording, or a multiple of it", async () => {
    const { result: real } = await replayed(spaced("spaced.pcap", 11, 40), "--speed", "real");
    expect(real.seconds).toBeGreaterThan(0.4);
    // A minute of traffic: less than half of it is soon, on any machine.
    const minute = spaced("minute.pcap", 11, 6000);
    const { result: hundredfold } = await replayed(minute, "--speed", "100");
    expect(hundredfold.seconds).toBeGreaterThan(0.6);
    expect(hundredfold.seconds).toBeLessThan(30);
    expect((await replayed(minute)).result.seconds).toBeLessThan(30);
  });

  it("is interrupted at once where the next packet is far away", async () => {
    const file = spaced("slow.pcap", 2, 60_000);
    const tap = join(folder, "slow.pcapng");
    const run = start("replay", "--json", file, "--speed", "real", "--tap", tap);
    // The first packet is out.
    while (!existsSync(tap) || statSync(tap).size < 100) await sleep(10);
    run.child.kill("SIGINT");
    // Else it would end after 16 hours.
    const { code, stdout } = await run.ended;
    expect([code, JSON.parse(stdout).out]).toEqual([130, []]);
  });

  it("sends all whole packets of a file that is cut off, and says where", async () => {
    const cut = join(folder, "cut.pcap");
    copyFileSync(OWN_CAPTURE, cut);
    truncateSync(cut, readFileSync(OWN_CAPTURE).length - 1);
    const { code, result } = await replayed(cut);
    expect([code, result.sent.packets, result.out]).toEqual([1, FRAMES.length - 1, []]);
    expect(result.errors.join()).toMatch(/cut\.pcap, byte \d+/);
  });

  it.each([
    [["replay", "nowhere.pcap"], /nowhere\.pcap/],
    [["replay", OWN_CAPTURE, "--udp", "nowhere"], /HOST:PORT/],
    [["replay", OWN_CAPTURE, "--udp", "a:1", "--tcp", "b:1"], /cannot be used/],
    [["replay", OWN_CAPTURE, "--workers", "0"], /1\.\.32/],
    [["replay", OWN_CAPTURE, "--speed", "-1"], /real, max/],
    [["play"], /unknown command/],
    [["info", "nowhere.pcap"], /nowhere\.pcap/],
  ])("refuses %j", async (args, message) => {
    const { code, stdout, stderr } = await start(...args).ended;
    expect(code).toBe(1);
    expect(stdout + stderr).toMatch(message);
  });

  it("needs no more memory for a long replay than for a short one", async () => {
    const { code, result } = await replayed(OWN_CAPTURE, "--loop", "400", "--memory", "32");
    expect([code, result.out]).toEqual([0, []]);
    expect(result.sent.bytes).toBe(400 * BYTES);
    // What the collector leaves lying about comes and goes; the file is 400 MB.
    expect(result.memory.most - result.memory.early).toBeLessThan(80 * 1024 * 1024);
  });
});
