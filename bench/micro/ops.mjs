// What is measured, on what, and at which sizes: the one list that the orchestrator, the children and the report share.

export const SIZES = [64, 256, 1500, 4096, 16384, 65536];
/** The same in few characters. */
export const SIZE_LABELS = ["64", "256", "1.5K", "4K", "16K", "64K"];

/** The first one is what all others are compared with. */
export const SUBJECTS = [
  { id: "wasm-shared", title: "Wasm shared", short: "Wasm sh", engine: { core: "wasm", shared: true } },
  { id: "wasm-unshared", title: "Wasm unshared", short: "Wasm un", engine: { core: "wasm", shared: false } },
  {
    id: "js-shared",
    title: "JS, SharedArrayBuffer",
    short: "JS shared",
    engine: { core: "js", shared: true },
  },
  { id: "js-unshared", title: "JS, ArrayBuffer", short: "JS unsh", engine: { core: "js", shared: false } },
  { id: "node", title: "Node Buffer", short: "Node" },
  { id: "bl", title: "bl BufferList", short: "bl" },
];

export const BURST = 32;

/**
 * `per` is how many packets one call handles. `less` names an operation that is measured only to be subtracted,
 * by the subjects that need it.
 */
export const OPS = [
  { id: "alloc", title: "alloc + release" },
  { id: "burst", title: `alloc + release in bursts of ${BURST}, a packet`, per: BURST },
  { id: "reuse", title: "the same, Skb objects reused", per: BURST },
  { id: "handles", title: "the same, in a Burst without objects", per: BURST },
  { id: "twin", title: "alloc + clone + release x 2" },
  { id: "clone", title: "clone + release" },
  { id: "copy", title: "copy + release" },
  { id: "copyHead", title: "copyHead + release (small head, the rest in frags)" },
  { id: "put", title: "trim(0) + putData of a Buffer" },
  { id: "copyBits", title: "copyBits into a Buffer" },
  {
    id: "linearize",
    title: "linearize (copyHead + linearize + release, less copyHead + release)",
    less: "copyHead",
  },
  { id: "checksum", title: "checksum" },
];

/** Bytes of the payload that lie in the head when a packet has frags, and of each of its frags. */
export const HEAD_BYTES = 128;
export const FRAG_BYTES = 4096;

/** Lengths of the pieces of a packet with frags. */
export function pieces(size) {
  const head = Math.min(HEAD_BYTES, size >>> 1);
  const lengths = [head];
  for (let left = size - head; left > 0; left -= FRAG_BYTES) lengths.push(Math.min(left, FRAG_BYTES));
  return lengths;
}

/** The same bytes in every process. */
export function payload(size) {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + 7) & 0xff;
  return bytes;
}
