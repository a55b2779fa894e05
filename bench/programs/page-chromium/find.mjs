// Chromium, where there is one.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** Its path: what CHROME_PATH says, else where programs are; undefined if there is none. */
export function chromium() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const paths =
    process.env.CHROME_PATH === undefined
      ? NAMES.flatMap((name) => folders.map((folder) => join(folder, name)))
      : [process.env.CHROME_PATH];
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
