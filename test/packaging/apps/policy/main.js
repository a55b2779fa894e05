// What a page may use whose content security policy the server has set.

import { Engine } from "skbuff";

/** The core that one gets who asks for `core`, or the error. */
async function core(core) {
  try {
    const engine = await Engine.create({ memory: 1024 * 1024, core });
    engine.alloc(10).putZeros(10).release();
    engine.close();
    return engine.core;
  } catch ({ code, message }) {
    return `${code}: ${message}`;
  }
}

async function run() {
  const alone = [await core("wasm"), await core("auto"), await core("js")];
  await import("skbuff/js");
  return { alone, besideJs: [await core("wasm"), await core("auto"), await core("js")] };
}

globalThis.result = run();
