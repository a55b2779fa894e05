// The runtimes that are like Node: the newest of each line of Node that is supported, Bun and Deno. Their binaries come as
// packages of npm; nothing else of them is used.

import { execFile } from "node:child_process";
import { access, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

export interface Runtime {
  readonly name: string;
  readonly package: string;
  readonly version: string;
  readonly binary: string;
  readonly args: readonly string[];
}

const { platform, arch } = process;
const node = (version: string): Runtime => ({
  name: `Node ${version}`,
  package: `node-${platform === "win32" ? "win" : platform}-${arch}`,
  version,
  binary: platform === "win32" ? "bin/node.exe" : "bin/node",
  args: [],
});

const ARM = arch === "arm64";
/** The one that has a server of WebTransport. */
export const DENO: Runtime = {
  name: "Deno 2.9.6",
  package: `@deno/${platform}-${arch}${platform === "linux" ? "-glibc" : ""}`,
  version: "2.9.6",
  binary: platform === "win32" ? "deno.exe" : "deno",
  args: ["run", "--allow-all", "--no-lock", "--no-config"],
};

export const RUNTIMES: readonly Runtime[] = [
  node("20.20.2"),
  node("22.23.3"),
  node("24.21.0"),
  node("26.10.0"),
  {
    name: "Bun 1.4.5",
    package: `@oven/bun-${platform === "win32" ? "windows" : platform}-${ARM ? "aarch64" : "x64"}`,
    version: "1.4.5",
    binary: platform === "win32" ? "bin/bun.exe" : "bin/bun",
    args: [],
  },
  DENO,
];

/** Where they are installed. */
export const folder = join(process.cwd(), "build/runtimes");

/** Installs a runtime if it is not there. Returns its program. */
export async function install({ package: name, version, binary }: Runtime): Promise<string> {
  const own = join(folder, `${name.replace("/", "-")}-${version}`);
  const program = join(own, "node_modules", name, binary);
  try {
    await access(program);
  } catch {
    await mkdir(own, { recursive: true });
    await writeFile(join(own, "package.json"), '{ "private": true }\n');
    const args = [
      "install",
      "--no-audit",
      "--no-fund",
      "--no-save",
      "--ignore-scripts",
      `${name}@${version}`,
    ];
    await promisify(execFile)("npm", args, { cwd: own, shell: platform === "win32" });
  }
  return program;
}
