// One way from the main thread to a worker, as fast as it goes: nanoseconds a packet or message, and the CPU time of both
// threads for each.

import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { RingBuffer } from "ringbuf.js";
import { Burst, Engine, Ring } from "skbuff";
import "skbuff/js";
import ThreadStream from "thread-stream";
import { cpuTime, say, start } from "./thread.mjs";

const BURST = 32;
const SMALL = 256;
/** Bytes of a message that is moved with its contents. */
const MESSAGE = 1500;
const RINGBUF_BYTES = 1 << 20;

/** Of each way: how a packet is filled and looked at; or how a message is sent and received. */
export const PIPES = [
  { id: "handles", title: "skbuff, 256 bytes, in a Burst of 32", core: "wasm", size: SMALL, handles: true },
  {
    id: "handled",
    title: "the same, 4 bytes written and read",
    core: "wasm",
    size: SMALL,
    handles: true,
    touch: true,
  },
  { id: "skbuff", title: "in arrays of 32 Skb objects, reused", core: "wasm", size: SMALL },
  { id: "touched", title: "the same, 4 bytes written and read", core: "wasm", size: SMALL, touch: true },
  { id: "fresh", title: "in arrays, untouched, new Skb objects", core: "wasm", size: SMALL, fresh: true },
  { id: "js", title: "in arrays, untouched, JS core", core: "js", size: SMALL },
  { id: "bytes", title: "skbuff, 1500 bytes copied in", core: "wasm", size: MESSAGE, copy: true },
  { id: "ringbuf", title: "ringbuf.js, 1500 bytes in and out" },
  { id: "stream", title: "thread-stream, 1500 bytes" },
  { id: "post", title: "postMessage, 1500 bytes copied" },
  { id: "transfer", title: "postMessage, 1500 bytes transferred" },
  { id: "batch", title: "postMessage, 32 times 1500 bytes at once" },
];

const message = () => new Uint8Array(MESSAGE).fill(7);

// ─── Main thread ───────────────────────────────────────────────────────────────────────────────────────

const senders = {
  async skbuff(pipe, n) {
    const engine = await Engine.create({ memory: 32 << 20, core: pipe.core });
    const ring = new Ring(engine, { capacity: 1024 });
    const other = await start(new URL(import.meta.url), {
      pipe,
      n,
      engine: engine.share(),
      ring: ring.share(),
    });
    return { other, send: () => (pipe.handles ? pour : pump)(engine, ring, pipe, n) };
  },
  async ringbuf(pipe, n) {
    const memory = RingBuffer.getStorageForCapacity(RINGBUF_BYTES, Uint8Array);
    const ring = new RingBuffer(memory, Uint8Array);
    const other = await start(new URL(import.meta.url), { pipe, n, memory });
    const bytes = message();
    const send = () => {
      for (let i = 0; i < n; ) if (ring.availableWrite() >= MESSAGE && ring.push(bytes) === MESSAGE) i++;
    };
    return { other, send };
  },
  async post(pipe, n) {
    const other = await start(new URL(import.meta.url), { pipe, n });
    const bytes = message();
    const send = () => {
      for (let i = 0; i < n; i++) other.worker.postMessage(bytes);
    };
    return { other, send };
  },
  async transfer(pipe, n) {
    const other = await start(new URL(import.meta.url), { pipe, n });
    const messages = Array.from({ length: n }, message);
    const send = () => {
      for (const bytes of messages) other.worker.postMessage(bytes, [bytes.buffer]);
    };
    return { other, send };
  },
  async batch(pipe, n) {
    const other = await start(new URL(import.meta.url), { pipe, n });
    const batch = Array.from({ length: BURST }, message);
    const send = () => {
      for (let i = 0; i < n; i += BURST) other.worker.postMessage(batch);
    };
    return { other, send };
  },
};

function pump(engine, ring, { size, touch, copy, fresh }, n) {
  const burst = new Array(BURST);
  const bytes = message();
  const four = bytes.subarray(0, 4);
  const options = { reuse: fresh !== true };
  for (let sent = 0; sent < n; ) {
    const got = engine.allocBurst(burst, size, Math.min(BURST, n - sent), options);
    for (let i = 0; touch && i < got; i++) burst[i].putData(four);
    for (let i = 0; copy && i < got; i++) burst[i].putData(bytes);
    let done = ring.enqueueBurst(burst, got);
    while (done < got) {
      ring.waitWritable();
      const rest = burst.slice(done, got);
      done += ring.enqueueBurst(rest);
    }
    sent += got;
  }
}

