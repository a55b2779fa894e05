// A static server for pages under test, with the two headers that make them cross-origin isolated, or without.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize, sep } from "node:path";
import { pipeline } from "node:stream/promises";

const TYPES: Record<string, string> = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".map": "application/json",
  ".mjs": "text/javascript",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

export interface Answer {
  readonly type?: string;
  readonly headers?: Record<string, string>;
  readonly body: string | Uint8Array;
}

/** What is answered to a path beside the files: first come, first served. */
export type Routes = Record<string, Answer | ((request: IncomingMessage) => Answer | Promise<Answer>)>;

export interface ServeOptions {
  /** The folder whose files are served; or several, by the first part of the path ("/dist": folder). */
  readonly root: string | Record<string, string>;
  /** Whether to send the headers of cross-origin isolation. */
  readonly isolated: boolean;
  readonly routes?: Routes;
  /** Beside the others, for every answer. */
  readonly headers?: Record<string, string>;
  /** Any free one if not given. */
  readonly port?: number;
}

export interface Served {
  /** Without a slash at the end. */
  readonly url: string;
  close(): Promise<void>;
}

function fileOf(root: ServeOptions["root"], path: string): string | undefined {
  const folders = typeof root === "string" ? { "": root } : root;
  for (const [prefix, folder] of Object.entries(folders)) {
    if (!path.startsWith(`${prefix}/`)) continue;
    const file = normalize(join(folder, path.slice(prefix.length)));
    // Nothing outside the folder, however the path is spelt.
    if (file.startsWith(normalize(folder + sep))) return file.endsWith(sep) ? `${file}index.html` : file;
  }
  return undefined;
}

export async function serve({
  root,
  isolated,
  routes = {},
  headers = {},
  port = 0,
}: ServeOptions): Promise<Served> {
  const always = {
    "Cache-Control": "no-store",
    ...(isolated && {
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Embedder-Policy": "require-corp",
    }),
    ...headers,
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
    const route = routes[path];
    if (route !== undefined) {
      const {
        type = "text/html",
        headers: own,
        body,
      } = typeof route === "function" ? await route(request) : route;
      response.writeHead(200, { ...always, "Content-Type": type, ...own }).end(body);
      return;
    }
    const file = fileOf(root, path);
    const found = file === undefined ? undefined : await stat(file).catch(() => undefined);
    if (file === undefined || !found?.isFile()) {
      response.writeHead(404, always).end();
      return;
    }
    const type = TYPES[extname(file)] ?? "application/octet-stream";
    response.writeHead(200, { ...always, "Content-Type": type, "Content-Length": found.size });
    await pipeline(createReadStream(file), response);
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: Error) => {
      if (!response.headersSent) response.writeHead(500, always);
      response.end(String(error));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
