// Makes docs/options.md from the types: every option with its default, as its docstring says it.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("..", import.meta.url));
const PAGE = `${root}docs/options.md`;

/** The modules that users import, and which call takes each kind of options, in the order of the page. */
const { entries, uses } = JSON.parse(readFileSync(new URL("options.json", import.meta.url), "utf8"));

/** Options of Node's or the web's own are theirs to describe. */
const isOurs = (symbol) =>
  symbol.declarations.every(({ parent }) => !parent.getSourceFile().isDeclarationFile);

/** @returns {Map<string, { name: string, type: string, text: string, standard: string }[]>} by the name of the interface */
export function optionsOf() {
  const config = ts.getParsedCommandLineOfConfigFile(
    `${root}tsconfig.json`,
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: (error) => {
        throw new Error(ts.flattenDiagnosticMessageText(error.messageText, "\n"));
      },
    },
  );
  const files = entries.map((entry) => `${root}${entry}`);
  const program = ts.createProgram(files, config.options);
  const checker = program.getTypeChecker();
  const found = new Map();
  for (const file of files) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(file));
    for (const exported of checker.getExportsOfModule(module)) {
      if (!exported.name.endsWith("Options") || found.has(exported.name)) continue;
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      const type = checker.getDeclaredTypeOfSymbol(symbol);
      found.set(
        exported.name,
        checker
          .getPropertiesOfType(type)
          .filter(isOurs)
          .map((option) => describe(checker, option)),
      );
    }
  }
  return found;
}

function describe(checker, option) {
  const node = option.valueDeclaration ?? option.declarations[0];
  const text = ts.displayPartsToString(option.getDocumentationComment(checker)).replace(/\s+/g, " ").trim();
  const optional = (option.flags & ts.SymbolFlags.Optional) !== 0;
  const [sentence, standard] = /Default: ((?:[^.]|\.(?=\S))*)\./.exec(text) ?? [
    "",
    optional ? "" : "required",
  ];
  return {
    name: option.name,
    type: typeOf(node) ?? checker.typeToString(checker.getTypeOfSymbol(option)),
    text: text.replace(sentence, "").replace(/ +/g, " ").trim(),
    standard,
  };
}

/** As the source has it, but for what a table has no room for: comments, and that nobody writes to it. */
function typeOf(node) {
  const text = node.type?.getText().replace(/\/\*\*.*?\*\/|\breadonly (?=\w+\??:)/gs, "");
  return text?.replace(/\s+/g, " ").replace("; }", " }");
}

const cell = (text) => text.replaceAll("|", "\\|").replace(/\s+/g, " ");

export function page() {
  const parts = [
    "# Options",
    "Every option of every call, with its default. An option of another name is an error, which names the one that was probably meant.\n" +
      "This page is made from the types by `npm run options`; a test compares it with them.",
  ];
  const found = optionsOf();
  for (const [name, use] of Object.entries(uses)) {
    const options = found.get(name);
    if (options === undefined) throw new Error(`scripts/options.json: there is no ${name}`);
    found.delete(name);
    parts.push(`## ${name}`, use);
    const rows = options.map(
      ({ name, type, text, standard }) =>
        `| \`${name}\` | \`${cell(type)}\` | ${cell(standard)} | ${cell(text)} |`,
    );
    parts.push(["| option | type | default | |", "|---|---|---|---|", ...rows].join("\n"));
  }
  if (found.size > 0) throw new Error(`scripts/options.json: it has no ${[...found.keys()].join(", ")}`);
  return `${parts.join("\n\n")}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, page());
