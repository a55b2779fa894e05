// An option that there is not is refused wherever options are taken, and the one that was meant is named.

import { PassThrough } from "node:stream";
import { Engine } from "skbuff";
import { StreamReceiver, StreamSender, Tap, UdpReceiver, UdpSender, UdpSocket } from "skbuff/node";
import { WebSocketReceiver, WebSocketSender, WebStreamReceiver, WebStreamSender } from "skbuff/web";
import { expect, it } from "vitest";
import { fakeSocket, State } from "./fake-socket.js";
import { Peer } from "./peer.js";

/** A WebSocket that never opens. */
const socket = fakeSocket(State.connecting);

/** What takes options, by the name that was written and the one that was meant. */
const TAKERS: Record<string, [string, string, (engine: Engine, options: object) => unknown]> = {
  "Tap.open": ["capacty", "capacity", (engine, options) => Tap.open(engine, "/dev/null", options)],
  "UdpReceiver.open": [
    "headRoom",
    "headroom",
    (engine, options) => UdpReceiver.open(engine, { port: 0, ...options }),
  ],
  "UdpSender.open": [
    "inflight",
    "inFlight",
    (engine, options) => UdpSender.open(engine, { host: "127.0.0.1", port: 9, ...options }),
  ],
  "UdpSocket.open": ["brodcast", "broadcast", (engine, options) => UdpSocket.open(engine, options)],
  "StreamReceiver.from": [
    "bakclog",
    "backlog",
    (engine, options) => StreamReceiver.from(engine, new PassThrough(), options),
  ],
  "StreamReceiver.connect": [
    "chunks",
    "chunk",
    (engine, options) => StreamReceiver.connect(engine, { port: 1, host: "127.0.0.1", ...options }),
  ],
  StreamSender: ["frame", "", (engine, options) => new StreamSender(engine, new PassThrough(), options)],
  WebSocketReceiver: [
    "ontext",
    "onText",
    (engine, options) => new WebSocketReceiver(engine, socket, options),
  ],
  WebSocketSender: ["ends", "end", (engine, options) => new WebSocketSender(engine, socket, options)],
  WebStreamReceiver: [
    "framin",
    "framing",
    (engine, options) => new WebStreamReceiver(engine, new ReadableStream(), options),
  ],
  WebStreamSender: [
    "longst",
    "longest",
    (engine, options) => new WebStreamSender(engine, new WritableStream(), options),
  ],
};

it.each(Object.entries(TAKERS))("%s", async (_, [written, meant, take]) => {
  const engine = await Engine.create({ memory: 1 << 20 });
  const error = await (async () => take(engine, { [written]: 1 }))().catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: "ERR_SKB_TYPE" });
  if (meant !== "") expect((error as Error).message).toBe(`"options" expected ${meant}, got "${written}"`);
  expect(engine.close()).toEqual([]);
});

it("what net.connect takes is passed on", async () => {
  const engine = await Engine.create({ memory: 1 << 20 });
  const peer = new Peer();
  await peer.open();
  const place = { host: "127.0.0.1", port: peer.port };
  const receiver = await StreamReceiver.connect(engine, {
    ...place,
    noDelay: true,
    keepAlive: true,
    chunk: 8192,
  });
  await receiver.close();
  receiver.abort();
  await peer.close();
  expect(engine.close()).toEqual([]);
});

it.each<[wanted: string, options: object | undefined]>([
  ['"port" expected an integer, 0..65535, got undefined', undefined],
  ['"port" expected an integer, 0..65535, got undefined', {}],
  ['"port" expected an integer, 0..65535, got undefined', { prt: 5 }],
  ['"port" expected an integer, 0..65535, got "x"', { port: "x" }],
  ['"port" expected 0..65535, got -1', { port: -1 }],
  ['"port" expected 0..65535, got 70000', { port: "70000" }],
  ['"host" expected a string that is not empty, got 5', { port: 1, host: 5 }],
  ['"path" expected a string that is not empty, got 5', { path: 5 }],
  ['"options" expected an object, got an object of another kind', []],
  ['"options" expected what net.connect takes, got ', { port: 1, host: "127.0.0.1", timeout: "x" }],
  ['"options" expected what net.connect takes, got ', { port: 1, host: "127.0.0.1", localAddress: "x" }],
])("StreamReceiver.connect: %s", async (wanted, options) => {
  const engine = await Engine.create({ memory: 1 << 20 });
  const error = await StreamReceiver.connect(engine, options as never).catch((reason: unknown) => reason);
  expect((error as Error).message).toContain(wanted);
  expect((error as { code: string }).code).toMatch(/^ERR_SKB_(TYPE|RANGE)$/);
  // No chunk is left behind: it would refuse.
  expect(engine.close()).toEqual([]);
});

it("a socket's host and port that were not given are said to be undefined", async () => {
  const engine = await Engine.create({ memory: 1 << 20 });
  const said = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => "nothing",
      (reason: Error) => reason.message,
    );
  const port = (least: number): string => `"port" expected an integer, ${least}..65535, got undefined`;
  expect(await said(UdpReceiver.open(engine, undefined as never))).toBe(port(0));
  expect(await said(UdpReceiver.open(engine, {} as never))).toBe(port(0));
  expect(await said(UdpSender.open(engine, { host: "127.0.0.1" } as never))).toBe(port(1));
  expect(await said(UdpSender.open(engine, undefined as never))).toBe(
    '"host" expected a string that is not empty, got undefined',
  );
  expect(engine.close()).toEqual([]);
});
