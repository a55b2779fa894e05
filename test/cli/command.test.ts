// What a user may do to the command: name one file twice, misspell, pipe, interrupt, and look at it in a narrow terminal.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import {
  appendFileSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Info } from "../../cli/info.js";
import { Pace } from "../../cli/pace.js";
import { plain, plainJson, plainLines } from "../../cli/plain.js";
import type { Result } from "../../cli/replay.js";
import { durationText, progressLine, waitText } from "../../cli/report.js";
import { tableOf } from "../../cli/table.js";
import { enhanced, interfaceBlock, option, pcapHeader, pcapRecord, section, simple } from "../node/made.js";
import { TOOLS } from "../node/tools.js";
import { readPcap } from "../pcap.js";
import { folder, OWN_CAPTURE, replayed, start } from "./run.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const OWN = readFileSync(OWN_CAPTURE);
const FRAMES = readPcap(OWN)?.frames ?? [];
const PACKETS = FRAMES.length;
/** Bytes of a tap's file that has all of them. */
const TAPED = FRAMES.reduce((sum, { bytes }) => sum + 32 + Math.ceil(bytes.length / 4) * 4, 60);
const POSIX = process.platform !== "win32";
let files = 0;

/** A file with a name of its own. */
function file(bytes: Uint8Array, name = `file-${files++}`): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

function fresh(): string {
  return join(folder, `fresh-${files++}`);
}

function fifo(): string {
  const path = fresh();
  execFileSync("mkfifo", [path]);
  return path;
}

