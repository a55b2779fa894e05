// Captures that lie compressed: what with, and their bytes as Node inflates them.

import type { Transform } from "node:stream";
import zlib from "node:zlib";
import type { CaptureFile } from "./capture-file.js";

/** What is inflated into at most. */
const CHUNK = 65536;
/** What is inflated at a time: after a fault in it, byte by byte. */
const PIECE = 16384;
const NOTHING = new Uint8Array(0);

/** A way to compress that can be told by how a file begins. */
export interface Compression {
  readonly name: string;
  /** null if this Node cannot inflate it. */
  readonly inflate: (() => Transform) | null;
}

const options = { chunkSize: CHUNK };
/** Node has it from 22.15 on. */
const { createZstdDecompress } = zlib as unknown as {
  createZstdDecompress?: (given: typeof options) => Transform;
};

const GZIP: Compression = { name: "gzip", inflate: () => zlib.createGunzip(options) };
const ZSTD: Compression = {
  name: "zstd",
  inflate: createZstdDecompress === undefined ? null : () => createZstdDecompress(options),
};

/** What a file is compressed with that begins with these 4 bytes, the first one on top; null if with nothing that is known. */
export function compressionOf(start: number): Compression | null {
  if (start >>> 16 === 0x1f8b) return GZIP;
  if (start === 0x28b52ffd) return ZSTD;
  const name =
    start === 0xfd377a58
      ? "xz"
      : start >>> 8 === 0x425a68
        ? "bzip2"
        : start === 0x04224d18
          ? "lz4"
          : start >>> 16 === 0x1f9d
            ? "compress"
            : null;
  return name === null ? null : { name, inflate: null };
}

/** The bytes of a compressed file. Reads it only while somebody waits for them, so that it can be closed at any other time. */
export class Inflater {
  readonly #file: CaptureFile;
  readonly #inflate: Transform;
  readonly #make: () => Transform;
  /**
   * A second one, a piece behind the first. zlib keeps to itself what it has inflated of a piece when it finds a fault in it:
   * then this one takes that piece byte by byte, and has all that comes before the fault. null where the file can be read
   * again: then it is made, and reads up to there, only after a fault.
   */
  #behind: Transform | null = null;
  readonly #bytes = new Uint8Array(PIECE);
  /** What the first one was given last, and bytes of the file before it. */
  #piece: Uint8Array = NOTHING;
  #before = 0;
  /** Bytes that the first one, and the second, have given. */
  #came = 0;
  #cameBehind = 0;
  /** The first one has failed, and what it kept is here. */
  #rescued: Uint8Array[] | null = null;
  /** Where in the file the next read begins; null: where the descriptor stands. */
  #at: number | null;
  /** What has been inflated and was not asked for yet. */
  #rest: Uint8Array = NOTHING;
  /** Whether the inflater has something to do. */
  #busy = false;
  #ended = false;
  #error: Error | null = null;
  #wake: () => void = () => {};

  /** `first`: the bytes of the file that have been read already. */
  constructor(file: CaptureFile, make: () => Transform, first: Uint8Array, at: number | null) {
    this.#file = file;
    this.#make = make;
    this.#at = at ?? (file.again ? first.length : null);
    const inflate = make();
    this.#inflate = inflate;
    if (this.#at === null) this.#behind = this.#second();
    inflate.on("readable", () => this.#wake());
    inflate.on("end", () => {
      this.#ended = true;
      this.#wake();
    });
    inflate.on("error", (error) => {
      this.#error = error;
      this.#wake();
    });
    this.#give(first);
  }

  /** Reads up to as many bytes as `into` has. 0: it has ended. */
  async readAsync(into: Uint8Array): Promise<number> {
    while (this.#rest.length === 0) {
      if (this.#error !== null) {
        if (this.#rescued === null) await this.#rescue();
        const bytes = this.#rescued?.shift();
        if (bytes === undefined) throw this.#error;
        this.#rest = bytes;
        continue;
      }
      if (this.#ended) return 0;
      const came = this.#inflate.read() as Uint8Array | null;
      if (came !== null) {
        this.#rest = came;
        this.#came += came.length;
      } else if (this.#busy) await this.#change();
      else await this.#feed();
    }
    const part = this.#rest.subarray(0, into.length);
    into.set(part);
    this.#rest = this.#rest.subarray(part.length);
    return part.length;
  }

  async #feed(): Promise<void> {
    const n = await this.#file.readAsync(this.#bytes, this.#at);
    if (this.#at !== null) this.#at += n;
    if (n > 0) this.#give(this.#bytes.slice(0, n));
    else {
      this.#busy = true;
      // Of what came before it nothing is kept.
      this.#piece = NOTHING;
      this.#inflate.end();
    }
  }

  #give(bytes: Uint8Array): void {
    this.#busy = true;
    const before = this.#piece;
    this.#piece = bytes;
    this.#before += before.length;
    let left = this.#behind === null ? 1 : 2;
    const done = (): void => {
      if (--left > 0) return;
      this.#busy = false;
      this.#wake();
    };
    this.#inflate.write(bytes, done);
    this.#behind?.write(before, done);
  }

  /** What the second one has beyond what the first one gave. */
  #showBehind(bytes: Uint8Array): void {
    const known = Math.max(this.#came - this.#cameBehind, 0);
    this.#cameBehind += bytes.length;
    if (this.#rescued !== null && known < bytes.length) this.#rescued.push(bytes.subarray(known));
  }

  #second(): Transform {
    const second = this.#make();
    second.on("data", (bytes: Uint8Array) => this.#showBehind(bytes));
    // That is the first one's to say.
    second.on("error", () => {});
    return second;
  }

  /** Gets what the first one kept, if it had anything. */
  async #rescue(): Promise<void> {
    this.#rescued = [];
    if (this.#piece.length === 0) return;
    const read = this.#behind === null;
    this.#behind ??= this.#second();
    const behind = this.#behind;
    for (let at = 0; read && at < this.#before; ) {
      const n = await this.#file.readAsync(this.#bytes.subarray(0, this.#before - at), at);
      if (n === 0) return;
      await written(behind, this.#bytes.slice(0, n));
      at += n;
    }
    for (let i = 0; i < this.#piece.length && !behind.destroyed; i++)
      await written(behind, this.#piece.subarray(i, i + 1));
    // What it has pushed is handed out a turn later.
    await new Promise(setImmediate);
    behind.destroy();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** A read that is under way ends. */
  close(): void {
    this.#inflate.destroy();
    this.#behind?.destroy();
    this.#ended = true;
    this.#wake();
  }
}

/** Resolves when an inflater has done with bytes, or is destroyed. */
function written(inflate: Transform, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      inflate.off("close", done);
      resolve();
    };
    inflate.once("close", done);
    inflate.write(bytes, done);
  });
}
