// What is measured: paths, sizes, devices, modes, and which of their combinations say something.

/**
 * How a message gets from guest to host to device. `engine`: as packets, with which core, and whether the host copies them.
 * Else with postMessage, copied or transferred. What is transferred goes back to the guest with the acknowledgements: to
 * allocate a new buffer for each message instead took 10 to 40% more time, from 1500 bytes to 64 KiB.
 */
export const PATHS = [
  { id: "zero-copy", title: "zero-copy", engine: "wasm" },
  { id: "engine-copy", title: "engine copies", engine: "wasm", copies: true },
  { id: "zero-copy-js", title: "zero-copy, JS core", engine: "js" },
  { id: "engine-copy-js", title: "engine copies, JS core", engine: "js", copies: true },
  { id: "post-copy", title: "postMessage, copied" },
  { id: "post-transfer", title: "postMessage, transferred", transfers: true },
];

export const pathOf = (id) => PATHS.find((path) => path.id === id);

/** Without the JS core, which is for where there is no WebAssembly. */
export const MAIN_PATHS = PATHS.filter(({ engine }) => engine !== "js").map(({ id }) => id);
const JS_PATHS = ["zero-copy-js", "engine-copy-js"];

/** The sizes of the patch's table; and smaller ones, for where copying is cheaper. */
export const TABLE_SIZES = [4096, 8192, 16384, 65536];
export const SIZES = [256, 1500, ...TABLE_SIZES];
const FEWER_SIZES = SIZES.filter((size) => size !== 8192);
/** The last is the longest that a datagram can be. */
const UDP_SIZES = [4096, 16384, 65507];

export const DEVICES = [
  { id: "null", title: "null: lets go at once" },
  { id: "sum", title: "sum: reads every byte" },
  { id: "tcp", title: "tcp: a socket to another process" },
  { id: "udp", title: "udp: datagrams to another process" },
];

export const MODES = [
  { id: "stream", title: "STREAM: messages that are there" },
  { id: "dirty", title: "DIRTY: every byte written before, read after" },
  { id: "sendfile", title: "TCP_SENDFILE: messages read from a file" },
  { id: "maerts", title: "TCP_MAERTS: from the peer to the guest" },
  { id: "rr", title: "TCP_RR: there and back, one at a time" },
];

const crossed = (mode, devices, sizes, paths = MAIN_PATHS) =>
  devices.flatMap((device) => sizes.flatMap((size) => paths.map((path) => ({ mode, device, path, size }))));

/** All cases, those side by side that are compared. */
export const CASES = [
  ...crossed("stream", ["null", "sum"], FEWER_SIZES),
  ...crossed("stream", ["tcp"], SIZES),
  ...crossed("stream", ["udp"], UDP_SIZES),
  ...crossed("stream", ["sum", "tcp"], [4096, 65536], JS_PATHS),
  ...crossed("dirty", ["sum", "tcp"], [4096, 16384, 65536]),
  ...crossed("sendfile", ["tcp"], [4096, 65536]),
  ...crossed("maerts", ["tcp"], [4096, 65536]),
  ...crossed("rr", ["tcp"], [1, 1500]),
];

export const idOf = ({ mode, device, path, size }) => `${mode}/${device}/${path}/${size}`;

/** What a virtio queue holds, which is what the patch's guests had. */
const WINDOW_MESSAGES = 256;
const WINDOW_BYTES = 4 << 20;

/** Messages in flight at most, on every path. */
export function windowOf(size) {
  return Math.min(2 ** Math.floor(Math.log2(WINDOW_BYTES / size)), WINDOW_MESSAGES);
}