/** Runs a line of a shell, in which `$skbuff` is the command. */
function shell(line: string): {
  child: ChildProcess;
  ended: Promise<{ code: number | null; stdout: Buffer; stderr: string }>;
} {
  const script = `skbuff() { exec '${process.execPath}' '${MAIN}' "$@"; }; ${line}`;
  const child = spawn("sh", ["-c", script], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  const out: Buffer[] = [];
  let stderr = "";
  child.stdout.on("data", (bytes: Buffer) => out.push(bytes));
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = once(child, "close").then(([code]) => ({ code, stdout: Buffer.concat(out), stderr }));
  return { child, ended };
}

async function infoOf(path: string): Promise<Info> {
  return JSON.parse((await start("info", "--json", path).ended).stdout) as Info;
}

describe.runIf(POSIX)("a file that is input and output", () => {
  const ways: Record<string, (path: string) => string> = {
    "by its path": (path) => `skbuff replay '${path}' --tap '${path}'`,
    "by a way round": (path) =>
      `cd / && skbuff replay '${path}' --tap '${folder}/../${path.slice(path.lastIndexOf("/", path.lastIndexOf("/") - 1) + 1)}'`,
    "by a symbolic link": (path) => {
      symlinkSync(path, `${path}.s`);
      return `skbuff replay '${path}' --tap '${path}.s'`;
    },
    "by a hard link": (path) => {
      linkSync(path, `${path}.h`);
      return `skbuff replay '${path}.h' --tap '${path}'`;
    },
    "as standard input": (path) => `skbuff replay - < '${path}' --tap '${path}'`,
    "as /dev/stdin": (path) => `skbuff replay /dev/stdin < '${path}' --tap '${path}'`,
    "as a descriptor of the shell's": (path) => `skbuff replay /dev/fd/3 3< '${path}' --tap '${path}'`,
    "as standard output": (path) => `skbuff replay '${path}' --tap - >> '${path}'`,
    "as standard input and output": (path) => `skbuff replay - < '${path}' --tap /dev/stdout >> '${path}'`,
  };
  it.each(Object.entries(ways))("is refused and left alone, %s", async (_, way) => {
    const path = file(OWN);
    const { code, stderr, stdout } = await shell(way(path)).ended;
    expect([code, stdout.length]).toEqual([1, 0]);
    expect(stderr).toMatch(/overwritten/);
    expect(readFileSync(path).equals(OWN)).toBe(true);
  });

  it("is refused where it is a named pipe", async () => {
    const path = fifo();
    const { code, stderr } = await start("replay", path, "--tap", path).ended;
    expect([code, stderr]).toEqual([1, expect.stringMatching(/input and output/)]);
  });
});

describe("an output", () => {
  const precious = Buffer.from("precious");
  it.each<[string, (tap: string) => string[] | Promise<string[]>]>([
    ["a file that is not there", (tap) => ["replay", "misspelt.pcap", "--tap", tap]],
    ["a file that is no capture", (tap) => ["replay", file(Buffer.from("GIF89a, and more")), "--tap", tap]],
    ["an empty file", (tap) => ["replay", file(Buffer.from("")), "--tap", tap]],
    [
      "what is compressed in another way",
      (tap) => ["replay", file(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0])), "--tap", tap],
    ],
    ["an option out of range", (tap) => ["replay", OWN_CAPTURE, "--workers", "0", "--tap", tap]],
    ["too little memory", (tap) => ["replay", OWN_CAPTURE, "--longest", "33554432", "--tap", tap]],
    ["a receiver that is not there", (tap) => ["replay", OWN_CAPTURE, "--tcp", "127.0.0.1:1", "--tap", tap]],
    ["a host that is not there", (tap) => ["replay", OWN_CAPTURE, "--udp", "host.invalid:1", "--tap", tap]],
  ])("stays as it is, or is not made, for %s", async (_, args) => {
    const there = file(precious);
    const absent = fresh();
    for (const tap of [there, absent]) expect((await start(...(await args(tap))).ended).code).toBe(1);
    expect(readFileSync(there)).toEqual(precious);
    expect(existsSync(absent)).toBe(false);
  });

  it("stays as it is if the first packet is not understood", async () => {
    const there = file(precious);
    const absent = fresh();
    const orphan = Buffer.concat([section(), enhanced(new Uint8Array(60))]);
    const cut = Buffer.concat([pcapHeader(), pcapRecord(new Uint8Array(60)).subarray(0, 40)]);
    for (const bytes of [orphan, cut, gzipSync(orphan)]) {
      for (const tap of [there, absent]) {
        const { code, result } = await replayed(file(bytes), "--tap", tap);
        expect([code, result.errors.length, result.tap]).toEqual([1, 1, null]);
      }
    }
    expect(readFileSync(there)).toEqual(precious);
    expect(existsSync(absent)).toBe(false);
    // A capture that has none is understood.
    const { code, result } = await replayed(file(pcapHeader()), "--tap", there);
    expect([code, result.tap?.packets]).toEqual([0, 0]);
  });

  it.runIf(POSIX)("stays as it is if what comes through a pipe is no capture", async () => {
    const there = file(precious);
    for (const line of ["true", "printf 'GIF89a, and more'"])
      expect((await shell(`${line} | (skbuff replay - --tap '${there}')`).ended).code).toBe(1);
    expect(readFileSync(there)).toEqual(precious);
  });

  it("is looked at before anything is sent", async () => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    let got = 0;
    socket.on("message", () => got++);
    mkdirSync(join(folder, "afolder"), { recursive: true });
    for (const tap of ["nofolder/out", "afolder"]) {
      const { code, stderr } = await start(
        "replay",
        OWN_CAPTURE,
        "--udp",
        `127.0.0.1:${socket.address().port}`,
        "--tap",
        tap,
      ).ended;
      expect([code, stderr]).toEqual([1, expect.stringContaining(tap)]);
    }
    expect(got).toBe(0);
    socket.close();
  });

  it.runIf(POSIX)("that cannot be read back is not compared, and it says so", async () => {
    const { code, result } = await replayed(OWN_CAPTURE, "--tap", "/dev/null");
    expect([code, result.tap]).toEqual([
      0,
      expect.objectContaining({ difference: null, uncompared: "it cannot be read back" }),
    ]);
    const { stdout } = await start("replay", OWN_CAPTURE, "--tap", "/dev/null").ended;
    expect(stdout).toContain("not compared");
    expect(stdout).not.toContain("byte for byte");
  });

  it.runIf(existsSync("/dev/full"))("that is full ends the replay, and is named", async () => {
    const { code, result } = await replayed(OWN_CAPTURE, "--loop", "0", "--tap", "/dev/full");
    expect([code, result.errors]).toEqual([
      1,
      [expect.stringMatching(/^transmitter: "\/dev\/full, byte 0".*ENOSPC/)],
    ]);
    expect(result.out).toEqual([]);
  });

  it.runIf(POSIX)("is overwritten where it is an older one, longer than the new", async () => {
    const tap = file(Buffer.concat([OWN, OWN]));
    const { code, result } = await replayed(OWN_CAPTURE, "--tap", tap);
    expect([code, result.tap?.difference]).toEqual([0, null]);
  });

  it.runIf(POSIX)("to standard output is all that goes there", async () => {
    const out = fresh();
    const { code, stderr } = await shell(`skbuff replay '${OWN_CAPTURE}' --tap - > '${out}'`).ended;
    expect([code, stderr]).toEqual([0, expect.stringContaining("packets")]);
    expect(await infoOf(out)).toMatchObject({ packets: PACKETS, error: null });
    // By another name, too; and it cannot be where messages go.
    const { code: other } = await shell(`skbuff replay '${OWN_CAPTURE}' --tap /dev/stdout > '${out}.2'`)
      .ended;
    expect([other, readFileSync(`${out}.2`).equals(readFileSync(out))]).toEqual([0, true]);
    for (const tap of ["-", "/dev/stderr", `${out}.3`]) {
      const { code: both } = await shell(`skbuff replay '${OWN_CAPTURE}' --tap '${tap}' > '${out}.3' 2>&1`)
        .ended;
      expect([both, readFileSync(`${out}.3`, "latin1")]).toEqual([
        1,
        expect.stringContaining("standard error, too"),
      ]);
    }
    const { stdout, stderr: json } = await shell(`skbuff replay '${OWN_CAPTURE}' --json --tap -`).ended;
    expect(stdout.equals(readFileSync(out))).toBe(true);
    expect((JSON.parse(json) as Result).tap?.packets).toBe(PACKETS);
    if (!TOOLS.tcpdump) return;
    const piped = await shell(
      `(skbuff replay '${OWN_CAPTURE}' --tap -) | tcpdump -nn -r - 2>/dev/null | wc -l`,
    ).ended;
    expect(piped.stdout.toString().trim()).toBe(String(PACKETS));
  });

  it.runIf(POSIX)("to a named pipe waits for who reads it", async () => {
    const path = fifo();
    const run = shell(`skbuff replay '${OWN_CAPTURE}' --json --tap '${path}'`);
    await once(run.child.stderr as NodeJS.ReadableStream, "data");
    const read = shell(`cat '${path}'`);
    const { code, stdout } = await run.ended;
    expect([code, (JSON.parse(stdout.toString()) as Result).good]).toEqual([0, true]);
    expect((await infoOf(file((await read.ended).stdout))).packets).toBe(PACKETS);
  });
});

