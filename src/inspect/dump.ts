// A packet as text: its layout in the words of skb_dump, and its bytes as tcpdump prints them.

import { MAX_LENGTH } from "../../assembly/layout.js";
import { checkInteger, checkOptions, type Names } from "../check.js";
import { ArgumentTypeError } from "../errors.js";
import { Skb } from "../skb.js";

/** How much of a packet `dump` prints. */
export interface DumpOptions {
  /** Bytes at most, from the first one on; 0 prints the layout alone. Default: 2048. */
  bytes?: number;
}

const OPTIONS: Names<DumpOptions> = { bytes: true };
/** More than a frame of Ethernet, and a screen or two. */
const BYTES = 2048;
/** As tcpdump has them. */
const LINE_BYTES = 16;
const HEX_WIDTH = 40;
/** The graphic characters of ASCII: all others could move the cursor, or mean something else where the text is shown. */
const GRAPHIC_FIRST = 0x21;
const GRAPHIC_LAST = 0x7e;

/**
 * What a packet is, as text (skb_dump, rte_pktmbuf_dump): lengths and room, where its parts and its headers are, who shares it;
 * then its bytes in lines as of `tcpdump -X`. Nothing but printable ASCII, tabs and line ends. Borrows `skb`.
 *
 * @throws StaleSkbError, ArgumentRangeError, ArgumentTypeError
 * @example
 * const hello = engine.alloc(32, { headroom: 16 }).putData(new TextEncoder().encode("Hello, packets!"));
 * dump(hello).split("\n").at(-1); // → "\t0x0000:  4865 6c6c 6f2c 2070 6163 6b65 7473 21    Hello,.packets!"
 * hello.release();
 */
export function dump(skb: Skb, options?: DumpOptions): string {
  if (!Skb._is(skb)) throw new ArgumentTypeError("skb", "an Skb", skb);
  const { bytes = BYTES } = checkOptions(options, OPTIONS);
  checkInteger("bytes", bytes, 0, MAX_LENGTH);
  const shown = Math.min(bytes, skb.length);
  const data = new Uint8Array(shown);
  skb.copyBits(0, data);
  const lines = layoutOf(skb);
  for (let at = 0; at < shown; at += LINE_BYTES) lines.push(lineOf(data.subarray(at, at + LINE_BYTES), at));
  const left = skb.length - shown;
  if (left > 0 && shown > 0) lines.push(`\t... ${left} more bytes`);
  return lines.join("\n");
}

function layoutOf(skb: Skb): string[] {
  const { macHeader, networkHeader, transportHeader, gsoSize, gsoSegments, gsoType } = skb;
  const offset = (header: number | null): string => (header === null ? "none" : String(header));
  const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, "0")}`;
  return [
    `skb len=${skb.length} headroom=${skb.headroom} headlen=${skb.linearLength} tailroom=${skb.tailroom} truesize=${skb.truesize}`,
    `mac=${offset(macHeader)} net=${offset(networkHeader)} trans=${offset(transportHeader)}`,
    `shinfo(dataref=${skb._engine._core.dataRefs(skb._handle)} frags=${skb.frags} frag_list=${skb.listLength} zerocopy=${skb.zeroCopy ? 1 : 0} gso(size=${gsoSize} segs=${gsoSegments} type=${gsoType}))`,
    `users=${skb.users} proto=${hex(skb.protocol, 4)} queue=${skb.queue} mark=${hex(skb.mark, 0)} hash=${hex(skb.hash, 0)} priority=${skb.priority}`,
  ];
}

function lineOf(bytes: Uint8Array, at: number): string {
  let hex = "";
  let text = "";
  for (const [i, byte] of bytes.entries()) {
    if (i % 2 === 0) hex += " ";
    hex += byte.toString(16).padStart(2, "0");
    text += byte >= GRAPHIC_FIRST && byte <= GRAPHIC_LAST ? String.fromCharCode(byte) : ".";
  }
  return `\t0x${at.toString(16).padStart(4, "0")}: ${hex.padEnd(HEX_WIDTH)}  ${text}`;
}
