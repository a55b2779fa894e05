// What both programs have in common: the lines, the threads that write them, and a look at what is in the file in the end.

import { createHash } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parentPort, Worker } from "node:worker_threads";
import { options, work } from "../lib/program.mjs";

/** Different lines that a thread writes, one after the other: to make them is not what is measured. */
const DIFFERENT = 1024;

function linesOf(thread, bytes) {
  return Array.from({ length: DIFFERENT }, (_, n) => {
    const line = JSON.stringify({
      level: 30,
      time: 1_700_000_000_000 + n,
      thread,
      n,
      msg: "request completed",
    });
    return `${line.slice(0, -1).padEnd(bytes - 2)}}\n`;
  });
}

/**
 * What a thread does: writes `count` lines of so many bytes into a pipe, and waits until they are in the file. A pipe has
 * `write(line)`, which returns whether more may come at once, `drained()` and `flushed()`.
 */
function writer(pipe, thread, { bytes, lines: count }) {
  const lines = linesOf(thread, bytes);
  return async () => {
    for (let i = 0; i < count; i++) if (!pipe.write(lines[i % DIFFERENT])) await pipe.drained();
    await pipe.flushed();
  };
}

/** In a worker: writes whenever it is told to, until it is told to `close`. */
export function serve(pipe, thread, task) {
  const write = writer(pipe, thread, task);
  parentPort.on("message", async (word) => {
    if (word === "close") {
      await pipe.close();
      parentPort.close();
    } else parentPort.postMessage(await write());
  });
}

/**
 * On the main thread: writes with as many threads as the load says, this one and workers of `url`, and is measured. `open(task,
 * file)` returns this thread's pipe and the workers' data.
 */
export async function main(url, open) {
  const { threads, lines } = options.check ? options.checked : options.load;
  const file = join(tmpdir(), `skbuff-log-${process.pid}.txt`);
  const task = { bytes: options.bytes, lines };
  fs.writeFileSync(file, "");
  const { pipe, dataOf, close } = await open(threads, file);
  const write = writer(pipe, 0, task);
  const others = Array.from(
    { length: threads - 1 },
    (_, i) => new Worker(url, { workerData: { thread: i + 1, task, ...dataOf(i + 1) } }),
  );
  const said = (worker) => new Promise((resolve) => worker.once("message", resolve));
  const run = async () => {
    const done = others.map(said);
    for (const worker of others) worker.postMessage("write");
    await write();
    await Promise.all(done);
    const size = fs.statSync(file).size;
    if (size !== threads * lines * task.bytes) throw new Error(`the file has ${size} bytes`);
    return { units: threads * lines, digest: options.check ? digestOf(file, threads) : "" };
  };
  await work(run, () => fs.truncateSync(file));
  const exits = others.map((worker) => new Promise((resolve) => worker.once("exit", resolve)));
  for (const worker of others) worker.postMessage("close");
  await Promise.all(exits);
  await pipe.close();
  await close();
  fs.unlinkSync(file);
}

/** Lines of one thread are in order; those of several come in between each other. */
function digestOf(file, threads) {
  const hashes = Array.from({ length: threads }, () => createHash("sha256"));
  for (const line of fs.readFileSync(file, "utf8").split("\n"))
    if (line !== "") hashes[JSON.parse(line).thread].update(line);
  return hashes.map((hash) => hash.digest("hex")).join();
}