describe.runIf(POSIX)("a pipe as input", () => {
  it.each([
    ["standard input", "replay -", OWN],
    ["/dev/stdin", "replay /dev/stdin", OWN],
    ["compressed", "replay -", gzipSync(OWN)],
  ])("is read once, and compared as it goes by: %s", async (_, args, bytes) => {
    const tap = fresh();
    const { code, stdout } = await shell(`cat '${file(bytes)}' | (skbuff ${args} --json --tap '${tap}')`)
      .ended;
    const result = JSON.parse(stdout.toString()) as Result;
    expect([code, result.tap]).toEqual([
      0,
      expect.objectContaining({ packets: PACKETS, difference: null, uncompared: null }),
    ]);
    expect(result.read.packets).toBe(PACKETS);
  });

  it("has its differences told, too", async () => {
    const { compareChain } = await import("../../cli/verify.js");
    const { NO_PACKETS } = await import("../../cli/digest.js");
    const extent = { rounds: 1, packets: PACKETS, longest: 65536 };
    expect(await compareChain(OWN_CAPTURE, NO_PACKETS, extent)).toBe("it has other packets");
    expect(await compareChain(OWN_CAPTURE, NO_PACKETS, { ...extent, packets: PACKETS - 1 })).toBe(
      `packet ${PACKETS} is one more`,
    );
    expect(await compareChain(OWN_CAPTURE, NO_PACKETS, { ...extent, packets: PACKETS + 1 })).toBe(
      `packet ${PACKETS + 1} is missing`,
    );
  });

  it("cannot be replayed twice, which is said before it is read", async () => {
    const tap = fresh();
    for (const loop of ["2", "0"]) {
      const { code, stderr } = await shell(
        `cat '${OWN_CAPTURE}' | (skbuff replay - --loop ${loop} --tap '${tap}')`,
      ).ended;
      expect([code, stderr]).toEqual([1, expect.stringContaining("--loop")]);
    }
    expect(existsSync(tap)).toBe(false);
    const { code } = await shell(`skbuff replay - --loop 2 < '${OWN_CAPTURE}'`).ended;
    expect(code).toBe(0);
  });

  it("by name is waited for, and can be given up", async () => {
    const path = fifo();
    const run = start("replay", path, "--tap", "never.pcapng");
    // Nobody opens its other end, which a call of the system's would wait for.
    let said = "";
    for await (const text of run.child.stderr as NodeJS.ReadableStream) {
      said += text;
      if (said.includes("waiting for")) break;
    }
    expect(said).toContain(path);
    run.child.kill("SIGINT");
    const { code, stdout } = await run.ended;
    expect([code, stdout]).toEqual([130, expect.stringContaining("interrupted")]);
    expect(stdout).not.toContain("ERROR");
    expect(existsSync(join(folder, "never.pcapng"))).toBe(false);
  });

  it.each([
    ["SIGINT", 130, "by name", (path: string) => `'${path}'`],
    ["SIGTERM", 143, "by name", (path: string) => `'${path}'`],
    ["SIGINT", 130, "as standard input", (path: string) => `- < '${path}'`],
  ] as const)(
    "that has no more for now: %s drains and reports (%i, %s)",
    async (signal, status, _, input) => {
      const tap = fresh();
      const path = fifo();
      const run = shell(`skbuff replay --json --tap '${tap}' ${input(path)}`);
      try {
        const fd = openSync(path, "w");
        appendFileSync(fd, OWN);
        // All of it has come through.
        while (!existsSync(tap) || statSync(tap).size < TAPED)
          await new Promise((resolve) => setTimeout(resolve, 20));
        run.child.kill(signal);
        const { code, stdout } = await run.ended;
        closeSync(fd);
        const result = JSON.parse(stdout.toString()) as Result;
        expect(code).toBe(status);
        expect([result.interrupted, result.errors, result.out]).toEqual([true, [], []]);
        expect([result.read.packets, result.sent.packets, result.tap?.difference]).toEqual([
          PACKETS,
          PACKETS,
          null,
        ]);
      } finally {
        run.child.kill("SIGKILL");
      }
    },
  );
});

