// What thread-stream's worker writes to. It gets pieces that end anywhere, and appends whole lines, so that those of several
// threads do not get into each other.

import { EventEmitter } from "node:events";
import fs from "node:fs";

class Destination extends EventEmitter {
  #fd;
  #rest = "";

  constructor(file) {
    super();
    this.#fd = fs.openSync(file, "a");
  }

  write(text) {
    const end = text.lastIndexOf("\n") + 1;
    if (end === 0) this.#rest += text;
    else {
      const whole = end === text.length ? text : text.slice(0, end);
      fs.writeSync(this.#fd, this.#rest === "" ? whole : this.#rest + whole);
      this.#rest = end === text.length ? "" : text.slice(end);
    }
    return true;
  }

  flushSync() {}

  end() {
    fs.closeSync(this.#fd);
    this.emit("close");
  }
}

export default ({ file }) => new Destination(file);
