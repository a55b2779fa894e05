// What TypeDoc is told beyond its settings.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Comment, CommentTag, Converter, ReflectionKind } from "typedoc";

const settings = JSON.parse(readFileSync(new URL("../typedoc.json", import.meta.url), "utf8"));
const titles = settings.projectDocuments.map((file) => {
  const text = readFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), "utf8");
  return [file.replace(/\.md$/, ""), /^# (.+)$/m.exec(text)[1]];
});

/** What the members of large classes are for, in the order of the page. */
const groups = JSON.parse(readFileSync(new URL("groups.json", import.meta.url), "utf8"));

/** The part of a member that has the comment which TypeDoc asks for its group. */
const commented = (member) => member.signatures?.[0] ?? member.getSignature ?? member.setSignature ?? member;

function group(project) {
  for (const [name, byGroup] of Object.entries(groups)) {
    const type = project.getReflectionsByKind(ReflectionKind.Class).find((one) => one.name === name);
    const of = new Map(
      Object.entries(byGroup).flatMap(([title, members]) => members.map((member) => [member, title])),
    );
    for (const member of type.children) {
      // What is internal is left out later.
      if (member.kindOf(ReflectionKind.Constructor) || /^[_#]/.test(member.name)) continue;
      const title = of.get(member.name.replace("Symbol.", ""));
      if (title === undefined) throw new Error(`scripts/groups.json: ${name}.${member.name} is in no group`);
      for (const one of member.signatures ?? [commented(member)]) {
        one.comment ??= new Comment();
        one.comment.blockTags.push(new CommentTag("@group", [{ kind: "text", text: title }]));
      }
    }
  }
}

/** Called by TypeDoc. */
export function load({ converter, renderer }) {
  converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => group(project), 100);
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
