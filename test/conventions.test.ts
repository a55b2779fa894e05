// docs/conventions.md, as far as it can be checked: of all that users can import, in names, members, options and docstrings.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { optionsOf } from "../scripts/options.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

type Class = (new (...values: never[]) => object) & { readonly prototype: object };

/** Everything that users can import, by its name. */
const exported = new Map<string, unknown>();
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
for (const path of Object.keys(manifest.exports)) {
  if (path.endsWith(".json")) continue;
  for (const [name, value] of Object.entries(await import(`skbuff${path.slice(1)}`)))
    if (!name.startsWith("_")) exported.set(name, value);
}
const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => ({ file, text: readFileSync(join(root, "src", file), "utf8") }));

/** Classes of which there are objects: not those that are only there to be extended. */
const classes = [...exported].filter(
  (entry): entry is [string, Class] =>
    typeof entry[1] === "function" &&
    /^[A-Z]/.test(entry[0]) &&
    !sources.some(({ text }) => text.includes(`export abstract class ${entry[0]} `)),
);

/** Public members of a class and of those that it extends. */
function members({ prototype }: Class): Set<string> {
  const found = new Set<string>();
  for (let one = prototype; one !== Object.prototype; one = Object.getPrototypeOf(one))
    for (const name of Object.getOwnPropertyNames(one)) if (!name.startsWith("_")) found.add(name);
  return found;
}

/** Classes that have a member, and which of `wanted` they lack. */
function lacking(member: string, wanted: readonly string[]): [string, string[]][] {
  return classes
    .filter(([, type]) => members(type).has(member))
    .map(([name, type]) => [name, wanted.filter((one) => !members(type).has(one))]);
}

/** Docstrings, each in one line. */
const docstrings = sources.flatMap(({ file, text }) =>
  [...text.matchAll(/\/\*\*([\s\S]*?)\*\//g)].map(([, comment = ""]) => ({
    file,
    text: comment.replace(/\s*\n\s*\*\s?/g, " ").trim(),
  })),
);

/** Whether `type` has a member of its own or one that it extends, also by a symbol. */
const has = ({ prototype }: Class, member: string | symbol): boolean => member in prototype;

describe("who has what", () => {
  it.each(lacking("enqueue", ["enqueue", "enqueueBurst", "waitWritableAsync", "close", "abort"]))(
    "%s sends",
    (_, without) => expect(without).toEqual([]),
  );

  it.each(lacking("dequeue", ["dequeue", "dequeueBurst", "waitAsync", "packets", "close", "abort"]))(
    "%s receives",
    (_, without) => expect(without).toEqual([]),
  );

  // An engine neither sends nor receives: its `close({ force })` says what was out.
  const closing = classes.filter(([name, type]) => has(type, "close") && name !== "Engine");

  it.each(closing)("%s, which can be closed, can be aborted, and left by `using`", (_, type) => {
    expect(has(type, "abort")).toBe(true);
    expect(has(type, Symbol.dispose) || has(type, Symbol.asyncDispose)).toBe(true);
  });

  it.each(classes.filter(([, type]) => has(type, Symbol.asyncIterator)))(
    "%s, which can be iterated, takes a timeout and a signal",
    (_, type) => expect(has(type, "packets")).toBe(true),
  );

  it.each(classes)("%s: each wait that blocks has one that does not", (_, type) => {
    const all = members(type);
    const waits = [...all].filter((name) => /^wait\w*$/.test(name) && !name.endsWith("Async"));
    expect(waits.filter((name) => !all.has(`${name}Async`))).toEqual([]);
  });

  it("waits take the options of waits", () => {
    const shown = sources.filter(({ text }) =>
      classes.some(([name]) => text.includes(`export class ${name} `)),
    );
    const bad = shown.flatMap(({ file, text }) =>
      [...text.matchAll(/^ {2}(?:async )?(wait\w*)\(([^)]*)\)/gm)]
        .filter(
          ([, , parameters = ""]) =>
            !/options\?: (WaitOptions|Omit<WaitOptions, "completions">)/.test(parameters),
        )
        .map(([whole]) => `${file}: ${whole}`),
    );
    expect(bad).toEqual([]);
  });

  it("there are senders and receivers to look at", () => {
    expect(closing.length).toBeGreaterThan(12);
    expect(lacking("enqueue", []).length).toBeGreaterThan(4);
    expect(lacking("dequeue", []).length).toBeGreaterThan(4);
  });

  it.each(classes.filter(([name]) => name.endsWith("Error")))("%s is an error of the library", (_, type) => {
    const one = Object.create(type.prototype);
    expect([one instanceof Error, one instanceof (exported.get("SkbuffError") as Class)]).toEqual([
      true,
      true,
    ]);
    // Each is told from the others.
    const others = classes.filter(([name, other]) => name.endsWith("Error") && one instanceof other);
    expect(others.length).toBeLessThanOrEqual(2);
  });
});

