// Whoever produces packets need not know where they go.

import { PassThrough } from "node:stream";
import { Burst, Engine, Mesh, Ring } from "skbuff";
import { audit } from "skbuff/inspect";
import {
  CaptureWriter,
  StreamSender,
  Tap,
  type Transmitter,
  UdpReceiver,
  UdpSender,
  UdpSocket,
} from "skbuff/node";
import { expect, it } from "vitest";
import { Folder } from "./made.js";

const folder = new Folder();

/** What is written once for all of them. */
async function send(engine: Engine, transmitter: Transmitter): Promise<void> {
  for (let i = 0; i < 20; i++) {
    const skb = engine.alloc(4).putZeros(4);
    while (!transmitter.enqueue(skb)) await transmitter.waitWritableAsync();
  }
  const burst = Array.from({ length: 4 }, () => engine.alloc(4).putZeros(4));
  await transmitter.waitWritableAsync(4, { timeout: 5000 });
  expect(transmitter.enqueueBurst(burst, 4)).toBe(4);
  const handles = new Burst(engine, { capacity: 4 });
  engine.allocBurst(handles, 4);
  for (let i = 0; i < 4; i++) handles.putData(i, new Uint8Array(4));
  await transmitter.waitWritableAsync(4, { timeout: 5000 });
  expect(transmitter.enqueueBurst(handles)).toBe(4);
  expect(handles.length).toBe(0);
  handles.release();
}

it("rings, senders of a mesh, sockets and streams are transmitters", async () => {
  const engine = await Engine.create({ memory: 1024 * 1024 });
  const ring = new Ring(engine, { capacity: 64 });
  const mesh = new Mesh(engine, 1, 1, { capacity: 64 });
  const sender = mesh.sender(0);
  const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0 });
  const udp = await UdpSender.open(engine, { host: "127.0.0.1", port: receiver.port, inFlight: 8 });
  const socket = await UdpSocket.open(engine, { peer: { host: "127.0.0.1", port: receiver.port } });
  const stream = new StreamSender(engine, new PassThrough().resume(), { inFlight: 20 });
  const writer = CaptureWriter.open(engine, folder.fresh(), { batch: 8 });
  const transmitters: Transmitter[] = [ring, sender, udp, socket, stream, writer];
  for (const transmitter of transmitters) await send(engine, transmitter);
  await udp.close();
  await socket.close();
  await stream.close();
  await writer.close();
  expect([
    ring.size,
    udp.stats().sent,
    socket.stats().sender.sent,
    stream.stats().sent,
    writer.stats().packets,
  ]).toEqual([28, 28, 28, 28, 28]);
  receiver.abort();
  await receiver.close();
  sender.release();
  mesh.release();
  ring.release();
  expect(audit(engine).clean).toBe(true);
  expect(engine.close()).toEqual([]);
});

it("a capture can be what a tap stands before", async () => {
  const engine = await Engine.create({ memory: 1024 * 1024, threads: 2 });
  const writer = CaptureWriter.open(engine, folder.fresh(), { batch: 8 });
  const tap = await Tap.open(engine, folder.fresh());
  await send(engine, tap.on(writer));
  await writer.close();
  expect([writer.stats().packets, (await tap.close()).written]).toEqual([28, 28]);
  expect(engine.close()).toEqual([]);
});
