// The log pipe with thread-stream, as pino uses it: each thread has a stream of its own, whose worker appends to the file.
//
// What makes it fast: the worker writes what has come with one call, and does not wait for a thread of the pool.

import { once } from "node:events";
import { isMainThread, workerData } from "node:worker_threads";
import ThreadStream from "thread-stream";
import { main, serve } from "./lines.mjs";

const DESTINATION = new URL("./plain-destination.mjs", import.meta.url).href;

class Pipe {
  #stream;

  static async open(file) {
    const pipe = new Pipe();
    pipe.#stream = new ThreadStream({ filename: DESTINATION, workerData: { file } });
    await once(pipe.#stream, "ready");
    return pipe;
  }

  write(line) {
    return this.#stream.write(line);
  }

  drained() {
    return once(this.#stream, "drain");
  }

  flushed() {
    return new Promise((resolve, reject) => {
      this.#stream.flush((error) => (error ? reject(error) : resolve()));
    });
  }

  async close() {
    this.#stream.end();
    await once(this.#stream, "close");
  }
}

if (isMainThread) {
  await main(new URL(import.meta.url), async (_threads, file) => ({
    pipe: await Pipe.open(file),
    dataOf: () => ({ file }),
    close: () => {},
  }));
} else serve(await Pipe.open(workerData.file), workerData.thread, workerData.task);