describe("a receiver", () => {
  it("that is not there: what is not sent is not counted as sent", async () => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    const { port } = socket.address();
    socket.close();
    const { code, result } = await replayed(OWN_CAPTURE, "--udp", `127.0.0.1:${port}`);
    const { packets, failed, refused, complaint, bytes } = result.sent;
    expect(code).toBe(1);
    expect(packets + failed).toBe(PACKETS);
    expect(failed + refused).toBeGreaterThan(0);
    expect(complaint).toContain("ECONNREFUSED");
    expect(bytes).toBeLessThan(result.read.bytes);
  });

  it("that takes nothing is given up when the replay is interrupted", async () => {
    const { createServer } = await import("node:net");
    const server = createServer((socket) => socket.pause().on("error", () => {}));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const run = start("replay", "--json", OWN_CAPTURE, "--loop", "0", "--tcp", `127.0.0.1:${port}`);
    await once(server, "connection");
    run.child.kill("SIGINT");
    const { code, stdout } = await run.ended;
    server.close();
    const result = JSON.parse(stdout) as Result;
    expect([code, result.interrupted, result.out]).toEqual([130, true, []]);
    // Whatever the system has not taken is not sent.
    expect(result.sent.packets).toBeLessThanOrEqual(result.read.packets);
  });

  it("that never closes its side does not hold up the end", async () => {
    const { createServer } = await import("node:net");
    const server = createServer({ allowHalfOpen: true }, (socket) => socket.resume().on("error", () => {}));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const { code, result } = await replayed(OWN_CAPTURE, "--tcp", `127.0.0.1:${port}`);
    server.close();
    expect([code, result.good]).toEqual([0, true]);
  });

  it("of one datagram that is not there shows, too", async () => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    const { port } = socket.address();
    socket.close();
    const one = file(Buffer.concat([pcapHeader(), pcapRecord(new Uint8Array(60))]));
    const { code, result } = await replayed(one, "--udp", `127.0.0.1:${port}`);
    expect([code, result.sent.refused]).toEqual([1, 1]);
  });

  it("of datagrams does not get what is too long for one", async () => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    const jumbo = file(
      Buffer.concat([pcapHeader(), pcapRecord(new Uint8Array(92_442)), pcapRecord(new Uint8Array(60))]),
    );
    const { code, result } = await replayed(jumbo, "--udp", `127.0.0.1:${socket.address().port}`);
    socket.close();
    expect([code, result.sent]).toEqual([
      1,
      expect.objectContaining({ packets: 1, bytes: 60, tooLong: 1, failed: 0 }),
    ]);
  });
});

