// How the modules of src/ depend on each other: in layers, without circles but of types; and what is made for Node, for the web
// or for both reaches the inside of the library by its driver's interface only.

import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import ts from "typescript";
import { beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** From the ground up: each layer knows those before it. Those that share a line do not know each other. */
const LAYERS: readonly (readonly [name: string, modules: RegExp])[] = [
  ["layout, and the core as it is built", /^(assembly\/layout|build\/)/],
  ["errors", /^src\/errors/],
  [
    "words and checks",
    /^src\/(abort|check|core\/isolation|describe|dispose|ended|exit|numbers|reason|time|turns)\./,
  ],
  ["tokens and waits", /^src\/(token|wait|iteration|options)\./],
  ["core", /^src\/(core\/(crossing|load|load-js|heap|words)|pools|holders|arena)\./],
  ["packets", /^src\/(skb\/|(refusal|skb|staging|tracker)\.)/],
  ["an engine's parts", /^src\/(leaving|sleeper|waiter)\./],
  ["engine", /^src\/engine\./],
  ["lent memory", /^src\/(completions|ubuf|user-region)\./],
  ["queues", /^src\/(burst|mesh|queue|receiver|ring|sender)\./],
  ["driver", /^src\/driver\./],
  ["inspect", /^src\/inspect\//],
  ["io", /^src\/io\//],
  ["pipeline", /^src\/pipeline\//],
  ["node", /^src\/node\//],
  ["web", /^src\/web\//],
  ["entries", /^src\/(attach|index|js)\./],
];

/** What drivers may know besides the driver's interface: what users know, and what checks arguments and waits. */
const KNOWN_TO_DRIVERS =
  /^src\/(abort|burst|check|describe|driver|errors|iteration|mesh|numbers|queue|reason|receiver|ring|sender|skb|staging|time|token|turns|ubuf|user-region|wait|engine|dispose)\.|^assembly\/layout|^build\/core-js/;

const DRIVERS = /^src\/(io|node|pipeline|web)\//;

/** Each module's imports: those of values, which are there when the program runs. */
const imports = new Map<string, string[]>();

function layerOf(module: string): number {
  return LAYERS.findIndex(([, modules]) => modules.test(module));
}

beforeAll(async () => {
  const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: files.filter((file) => file.endsWith(".ts")).map((file) => `src/${file}`),
    bundle: true,
    write: false,
    splitting: true,
    outdir: "out",
    format: "esm",
    platform: "neutral",
    external: ["node:*"],
    metafile: true,
  });
  for (const [module, input] of Object.entries(metafile.inputs))
    imports.set(
      module,
      input.imports.filter(({ external }) => external !== true).map(({ path }) => path),
    );
});

describe("the modules of src/", () => {
  it("are all in a layer", () => {
    expect(imports.size).toBeGreaterThan(80);
    expect([...imports.keys()].filter((module) => layerOf(module) < 0)).toEqual([]);
  });

  it("know what is in layers below theirs, or in their own", () => {
    const wrong = [...imports].flatMap(([module, those]) =>
      those.filter((other) => layerOf(other) > layerOf(module)).map((other) => `${module} → ${other}`),
    );
    expect(wrong).toEqual([]);
  });

  it("that are for Node or for the web do not know each other", () => {
    const wrong = [...imports].flatMap(([module, those]) =>
      those
        .filter((other) => /^src\/(node|web)\//.test(other) && !other.startsWith(module.slice(0, 8)))
        .map((other) => `${module} → ${other}`),
    );
    expect(wrong).toEqual([]);
  });

  it("do not go in a circle", () => {
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (module: string, way: readonly string[]): void => {
      if (way.includes(module)) circles.push([...way.slice(way.indexOf(module)), module].join(" → "));
      if (done.has(module) || way.includes(module)) return;
      for (const other of imports.get(module) ?? []) visit(other, [...way, module]);
      done.add(module);
    };
    for (const module of imports.keys()) visit(module, []);
    expect(circles).toEqual([]);
  });

  it("that are drivers know the inside by the driver's interface", () => {
    const wrong = [...imports].flatMap(([module, those]) =>
      DRIVERS.test(module)
        ? those
            .filter((other) => !DRIVERS.test(other) && !KNOWN_TO_DRIVERS.test(other))
            .map((other) => `${module} → ${other}`)
        : [],
    );
    expect(wrong).toEqual([]);
  });
});

describe("drivers", () => {
  it("reach no member of the inside", () => {
    const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
    const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, root);
    const program = ts.createProgram(fileNames, options);
    const checker = program.getTypeChecker();
    const moduleOf = (node: ts.Node): string => relative(root, node.getSourceFile().fileName);
    const wrong: string[] = [];
    let looked = 0;
    const look = (node: ts.Node): void => {
      const name =
        ts.isPropertyAccessExpression(node) || ts.isBindingElement(node)
          ? ((node as { propertyName?: ts.Node }).propertyName ?? node.name)
          : undefined;
      if (name !== undefined && ts.isIdentifier(name) && name.text.startsWith("_")) {
        looked++;
        const declared = checker.getSymbolAtLocation(name)?.declarations?.[0];
        if (declared !== undefined && /^src\/[^/]+\.ts$/.test(moduleOf(declared)))
          wrong.push(`${moduleOf(node)}: ${name.text} of ${moduleOf(declared)}`);
      }
      ts.forEachChild(node, look);
    };
    for (const file of program.getSourceFiles()) if (DRIVERS.test(moduleOf(file))) look(file);
    expect(looked).toBeGreaterThan(50);
    expect(wrong).toEqual([]);
  });
});
