// The peer of a case: starting it, and asking it what it has used.

import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const PEER = fileURLToPath(new URL("./peer.mjs", import.meta.url));

export class Peer {
  #child;
  #ended;
  #samples = [];

  constructor(spec) {
    this.#child = fork(PEER, [JSON.stringify(spec)], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.#ended = this.#next("end");
  }

  /** Where it listens, once it does. */
  port() {
    return this.#next("port");
  }

  /** What it received or sent in all, once its stream has ended. */
  ended() {
    return this.#ended;
  }

  /** Has it take a sample. `told` is `measured`, or `stop`. */
  async sample(told) {
    const sample = this.#next("sample");
    this.#child.send(told);
    this.#samples.push(await sample);
  }

  /** What it used between two samples. */
  report() {
    const [from, to] = this.#samples;
    return {
      ms: to.time - from.time,
      messages: to.messages - from.messages,
      bytes: to.bytes - from.bytes,
      cpu: to.cpu - from.cpu,
      sleeps: to.sleeps - from.sleeps,
      all: { messages: to.messages, bytes: to.bytes },
    };
  }

  async close() {
    this.#child.kill();
    await once(this.#child, "exit");
  }

  /** The next value that it sends under this name. */
  #next(name) {
    return new Promise((resolve, reject) => {
      const take = (message) => {
        if (message[name] === undefined) return;
        this.#child.off("message", take);
        resolve(message[name]);
      };
      this.#child.on("message", take);
      this.#child.once("error", reject);
      this.#child.once("exit", (code) => code && reject(new Error(`the peer has ended: exit ${code}`)));
    });
  }
}