describe("unusual captures", () => {
  it("with more captured than there was come through as they are", async () => {
    const odd = file(Buffer.concat([pcapHeader(), pcapRecord(new Uint8Array(60), { length: 28 })]));
    expect(await infoOf(odd)).toMatchObject({ bytes: 60, originalBytes: 60, cut: 0 });
    const { code, result } = await replayed(odd, "--tap", fresh());
    expect([code, result.tap?.difference]).toEqual([0, null]);
  });

  it("with packets that are longer than what is common are kept whole, and longer ones are counted", async () => {
    const parts = [new Uint8Array(313_159), new Uint8Array(1_048_603), new Uint8Array(60)].map((bytes) =>
      pcapRecord(bytes),
    );
    const long = file(Buffer.concat([pcapHeader({ network: 249 }), ...parts]));
    const { code, result } = await replayed(long, "--tap", fresh());
    expect([code, result.read, result.tap]).toEqual([
      1,
      { packets: 2, bytes: 313_219, skipped: 1 },
      expect.objectContaining({ packets: 2, difference: null }),
    ]);
    const all = await replayed(long, "--tap", fresh(), "--longest", "1048603");
    expect([all.code, all.result.read.packets, all.result.tap?.difference]).toEqual([0, 3, null]);
    expect(await infoOf(long)).toMatchObject({ packets: 2, skipped: 1, error: null });
  });

  it("with times before 1970, and without", async () => {
    const offset = Buffer.alloc(8);
    offset.writeBigInt64LE(-10n);
    const shifted = [section(), interfaceBlock({ more: option(14, offset), ended: false })];
    const bytes = new Uint8Array(60);
    const early = file(
      Buffer.concat([
        ...shifted,
        enhanced(bytes, { ticks: 250_000n }),
        enhanced(bytes, { ticks: 20_000_000n }),
      ]),
    );
    expect(await infoOf(early)).toMatchObject({ first: "-9750000000", last: "10000000000", seconds: 19.75 });
    expect((await start("info", early).ended).stdout).toContain("1969-12-31 23:59:50.250000000 UTC");
    const timeless = file(
      Buffer.concat([
        section(),
        interfaceBlock(),
        simple(bytes),
        enhanced(bytes, { ticks: 1_700_000_000_000_000n }),
        simple(bytes),
      ]),
    );
    expect(await infoOf(timeless)).toMatchObject({ first: "1700000000000000000", seconds: 0, timeless: 2 });
    const tap = fresh();
    const { code, result } = await replayed(timeless, "--speed", "real", "--tap", tap);
    expect([code, result.sent.packets]).toEqual([0, 3]);
    expect(await infoOf(tap)).toMatchObject({ first: "1700000000000000000", seconds: 0, timeless: 2 });
  });
});

describe("the pace", () => {
  it("waits no longer than it is told from one packet to the next, and not for what has no time", () => {
    const pace = new Pace(2, 1000);
    const second = 1_000_000_000n;
    expect(pace.due(null, 5)).toBe(5);
    expect(pace.due(10n * second, 100)).toBe(100);
    expect(pace.due(11n * second, 100)).toBe(600);
    expect(pace.due(null, 601)).toBe(601);
    expect(pace.due(65_547n * second, 600)).toBe(1600);
    // One that comes out of order is late, not early.
    expect(pace.due(65_546n * second, 1600)).toBe(1100);
    pace.restart();
    expect(pace.due(-10n * second, 7)).toBe(7);
  });

  const gap = (): string => {
    const frames = Array.from({ length: 62 }, () => pcapRecord(new Uint8Array(60), { seconds: 1000 }));
    const late = pcapRecord(new Uint8Array(60), { seconds: 66_536 });
    return file(Buffer.concat([pcapHeader(), ...frames, late]));
  };

  it("says what it waits for, and counts what was sent", async () => {
    const run = start("replay", gap(), "--speed", "real");
    const [text] = (await once(run.child.stderr as NodeJS.ReadableStream, "data")) as [string];
    expect(text).toMatch(/packet 63 is due in 18 h 12 min.*--gap-limit/);
    run.child.kill("SIGINT");
    const { code, stdout } = await run.ended;
    expect(code).toBe(130);
    expect(stdout.match(/ 62 packets,/g)?.length).toBe(2);
  });

  it("goes on with --gap-limit", async () => {
    const { code, result } = await replayed(gap(), "--speed", "real", "--gap-limit", "0.1");
    expect([code, result.sent.packets]).toEqual([0, 63]);
    expect(result.seconds).toBeGreaterThan(0.09);
  });
});