describe("making", () => {
  const opened = classes.filter(([, type]) => "open" in type || "create" in type);

  it.each(opened)("%s, which is opened, has no constructor for users", (name) => {
    const { text = "" } = sources.find((source) => source.text.includes(`export class ${name} `)) ?? {};
    const of = text.slice(text.indexOf(`export class ${name} `));
    expect(/^ {2}(?:\/\*\* @internal \*\/ )?(private |protected )?constructor\(/m.exec(of)?.[1]).toBe(
      "private ",
    );
  });

  it("engine comes first wherever something is made for one", () => {
    const shown = sources.filter(({ text }) =>
      classes.some(([name]) => text.includes(`export class ${name} `)),
    );
    const bad = shown.flatMap(({ file, text }) =>
      [...text.matchAll(/^ {2}static (?:async )?(open|connect|from|attach)\(\s*(\w+)/gm)]
        .filter(([, , first]) => first !== "engine" && !(first === "token" && file === "engine.ts"))
        .map(([whole]) => `${file}: ${whole}`),
    );
    expect(bad).toEqual([]);
  });
});

describe("options", () => {
  const kinds = [...optionsOf()];

  it.each(kinds)("all names of %s are checked", (name) => {
    const checked = sources.some(({ text }) => text.includes(`Names<${name}>`));
    expect(checked).toBe(true);
  });

  it.each(kinds)("%s: each says its default, or must be given", (_, options) => {
    expect(options.filter(({ standard }) => standard === "").map(({ name }) => name)).toEqual([]);
  });

  it("timeouts and signals are called that", () => {
    for (const [name, options] of kinds)
      for (const option of options) {
        if (/^(timeout|signal)/i.test(option.name))
          expect([name, option.name]).toEqual([name, expect.stringMatching(/^(timeout|signal)$/)]);
      }
  });
});

describe("docstrings", () => {
  it("say a default in one grammar", () => {
    const bad = docstrings.filter(({ text }) =>
      /if (it is )?not given|\(the default\)|defaults to|Default of/.test(text),
    );
    expect(bad).toEqual([]);
    for (const { file, text } of docstrings)
      for (const [, rest = ""] of text.matchAll(/Default:(.*?)(?=Default:|$)/g))
        expect(`${file}: ${rest}`).toMatch(/^\S+: +\S.*?[.;]/);
  });

  it("have an example, of each public method", () => {
    const bad: string[] = [];
    let seen = 0;
    for (const { file, text } of sources)
      for (const [name] of classes) {
        const [, after] = text.split(new RegExp(`^export (?:abstract )?class ${name}\\b`, "m"));
        // Up to the brace that closes the class.
        const body = after?.split(/^}$/m)[0] ?? "";
        for (const [, comment = "", method = ""] of body.matchAll(
          /^ {2}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n {2}(?:static |async |\*)*(\w+|\[Symbol\.\w+\])\(/gm,
        )) {
          if (method.startsWith("_") || comment.includes("@internal")) continue;
          seen++;
          if (!comment.includes("@example")) bad.push(`${file}: ${name}.${method}`);
        }
      }
    expect(bad).toEqual([]);
    expect(seen).toBeGreaterThan(150);
  });

  it("say whose a packet is in one of three words", () => {
    const others = /\b(steals|consumes the packet|takes ownership|hands over ownership)\b/i;
    expect(docstrings.filter(({ text }) => others.test(text))).toEqual([]);
  });
});
