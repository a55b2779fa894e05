// Captures that lie compressed: what with, and their bytes as Node inflates them.

import type { Transform } from "node:stream";
import zlib from "node:zlib";
import type { CaptureFile } from "./capture-file.js";

/** What is inflated at a time, and into at most. */
const CHUNK = 65536;

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
  readonly #bytes = new Uint8Array(CHUNK);
  /** Where in the file the next read begins; null: where the descriptor stands. */
  #at: number | null;
  /** What has been inflated and was not asked for yet. */
  #rest: Uint8Array = new Uint8Array(0);
  /** Whether the inflater has something to do. */
  #busy = false;
  #ended = false;
  #error: Error | null = null;
  #wake: () => void = () => {};

  /** `first`: the bytes of the file that have been read already. */
  constructor(file: CaptureFile, inflate: Transform, first: Uint8Array, at: number | null) {
    this.#file = file;
    this.#inflate = inflate;
    this.#at = at;
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
      if (this.#error !== null) throw this.#error;
      if (this.#ended) return 0;
      const came = this.#inflate.read() as Uint8Array | null;
      if (came !== null) this.#rest = came;
      else if (this.#busy) await this.#change();
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
    if (n > 0) this.#give(this.#bytes.subarray(0, n));
    else {
      this.#busy = true;
      this.#inflate.end();
    }
  }

  #give(bytes: Uint8Array): void {
    this.#busy = true;
    this.#inflate.write(bytes, () => {
      this.#busy = false;
      this.#wake();
    });
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** A read that is under way ends. */
  close(): void {
    this.#inflate.destroy();
    this.#ended = true;
    this.#wake();
  }
}