describe("memory", () => {
  it.each([["2"], ["32"]])("of the smallest size is enough: %s workers", async (workers) => {
    const args = ["--memory", "8", "--workers", workers, "--loop", "20", "--tap", fresh()];
    const { code, result } = await replayed(OWN_CAPTURE, ...args);
    expect([code, result.tap]).toEqual([0, expect.objectContaining({ dropped: 0, difference: null })]);
  });
});

describe.runIf(POSIX)("standard output that takes nothing", () => {
  const lines = [
    `replay '${OWN_CAPTURE}'`,
    `replay '${OWN_CAPTURE}' --json`,
    `info '${OWN_CAPTURE}'`,
    `info '${OWN_CAPTURE}' --json`,
    "--help",
    "replay --help",
    "--version",
  ];
  it.runIf(existsSync("/dev/full")).each(lines)("because it is full is told in a line: %s", async (line) => {
    const { code, stderr } = await shell(`skbuff ${line} > /dev/full`).ended;
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^skbuff: standard output: ENOSPC.*\n$/)]);
  });

  it.each(lines)("because nobody reads it any more ends quietly: %s", async (line) => {
    // Its reader is gone before it begins.
    const ended = fresh();
    const script = `{ until test -e '${ended}'; do sleep 0.01; done; (skbuff ${line}); echo "code $?" >&2; } | (exec <&-; touch '${ended}')`;
    expect((await shell(script).ended).stderr).toBe("code 1\n");
  });

  it("because no more fits into its file is told, too", async () => {
    // A file of half a kilobyte at most: a part of the result fits.
    const script = `ulimit -f 1; trap '' XFSZ; (skbuff info '${OWN_CAPTURE}' > '${fresh()}')`;
    const { code, stderr } = await shell(script).ended;
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^skbuff: standard output: EFBIG.*\n$/)]);
  });
});

describe("what would command a terminal", () => {
  const title = "\u001b]0;owned\u0007";
  const name = `eth${title}\u009b31m\u202e0\u007f`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come through
  const orders = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

  it("is written so that it can be seen", () => {
    expect(plain(`a${title}\n\u009bb\u202e\u2066\u007fé→`)).toBe(
      "a\\u001b]0;owned\\u0007\\u000a\\u009bb\\u202e\\u2066\\u007fé→",
    );
    expect(plainLines("a\nb\rc")).toBe("a\nb\\u000dc");
    expect(plainJson({ name })).not.toMatch(orders);
    expect(JSON.parse(plainJson({ name }))).toEqual({ name });
    expect(tableOf([["file", name, "bad"]], {})).not.toMatch(orders);
  });

  it.runIf(POSIX)("does not come through from captures, names of files and arguments", async () => {
    const of = interfaceBlock({ more: option(2, Buffer.from(name)) });
    const bytes = Buffer.concat([section(), of, enhanced(new Uint8Array(60))]);
    const sound = file(bytes, `sound${title}\u009b`);
    const broken = file(Buffer.concat([bytes, Buffer.from("junk")]), `broken${title}\u009b`);
    const tap = `${fresh()}${title}`;
    const runs = [
      ["info", sound],
      ["info", sound, "--json"],
      ["info", broken],
      ["replay", sound, "--tap", tap],
      ["replay", broken, "--tap", tap],
      ["replay", broken, "--json"],
      ["info", `absent${title}\nskbuff: all is well`],
      ["replay", sound, "--workers", title],
      [title],
    ];
    for (const args of runs) {
      const { stdout, stderr } = await start(...args).ended;
      expect(stdout + stderr, args.join(" ")).not.toMatch(orders);
      expect(stdout + stderr, args.join(" ")).toContain("u001b");
      expect(stderr).not.toMatch(/^skbuff: all is well/m);
    }
  });
});

