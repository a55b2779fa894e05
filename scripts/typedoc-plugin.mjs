// What TypeDoc is told beyond its settings.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Converter, ReflectionKind } from "typedoc";

const settings = JSON.parse(readFileSync(new URL("../typedoc.json", import.meta.url), "utf8"));
const titles = settings.projectDocuments.map((file) => {
  const text = readFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), "utf8");
  return [file.replace(/\.md$/, ""), /^# (.+)$/m.exec(text)[1]];
});

/** Called by TypeDoc. */
export function load({ converter, renderer }) {
  // Pages are named by their titles, not by their files.
  converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    const names = new Map(titles);
    for (const page of project.getReflectionsByKind(ReflectionKind.Document))
      page.name = names.get(page.name) ?? page.name;
  });
  // Links to the README name its folder, where a server finds index.html, but a browser that opens files a listing.
  renderer.on("endPage", (page) => {
    page.contents = page.contents?.replace(/(?<=href="(?:\.\.\/)+)(?=[#"])/g, "index.html");
  });
}
