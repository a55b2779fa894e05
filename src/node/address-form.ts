// An address and a port as they stand in a packet's `cb`, so that they stay with the packet through rings and threads:
//
//      0 mark: whose address it is    2 port    4 address, 16 B    20 family    21 length of the zone    22 zone, 26 B
//
// Text is what Node gives and takes. It is made and parsed once for each address, not for each packet: both ways are remembered.

import { isIP, SocketAddress } from "node:net";
import type { Heap } from "../core/heap.js";
import type { Words } from "../core/words.js";

/** Where the packet came from, and where it goes: what a `cb` that is used for something else hardly starts with. */
export const FROM = 0x5d70;
export const TO = 0x5d71;

const FORM = 4;
const FAMILY = 16;
const ZONE = 18;
const ZONE_MOST = 26;
/** Words of the form without a zone, and with the longest. */
const WORDS = 5;
const WORDS_MOST = 11;

/** Addresses that are remembered each way, a power of two. A server has the same peers again and again. */
const KNOWN_MOST = 1024;
/** Forms by text. When it is full all go: that costs nothing but to parse again. */
const forms = new Map<string, Uint32Array>();
/** Texts by form, each in the one place that its hash gives it: a new one takes the place of the one before it. */
const texts = new Array<{ form: Uint32Array; text: string } | undefined>(KNOWN_MOST);

/** The form of an address, without mark and port; null if the text is none. The zone of one that is too long falls away. */
export function formOf(address: string): Uint32Array | null {
  const known = forms.get(address);
  if (known !== undefined) return known;
  const form = parse(address);
  if (form === null) return null;
  if (forms.size === KNOWN_MOST) forms.clear();
  forms.set(address, form);
  return form;
}

function parse(address: string): Uint32Array | null {
  const family = isIP(address);
  if (family === 0) return null;
  const [plain = "", zone = ""] = address.split("%");
  const kept = zone.length <= ZONE_MOST ? zone : "";
  const form = new Uint8Array(wordsFor(kept.length) * 4);
  form.set(family === 6 ? bytesOf6(plain) : plain.split(".").map(Number), 0);
  form[FAMILY] = family;
  form[FAMILY + 1] = kept.length;
  form.set(
    Array.from(kept, (letter) => letter.charCodeAt(0)),
    ZONE,
  );
  return new Uint32Array(form.buffer);
}

/** Words of a form whose zone has so many letters. */
function wordsFor(zone: number): number {
  return Math.min(WORDS + ((Math.max(zone - 2, 0) + 3) >>> 2), WORDS_MOST);
}

/** The 16 bytes of an IPv6 address. */
function bytesOf6(address: string): number[] {
  // The last 32 bits may be written as an IPv4 address.
  const [front = "", back] = address
    .replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
      const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
      return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
    })
    .split("::");
  const left = front === "" ? [] : front.split(":");
  const right = back === undefined || back === "" ? [] : back.split(":");
  const zeros = new Array<string>(8 - left.length - right.length).fill("0");
  return [...left, ...zeros, ...right].flatMap((text) => {
    const value = Number.parseInt(text, 16);
    return [value >>> 8, value & 0xff];
  });
}

// ─── In a cb ─────────────────────────────────────────────────────────────────────────────────────────────

/** Writes an address and a port into a cb. Trusts all of them. */
export function writeForm(heap: Heap, cb: number, mark: number, form: Uint32Array, port: number): void {
  heap.setWord(cb, mark + port * 0x10000);
  for (let i = 0; i < form.length; i++) heap.setWord(cb + FORM + i * 4, form[i] as number);
}

/** Copies what one cb says to another, with a mark of its own. */
export function copyForm(from: Words, source: number, to: Heap, cb: number, mark: number): void {
  const n = wordsAt(from, source);
  to.setWord(cb, mark + portAt(from, source) * 0x10000);
  for (let at = FORM; at < FORM + n * 4; at += 4) to.setWord(cb + at, from.word(source + at));
}

/** Whether a cb has an address of this mark. */
export function hasForm(heap: Words, cb: number, mark: number): boolean {
  return (heap.word(cb) & 0xffff) === mark && familyAt(heap, cb) !== 0;
}

export function portAt(heap: Words, cb: number): number {
  return heap.word(cb) >>> 16;
}

/** 4 or 6; 0 if it is neither. */
export function familyAt(heap: Words, cb: number): 0 | 4 | 6 {
  const family = heap.word(cb + FORM + FAMILY) & 0xff;
  return family === 4 || family === 6 ? family : 0;
}

function wordsAt(heap: Words, cb: number): number {
  return wordsFor((heap.word(cb + FORM + FAMILY) >>> 8) & 0xff);
}

/** Whether the address in a cb is this one. */
export function isForm(heap: Words, cb: number, form: Uint32Array): boolean {
  if (wordsAt(heap, cb) !== form.length) return false;
  for (let i = 0; i < form.length; i++) if (heap.word(cb + FORM + i * 4) !== form[i]) return false;
  return true;
}

/** The text of the address in a cb. Trusts that there is one. */
export function textAt(heap: Words, cb: number): string {
  const n = wordsAt(heap, cb);
  let hash = 0;
  for (let i = 0; i < n; i++) hash = Math.imul(hash ^ heap.word(cb + FORM + i * 4), 0x9e3779b1);
  const place = (hash >>> 20) & (KNOWN_MOST - 1);
  const known = texts[place];
  if (known !== undefined && isForm(heap, cb, known.form)) return known.text;
  const form = Uint32Array.from({ length: n }, (_, i) => heap.word(cb + FORM + i * 4));
  const text = textOf(new Uint8Array(form.buffer));
  texts[place] = { form, text };
  return text;
}

function textOf(form: Uint8Array): string {
  if (form[FAMILY] === 4) return form.subarray(0, 4).join(".");
  const words = Array.from({ length: 8 }, (_, i) =>
    ((form[2 * i] as number) * 256 + (form[2 * i + 1] as number)).toString(16),
  );
  const { address } = new SocketAddress({ address: words.join(":"), family: "ipv6" });
  const zone = String.fromCharCode(...form.subarray(ZONE, ZONE + (form[FAMILY + 1] as number)));
  return zone === "" ? address : `${address}%${zone}`;
}