describe("as people expect of a command", () => {
  it("it has a version, and says what there is", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(await start("--version").ended).toMatchObject({ code: 0, stdout: `${version}\n` });
    const { code, stdout } = await start("replay", "--help").ended;
    expect(code).toBe(0);
    for (const word of [
      "(default: max)",
      "1..32",
      "8..4096",
      "--gap-limit",
      "--longest",
      "Exit status",
      "is replaced",
    ])
      expect(stdout).toContain(word);
    expect(stdout).not.toContain("default: 0)");
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    expect((await start("replay", "--speed", "0", OWN_CAPTURE).ended).stderr).toContain(
      "real, max, or a number above 0",
    );
  });

  it.runIf(POSIX)("standard input that is a terminal is not waited for", async () => {
    if (!existsSync("/usr/bin/script")) return;
    const line = `'${process.execPath}' '${MAIN}' info -`;
    const child = spawn("script", ["-qec", line, "/dev/null"], { stdio: ["pipe", "pipe", "ignore"] });
    const text: Buffer[] = [];
    child.stdout.on("data", (bytes: Buffer) => text.push(bytes));
    await once(child, "close");
    expect(Buffer.concat(text).toString()).toContain("is a terminal");
  });

  const progress = {
    seconds: 12.3,
    packets: 1_234_567,
    bytes: 1e9,
    dropped: 0,
    wait: 0,
    next: 1_234_568,
    input: null,
    used: 2 ** 25,
    memory: 2 ** 26,
  };

  it.each([20, 39, 59, 79, 200])("the line of progress fits %i columns", (width) => {
    for (const more of [{}, { wait: 65_536 }, { dropped: 12, wait: 5 }]) {
      const line = progressLine({ ...progress, ...more }, width);
      expect(line.length).toBeLessThanOrEqual(width);
      expect(line).toContain("1,234,567 packets");
    }
    if (width === 79)
      expect(progressLine({ ...progress, wait: 65_536 }, width)).toContain("due in 18 h 12 min");
  });

  it("says what it waits for, if that takes long", () => {
    expect(waitText({ ...progress, wait: 2 })).toBeNull();
    expect(waitText({ ...progress, wait: 200 })).toBe("packet 1,234,568 is due in 3 min 20 s");
    expect(waitText({ ...progress, input: "standard input", seconds: 1 })).toBeNull();
    expect(waitText({ ...progress, input: "standard input", seconds: 4 })).toBe("waiting for standard input");
  });

  it("says lengths of time as people do", () => {
    expect([0, 59, 60, 3599, 65_536, 200_000].map(durationText)).toEqual([
      "0 s",
      "59 s",
      "1 min",
      "59 min 59 s",
      "18 h 12 min",
      "2 d 7 h",
    ]);
  });

  it.each([30, 40, 80, 200])("a table fits %i columns, and leaves nothing out", (columns) => {
    const name =
      "/a/very/long/path/that/has/no/place/to/be/broken/and/is/longer/than/any/line/of/a/table.pcapng";
    const table = tableOf(
      [
        ["file", name],
        ["ERROR", "some words", "bad"],
      ],
      { isTTY: true, columns },
    );
    for (const line of table.split("\n")) expect(line.length).toBeLessThanOrEqual(Math.min(columns, 80));
    expect(table.replace(/[^\w/.-]/g, "")).toContain(name.replace(/[^\w/.-]/g, ""));
  });

  it("is in colour only where somebody sees it, and wants it", () => {
    const rows = [["ERROR", "some words", "bad"]] as const;
    const colour = "\u001b[31m";
    expect(tableOf(rows, { isTTY: true, hasColors: () => true })).toContain(colour);
    expect(tableOf(rows, { isTTY: true, hasColors: () => false })).not.toContain(colour);
    expect(tableOf(rows, { hasColors: () => true })).not.toContain(colour);
    expect(tableOf([["sent", "some words"]], { isTTY: true, hasColors: () => true })).not.toContain(colour);
  });
});
