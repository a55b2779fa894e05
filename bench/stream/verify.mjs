// Whether a case did what it says it measured: every message came through once, and every completion; what was to be copied
// was, and nothing else; and nothing is left in the arena.

import { audit, stats } from "skbuff/inspect";

function same(what, got, wanted) {
  if (got !== wanted) throw new Error(`${what}: expected ${wanted}, got ${got}`);
}

/** @throws Error if not. Returns what of it is a figure. */
export function verify({ mode, device, path }, figures, engine, ended) {
  const { guest, host, device: last } = figures;
  for (const [name, { all }] of Object.entries({ host, device: last })) {
    same(`bytes at the ${name}`, all.bytes, guest.all.bytes);
    same(`messages at the ${name}`, all.messages, guest.all.messages);
  }
  // Datagrams may be lost, and what comes back in TCP_RR was counted by the guest.
  if (device === "tcp" && mode !== "rr") same("bytes at the peer", ended.bytes, guest.all.bytes);
  return engine === undefined ? {} : verifyEngine(mode, path, guest, engine);
}

function verifyEngine(mode, path, guest, engine) {
  // Down and up again.
  const copies = (path.copies ? 1 : 0) * (mode === "rr" ? 2 : 1);
  const bytesCopied = guest.all.bytes * copies;
  // The engine's counters have 32 bits.
  same("bytes that the engine copied", stats(engine).bytesCopied, bytesCopied % 2 ** 32);
  if (guest.sent !== undefined) {
    same("completions", guest.sent + guest.copied, guest.all.messages);
    same("completions as copied", guest.copied, path.copies ? guest.all.messages : 0);
  }
  const { clean, problems } = audit(engine);
  if (!clean) throw new Error(`the audit is not clean: ${problems.join("; ")}`);
  same("what is still out", engine.close().join("; "), "");
  return { bytesCopied };
}
