// The file of TCP_SENDFILE: messages as they are in DIRTY, from 0 on.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fill } from "./message.mjs";
import { slotOf } from "./source.mjs";

const FILE_BYTES = 16 << 20;

/** Calls `run` with the case, which has got a file if its mode is one that reads one. */
export async function withFile(given, run) {
  if (given.mode !== "sendfile") return run(given);
  const folder = await mkdtemp(join(tmpdir(), "skbuff-bench-"));
  try {
    const { size } = given;
    const messages = Math.floor(FILE_BYTES / size);
    const bytes = Buffer.alloc(messages * size);
    for (let seq = 0; seq < messages; seq++)
      fill(slotOf(bytes.subarray(seq * size, (seq + 1) * size)).words, seq);
    const path = join(folder, "messages");
    await writeFile(path, bytes);
    return await run({ ...given, file: { path, messages } });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
