// The same pipeline without the engine: every message is a Uint8Array that postMessage copies, from thread to thread.

import { BUCKETS, bucketOf } from "./histogram.js";
import type { Answer, Command, PostJob, Report } from "./protocol.js";
import { clockOf } from "./roles.js";
import { REPORT_MS } from "./thread.js";

/** A packet: its bytes, and when it began. null: there are no more. */
type Message = { readonly stamp: number; readonly bytes: Uint8Array } | null;

/** Packets that the sink acknowledges at once. */
const CREDIT = 8;

/** The Internet checksum, as the engine takes it. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] as number);
  if ((bytes.length & 1) === 1) sum += (bytes[bytes.length - 1] as number) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65536);
  return sum;
}

/** `next`: who gets what this thread sends, in turn. `back`: the source's ear, or the sink's mouth. */
export function runPost(
  { role, settings, plan, epoch, senders }: PostJob,
  place: number,
  ports: {
    readonly from: readonly MessagePort[];
    readonly next: readonly MessagePort[];
    readonly back: MessagePort | null;
  },
  post: (answer: Answer) => void,
  listen: (on: (command: Command) => void) => void,
): void {
  const clock = clockOf(epoch);
  const start = performance.now();
  const latencies = new Uint32Array(BUCKETS);
  let [packets, bytes, busy, turn, reported] = [0, 0, 0, 0, start];
  const send = (message: Message): void => ports.next[turn++ % ports.next.length]?.postMessage(message);

  function report(now: number): void {
    const base: Report = { kind: "report", role, place, packets, bytes, busy, wall: now - start };
    post(role === "sink" ? { ...base, latencies } : base);
    reported = now;
  }

  /** Runs `work`, and counts its time. */
  function timed(work: () => void): void {
    const before = performance.now();
    work();
    const now = performance.now();
    busy += now - before;
    if (now - reported >= REPORT_MS) report(now);
  }

  function end(): void {
    for (const port of ports.next) port.postMessage(null);
    report(performance.now());
    post({ kind: "done" });
  }

  post({ kind: "ready", thread: 0 });
  if (role === "source") {
    const { capture, size } = settings;
    const generated = Uint8Array.from({ length: size }, (_, i) => i & 0xff);
    let [credit, record, stopping, ended] = [plan.window, 0, false, false];
    const fill = (): void =>
      timed(() => {
        for (; credit > 0 && !stopping; credit--) {
          let packet = generated;
          if (capture !== null) {
            const offset = capture.offsets[record] as number;
            // A view is copied with all that is behind it, so it gets a buffer of its own.
            packet = capture.bytes.slice(offset, offset + (capture.lengths[record] as number));
            record = (record + 1) % capture.lengths.length;
          }
          send({ stamp: clock(), bytes: packet });
          packets++;
          bytes += packet.length;
        }
        if (stopping && !ended) {
          ended = true;
          end();
        }
      });
    listen(({ kind }) => {
      if (kind !== "stop") return;
      stopping = true;
      fill();
    });
    if (ports.back !== null)
      ports.back.onmessage = () => {
        credit += CREDIT;
        fill();
      };
    fill();
    return;
  }
  let left = senders;
  let seen = 0;
  const take = (message: Message): void => {
    if (message === null) {
      if (--left === 0) end();
      return;
    }
    packets++;
    bytes += message.bytes.length;
    if (role === "worker") {
      // Whoever comes next reads it, so that the sum is not left out.
      seen ^= checksum(message.bytes);
      send(message);
      return;
    }
    const bucket = bucketOf(clock() - message.stamp);
    latencies[bucket] = (latencies[bucket] as number) + 1;
    if (packets % CREDIT === 0) ports.back?.postMessage(seen);
  };
  for (const port of ports.from)
    port.onmessage = ({ data }: MessageEvent<Message>) => timed(() => take(data));
}