/** As pump, without objects. */
function pour(engine, ring, { size, touch }, n) {
  const burst = new Burst(engine, { capacity: BURST });
  for (let sent = 0; sent < n; ) {
    const got = engine.allocBurst(burst, size, Math.min(BURST, n - sent));
    for (let i = 0; touch && i < got; i++) {
      burst.put(i, 4);
      burst.writeU32(i, 0, sent + i);
    }
    ring.enqueueBurst(burst);
    while (burst.length > 0) {
      ring.waitWritable();
      ring.enqueueBurst(burst);
    }
    sent += got;
  }
}

/** A stream's worker is not ours to write: it counts bytes, and says so at the end. */
async function throughStream(n) {
  const stream = new ThreadStream({
    filename: fileURLToPath(new URL("./sink.mjs", import.meta.url)),
    workerData: {},
  });
  const text = "x".repeat(MESSAGE);
  await new Promise((resolve) => stream.once("ready", resolve));
  const [time, cpu] = [performance.now(), cpuTime()];
  for (let i = 0; i < n; i++) {
    if (!stream.write(text)) await new Promise((resolve) => stream.once("drain", resolve));
  }
  const closed = new Promise((resolve) => stream.once("close", resolve));
  stream.end();
  await closed;
  return { ns: ((performance.now() - time) * 1e6) / n, sender: (cpuTime() - cpu) / n, receiver: 0 };
}

/** Sends `n` packets or messages. Returns nanoseconds for each, and the CPU time of both threads. */
export async function run(id, n) {
  const pipe = PIPES.find((one) => one.id === id);
  if (id === "stream") return throughStream(n);
  const { other, send } = await senders[pipe.core === undefined ? id : "skbuff"](pipe, n);
  const [time, cpu] = [performance.now(), cpuTime()];
  const received = other.next();
  send();
  const sender = cpuTime() - cpu;
  const { receiver } = await received;
  return { ns: ((performance.now() - time) * 1e6) / n, sender: sender / n, receiver: receiver / n };
}

// ─── Worker ────────────────────────────────────────────────────────────────────────────────────────────

async function receive({ pipe, n, engine: token, ring: ringToken, memory }) {
  if (pipe.core !== undefined) {
    const engine = await Engine.attach(token);
    const ring = Ring.attach(engine, ringToken);
    say("ready");
    const cpu = cpuTime();
    (pipe.handles ? empty : drain)(engine, ring, pipe, n);
    say({ receiver: cpuTime() - cpu });
  } else if (pipe.id === "ringbuf") {
    const ring = new RingBuffer(memory, Uint8Array);
    const into = new Uint8Array(MESSAGE);
    say("ready");
    const cpu = cpuTime();
    for (let i = 0; i < n; ) if (ring.availableRead() >= MESSAGE && ring.pop(into) === MESSAGE) i++;
    say({ receiver: cpuTime() - cpu });
  } else {
    let got = 0;
    const cpu = cpuTime();
    parentPort.on("message", (value) => {
      got += Array.isArray(value) ? value.length : 1;
      if (got >= n) say({ receiver: cpuTime() - cpu });
    });
    say("ready");
  }
}

function drain(engine, ring, { touch, fresh }, n) {
  const burst = new Array(BURST);
  const options = { reuse: fresh !== true };
  let sum = 0;
  for (let got = 0; got < n; ) {
    const some = ring.dequeueBurst(burst, burst.length, options);
    if (some === 0) {
      ring.wait();
      continue;
    }
    for (let i = 0; touch && i < some; i++) sum += burst[i].readU32(0);
    engine.releaseBurst(burst, some);
    got += some;
  }
  return sum;
}

/** As drain, without objects. */
function empty(engine, ring, { touch }, n) {
  const burst = new Burst(engine, { capacity: BURST });
  let sum = 0;
  for (let got = 0; got < n; ) {
    const some = ring.dequeueBurst(burst);
    if (some === 0) {
      ring.wait();
      continue;
    }
    for (let i = 0; touch && i < some; i++) sum += burst.readU32(i, 0);
    engine.releaseBurst(burst);
    got += some;
  }
  return sum;
}

if (!isMainThread && workerData?.pipe !== undefined) await receive(workerData);
