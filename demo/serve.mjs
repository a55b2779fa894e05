// npm run demo: builds the page and serves it, cross-origin isolated.
//
//     node demo/serve.mjs [--port N] [--unisolated]     serves until it is interrupted
//     node demo/serve.mjs --build FOLDER                only writes the page, for another server

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildDemo } from "./build.mjs";

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css" };
const ISOLATED = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

const { values } = parseArgs({
  options: { port: { type: "string" }, build: { type: "string" }, unisolated: { type: "boolean" } },
});
const port = Number(values.port ?? 0);
if (!Number.isInteger(port) || port < 0 || port > 65535) {
  console.error(`"--port" expected 0..65535, got ${values.port}`);
  process.exit(2);
}
const built = fileURLToPath(new URL("../dist/index.js", import.meta.url));
// Builds the package itself, where that was not done.
if (!existsSync(built)) await import("../scripts/build.mjs");

const folder =
  values.build === undefined ? fileURLToPath(new URL("dist/", import.meta.url)) : resolve(values.build);
await buildDemo(folder);

if (values.build !== undefined) console.log(`The page is in ${folder}`);
else {
  const headers = { "Cache-Control": "no-store", ...(values.unisolated ? {} : ISOLATED) };
  const server = createServer(async ({ url = "/" }, response) => {
    try {
      const path = normalize(decodeURIComponent(new URL(url, "http://localhost").pathname));
      const file = join(folder, path.endsWith("/") ? "index.html" : path);
      const body = await readFile(file);
      response
        .writeHead(200, { ...headers, "Content-Type": TYPES[extname(file)] ?? "application/octet-stream" })
        .end(body);
    } catch {
      response.writeHead(404, headers).end();
    }
  });
  server.on("error", (error) => {
    console.error(`"--port" expected a free one, got ${port}: ${error.code}`);
    process.exit(1);
  });
  server.listen(port, "127.0.0.1", () => console.log(`http://localhost:${server.address().port}/`));
}
