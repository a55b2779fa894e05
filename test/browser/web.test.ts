// skbuff/web in every browser of this machine: packets to a server and back by WebSocket, by fetch, and through streams as
// WebTransport has them; and who takes views of shared memory, as the guide says it.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EchoServer } from "../web/echo-server.js";
import { ACCEPTS } from "./accepts.js";
import { type Browser, findBrowsers, launch, missingBrowsers, type Page } from "./browsers.js";
import { type Served, serve } from "./server.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What the functions below share, in the page. */
const PRELUDE = `
  const { Engine, Ring, Ubuf, UserRegion } = await import("/dist/index.js");
  const { audit } = await import("/dist/inspect.js");
  const { WebSocketReceiver, WebSocketSender, WebStreamReceiver, WebStreamSender, readablePackets, writablePackets } =
    await import("/dist/web.js");
  const engine = await Engine.create({ memory: 8 * 1024 * 1024 });
  const lengths = Array.from({ length: 200 }, (_, i) => (i * i * 37) % (i % 10 === 0 ? 70001 : 1501));
  const byteAt = (packet, i) => (packet * 7 + i * 3 + (i >> 8)) & 0xff;
  const completions = [];
  /** Part in the head, part in pages, part lent. */
  const packet = (i) => {
    const bytes = Uint8Array.from({ length: lengths[i] }, (_, at) => byteAt(i, at));
    const cut = Math.min(i % 97, bytes.length);
    const skb = engine.alloc(cut).putData(bytes.subarray(0, cut));
    const rest = bytes.subarray(cut);
    if (rest.length === 0) return skb;
    if (i % 3 > 0) return skb.append(rest);
    const region = new UserRegion(engine, rest.length);
    region.bytes.set(rest);
    skb.addUserFrag(region, 0, rest.length, new Ubuf(engine, ({ status }) => { completions.push(status); region.release(); }));
    return skb;
  };
  const check = (i, skb) => {
    const bytes = skb.toBytes();
    if (bytes.length !== lengths[i] || bytes.some((byte, at) => byte !== byteAt(i, at))) throw new Error("packet " + i);
    skb.release();
  };
  const send = async (sender, ready = () => true) => {
    for (let i = 0; i < lengths.length; i++) {
      const skb = packet(i);
      while (!ready(i)) await new Promise((go) => setTimeout(go, 1));
      while (!sender.enqueue(skb)) await sender.waitWritableAsync();
    }
  };
  const receive = async (receiver) => {
    let i = 0;
    for await (const skb of receiver) {
      check(i++, skb);
      if (i === lengths.length) break;
    }
    return i;
  };
  const finish = (what) => {
    const clean = audit(engine).clean && completions.every((status) => status === "sent");
    const left = engine.close();
    return { isolated: crossOriginIsolated, shared: engine.shared, clean, left: left.length, lent: completions.length, ...what };
  };`;

const BY_WEBSOCKET = `${PRELUDE}
  const socket = new WebSocket(args[0]);
  const sender = new WebSocketSender(engine, socket, { inFlight: 100000, end: false });
  const receiver = new WebSocketReceiver(engine, socket, { headroom: 32 });
  let most = 0;
  // Not more under way than may wait here.
  const [n] = await Promise.all([
    receive(receiver),
    send(sender, (i) => { most = Math.max(most, socket.bufferedAmount); return receiver.stats().received > i - 10; }),
  ]);
  await sender.close();
  await receiver.close();
  const { dropped } = receiver.stats();
  return finish({ n, dropped, bounded: most <= 100000 + 70001, closed: socket.readyState });`;

/** By what looks like a WebTransport whose server sends everything back. */
const BY_STREAMS = `${PRELUDE}
  const transport = {
    datagrams: new TransformStream(),
    createBidirectionalStream: async () => new TransformStream(),
  };
  const counts = [];
  for (const [ends, framing] of [[transport.datagrams, "none"], [await transport.createBidirectionalStream(), "length32"]]) {
    const sender = new WebStreamSender(engine, ends.writable, { framing });
    const receiver = new WebStreamReceiver(engine, ends.readable, { framing });
    // An empty chunk has no packet in it.
    if (framing === "none") lengths.forEach((n, i) => { lengths[i] = Math.max(n, 1); });
    const [n] = await Promise.all([receive(receiver), send(sender).then(() => sender.close())]);
    counts.push(n);
    await receiver.close();
  }
  return finish({ counts });`;

