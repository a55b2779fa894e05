// What examples claim, made to be checked: `expression; // → value` and `expression; // throws Name`.

const RESULT = /^(.+);\s*\/\/ → (.+)$/;
const REFUSAL = /^(await )?(.+);\s*\/\/ throws (\w+)$/;

/** The program with the results that it shows asserted; it needs `assert`. */
export function asserting(code: string): string {
  return code
    .split("\n")
    .map((line) => {
      const [refusal, pause = "", refused, name] = REFUSAL.exec(line) ?? [];
      if (refusal !== undefined)
        return pause === ""
          ? `assert.throws(() => ${refused}, { name: "${name}" });`
          : `await assert.rejects(async () => ${refused}, { name: "${name}" });`;
      if (!line.includes("→")) return line;
      const [, expression, value] = RESULT.exec(line) ?? [];
      if (value === undefined) throw new Error(`not an expression and its result: ${line}`);
      return `assert.deepEqual((${expression}), (${value}));`;
    })
    .join("\n");
}
