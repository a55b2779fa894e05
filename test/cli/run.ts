// The command, run as a user runs it: the built file, in a process and a folder of its own.

import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import type { Result } from "../../cli/replay.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
export const OWN_CAPTURE = fileURLToPath(new URL("../../captures/two-hosts.pcap", import.meta.url));

/** A folder that is gone after the tests. */
export const folder = mkdtempSync(join(tmpdir(), "skbuff-cli-"));
const children: ChildProcess[] = [];
afterAll(() => {
  // A test that failed may have left one waiting.
  for (const child of children) if (child.exitCode === null) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

export interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

export function start(...args: string[]): Run {
  return startWith([], ...args);
}

/** The same with settings for Node. */
export function startWith(node: readonly string[], ...args: string[]): Run {
  const stdio: StdioOptions = ["ignore", "pipe", "pipe"];
  const child = spawn(process.execPath, [...node, MAIN, ...args], { cwd: folder, stdio });
  children.push(child);
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
  return { child, ended };
}

/** Runs a replay, and reads its result. */
export async function replayed(...args: string[]): Promise<{ code: number | null; result: Result }> {
  const { code, stdout, stderr } = await start("replay", "--json", ...args).ended;
  if (stdout === "") throw new Error(`no result: ${stderr}`);
  return { code, result: JSON.parse(stdout) as Result };
}
