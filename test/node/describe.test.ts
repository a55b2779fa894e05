// What senders, receivers and taps say of themselves is a line, whatever hangs on them.

import { createReadStream, createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { Engine } from "skbuff";
import {
  CaptureReader,
  CaptureWriter,
  StreamReceiver,
  StreamSender,
  Tap,
  UdpReceiver,
  UdpSender,
} from "skbuff/node";
import { expect, it } from "vitest";

it("each says what it is in a line, and as a small object", async () => {
  const at = mkdtempSync(join(tmpdir(), "skbuff-"));
  const engine = await Engine.create({ memory: 4 * 1024 * 1024 });
  const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0 });
  const sender = await UdpSender.open(engine, { host: "127.0.0.1", port: receiver.port });
  const writer = CaptureWriter.open(engine, join(at, "one.pcap"));
  writer.closeSync();
  const reader = CaptureReader.open(engine, join(at, "one.pcap"));
  const tap = await Tap.open(engine, join(at, "two.pcap"));
  const output = new StreamSender(engine, createWriteStream(join(at, "three")));
  const input = StreamReceiver.from(engine, createReadStream(join(at, "one.pcap")));
  for (const one of [receiver, sender, writer, reader, tap, output, input]) {
    const name = one.constructor.name.replace(/^_/, "");
    for (const shown of [inspect(one, { breakLength: Number.POSITIVE_INFINITY }), JSON.stringify(one)]) {
      expect(shown, name).not.toContain("\n");
      expect(shown.length, shown).toBeLessThan(300);
    }
  }
  expect(`${receiver}`).toBe("UdpReceiver { size: 0, ended: false }");
  expect(`${sender}`).toMatch(/^UdpSender { inFlight: 0, most: \d+, ended: false }$/);
  expect(`${writer}`).toBe("CaptureWriter { packets: 0, bytes: 60, dropped: 0 }");
  expect(inspect(reader)).toMatch(/^CaptureReader { format: pcapng, packets: 0, position: \d+ }$/);
  expect(JSON.parse(JSON.stringify(tap))).toMatchObject({ type: "Tap", offered: 0, written: 0 });
  reader.close();
  for (const one of [receiver, sender, tap, output, input]) await one.close();
  engine.close({ force: true });
  rmSync(at, { recursive: true });
});
