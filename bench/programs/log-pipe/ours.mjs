// The log pipe with the package: all threads send to one that writes.
//
// What makes it fast: a line is put into the arena at once, behind the others of its packet, and is written to the file from
// there. Nothing is made for it on the way.

import { isMainThread, Worker, workerData } from "node:worker_threads";
import { Engine, Mesh, Ring } from "skbuff";
import { main, serve } from "./lines.mjs";

/** Bytes of a packet of lines: to wake the thread that writes costs as much as some dozen lines. */
const PARCEL = 131072;
class Pipe {
  #engine;
  #sender;
  /** Of this thread: its number, and where its packets come back. */
  #thread;
  #back;
  /** The packet that is being filled. */
  #parcel = null;
  #bytes;
  #at = 0;
  /** Packets that there was no room for. */
  #waiting = [];
  #scheduled = false;

  constructor(engine, there, back, thread) {
    this.#engine = engine;
    this.#sender = there.sender(thread);
    this.#thread = thread;
    this.#back = back;
  }

  /** Goes out when the event loop turns, at the latest. */
  write(line) {
    // No character takes more than 3 bytes.
    if (this.#at + 3 * line.length > PARCEL) this.#send();
    if (this.#parcel === null) this.#begin();
    this.#at += this.#bytes.utf8Write(line, this.#at);
    return this.#waiting.length === 0;
  }

  #begin() {
    this.#parcel = this.#engine.alloc(0);
    const { buffer, byteOffset } = this.#parcel.addPageFrag(PARCEL);
    this.#bytes = Buffer.from(buffer, byteOffset, PARCEL);
    this.#at = 0;
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send() {
    const parcel = this.#parcel;
    if (parcel === null) return;
    this.#parcel = null;
    parcel.trim(this.#at);
    if (this.#waiting.length > 0 || !this.#sender.enqueue(parcel)) this.#waiting.push(parcel);
  }

  async drained() {
    while (this.#waiting.length > 0) {
      this.#waiting.splice(0, this.#sender.enqueueBurst([...this.#waiting]));
      if (this.#waiting.length > 0) await this.#sender.waitWritableAsync();
    }
  }

  /** An empty packet comes back when all before it is in the file. */
  async flushed() {
    this.#send();
    const last = this.#engine.alloc(0);
    last.mark = this.#thread;
    this.#waiting.push(last);
    await this.drained();
    await this.#back.waitAsync();
    this.#back.dequeue().release();
  }

  close() {
    this.#sender.close();
    this.#sender.release();
    this.#back.release();
    // A thread detaches; the one that made the engine closes it when all others have.
    if (!isMainThread) this.#engine.detach();
  }
}

if (isMainThread) {
  await main(new URL(import.meta.url), async (threads, file) => {
    const engine = await Engine.create({ memory: 16 << 20 });
    const there = new Mesh(engine, threads, 1, { capacity: 8 });
    const backs = Array.from({ length: threads }, () => new Ring(engine, { capacity: 1 }));
    const [token, thereToken, backTokens] = [
      engine.share(),
      there.share(),
      backs.map((back) => back.share()),
    ];
    const writer = new Worker(new URL("./ours-writer.mjs", import.meta.url), {
      workerData: { engine: token, there: thereToken, backs: backTokens, file },
    });
    return {
      pipe: new Pipe(engine, there, backs[0], 0),
      dataOf: (thread) => ({ engine: token, there: thereToken, back: backTokens[thread] }),
      close: async () => {
        await new Promise((resolve) => writer.once("exit", resolve));
        for (const back of backs) back.release();
        there.release();
        engine.close();
      },
    };
  });
} else {
  const { thread, task } = workerData;
  const engine = await Engine.attach(workerData.engine);
  const [there, back] = [Mesh.attach(engine, workerData.there), Ring.attach(engine, workerData.back)];
  serve(new Pipe(engine, there, back, thread), thread, task);
}