/** By the body of a response, and from there as a stream of packets through a ring. */
const BY_FETCH = `${PRELUDE}
  const chunks = new TransformStream();
  const sender = new WebStreamSender(engine, chunks.writable, { framing: "length16" });
  lengths.forEach((n, i) => { lengths[i] = Math.min(n, 65535); });
  const [body] = await Promise.all([new Response(chunks.readable).blob(), send(sender).then(() => sender.close())]);
  const response = await fetch("/mirror", { method: "POST", body });
  const receiver = new WebStreamReceiver(engine, response.body, { framing: "length16" });
  const ring = new Ring(engine, { capacity: 16 });
  const piped = readablePackets(receiver).pipeTo(writablePackets(ring));
  const n = await receive(ring);
  await piped;
  ring.release();
  return finish({ n, byob: receiver.byob });`;

for (const name of missingBrowsers()) {
  // Where tests must not be left out, a browser must not be missing.
  if (process.env.CI) it(`${name} is on this machine`, () => expect.fail(`${name} was not found`));
  else it.skip(`${name}: not found on this machine`, () => {});
}

const echo = new EchoServer();
beforeAll(() => echo.open());
afterAll(() => echo.close());

describe.each(findBrowsers())("$name", (found) => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch(found);
  });
  afterAll(() => browser?.close());

  describe.each([{ isolated: true }, { isolated: false }])("isolated: $isolated", ({ isolated }) => {
    let served: Served;
    let page: Page;

    beforeAll(async () => {
      served = await serve({
        root: { "/dist": `${root}/dist` },
        isolated,
        routes: {
          "/": {
            type: "text/html",
            body: '<!doctype html><title>skbuff</title><link rel="icon" href="data:,">',
          },
          "/mirror": async (request) => {
            const parts: Buffer[] = [];
            for await (const part of request) parts.push(part as Buffer);
            return { type: "application/octet-stream", body: Buffer.concat(parts) };
          },
        },
      });
      page = await browser.newPage();
      await page.goto(`${served.url}/`);
    });

    afterAll(async () => {
      await page?.close();
      await served?.close();
    });

    const well = { isolated, shared: isolated, clean: true, left: 0 };

    it("packets go to a server and back by WebSocket", async () => {
      const dropped = { full: 0, exhausted: 0, tooLong: 0 };
      const what = { ...well, lent: 65, n: 200, dropped, bounded: true, closed: 3 };
      expect(await page.evaluate(BY_WEBSOCKET, echo.url)).toEqual(what);
    });

    it("packets go through streams and datagrams like WebTransport's", async () => {
      expect(await page.evaluate(BY_STREAMS)).toMatchObject({ ...well, counts: [200, 200] });
    });

    it("packets come out of a response, as a stream of packets into a ring", async () => {
      expect(await page.evaluate(BY_FETCH)).toMatchObject({ ...well, n: 200 });
    });

    it("nothing went wrong in the page", async () => {
      expect(await page.errors()).toEqual([]);
    });

    it.runIf(isolated)("takes views of shared memory where the guide says so", async () => {
      const said = (await page.evaluate(ACCEPTS, echo.url, "/mirror")) as Record<string, string>;
      const table = guideTable();
      const tried = Object.keys(said).filter((name) => !name.endsWith("!"));
      expect(tried.sort()).toEqual([...table.keys()].sort());
      for (const name of tried) {
        if (said[name] !== "absent")
          expect(said[name], `${name}: ${said[`${name}!`]}`).toBe(table.get(name)?.[found.name]);
      }
    });
  });
});

/** By API, what each browser does with a view of shared memory. */
function guideTable(): Map<string, Record<string, string>> {
  const guide = readFileSync(`${root}/docs/browser.md`, "utf8");
  const [, rows = ""] = /\| views of shared memory \|.*\n.*\n((?:\|.*\n)+)/.exec(guide) ?? [];
  return new Map(
    rows
      .trim()
      .split("\n")
      .map((row) => {
        const [, api = "", chromium = "", firefox = "", webkit = ""] = row
          .split("|")
          .map((cell) => cell.trim());
        return [api.replaceAll("`", ""), { chromium, firefox, webkit }];
      }),
  );
}
