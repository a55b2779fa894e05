// The package as users get it: packed, and installed into an empty project.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Runs a program to its end. Returns what it printed; throws if it fails. */
export function run(file: string, args: readonly string[], cwd: string): string {
  return execFileSync(file, args, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    shell: file === "npm" && process.platform === "win32",
  });
}

/** A folder that is removed by `remove`. */
export interface Project {
  readonly folder: string;
  /** The packed package, in the folder. */
  readonly tarball: string;
  remove(): void;
}

/** Makes a project that has installed the package, and nothing else. */
export function installed(): Project {
  const folder = mkdtempSync(join(tmpdir(), "skbuff-"));
  const [packed] = JSON.parse(
    run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], root),
  ) as [{ filename: string }];
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ name: "empty", private: true, type: "module" }),
  );
  run("npm", ["install", "--offline", "--no-audit", "--no-fund", `./${packed.filename}`], folder);
  return {
    folder,
    tarball: join(folder, packed.filename),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
