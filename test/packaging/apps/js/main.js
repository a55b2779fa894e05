// Which core a page gets that has imported the one in JS for what that does.

import "skbuff/js";
import { Engine } from "skbuff";

async function run() {
  const engine = await Engine.create({ memory: 1024 * 1024, core: "js" });
  engine.alloc(10).putZeros(10).release();
  engine.close();
  return engine.core;
}

globalThis.result = run().catch(({ code, message }) => `${code}: ${message}`);
