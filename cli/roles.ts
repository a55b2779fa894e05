// What the threads of a replay are told, and what they say.
//
//     reader ──ring each──▶ lookers ──ring each──▶ transmitter ──▶ UDP, TCP or nowhere
//                                                      └─ clones ─▶ tap

import { parentPort } from "node:worker_threads";
import type { EngineToken, MeshToken } from "skbuff";
import { threadCpuTime } from "skbuff/node";
import type { Counts } from "./counts.js";

/** Packets that each ring holds. */
export const RING_PACKETS = 1024;
/** Packets that go through a thread at once. */
export const BURST = 64;
/** Milliseconds between a thread's reports. */
const REPORT_MS = 100;

/**
 * What a datagram counts for on its way to a receiver of ours: the kernel keeps it in a buffer with an overhead of its own,
 * and drops what does not fit.
 */
export function creditOf(bytes: number): number {
  return bytes + 1024;
}

/** Milliseconds in fractions since the machine started, the same for all threads, also when somebody sets the wall clock. */
export function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** What every thread gets: the arena, and the rings before and behind the lookers. */
export interface Links {
  readonly engine: EngineToken;
  readonly there: MeshToken;
  readonly back: MeshToken;
}

export interface ReaderWork extends Links {
  readonly file: string | number;
  /** Times that the file is read; 0 is without end. */
  readonly loop: number;
  /** Times as fast as it was recorded; 0 is as fast as it goes. */
  readonly speed: number;
  /** Milliseconds from one packet to the next at most. */
  readonly gapMost: number;
  /** Buffers that the reader lends to packets: all the memory that it reads into, however long the file is. */
  readonly buffers: number;
  /** Bytes that a packet may have. */
  readonly longest: number;
  /** 1 once the replay is to end. */
  readonly stopped: Int32Array;
  /** Whether to make a chain of what was read, because it cannot be read again. */
  readonly digested: boolean;
}

export interface LookerWork extends Links {
  /** Which looker, from 0 on. */
  readonly i: number;
}

export interface Target {
  readonly kind: "udp" | "tcp";
  readonly host: string;
  readonly port: number;
}

export interface TransmitterWork extends Links {
  readonly target: Target | null;
  /** The tap's descriptor, and whether what its file has is to go. */
  readonly tap: { readonly fd: number; readonly empty: boolean } | null;
  /** Bytes of a packet that the tap keeps. */
  readonly longest: number;
  /** 1 once the replay is to end: then a receiver that takes nothing is not waited for. */
  readonly stopped: Int32Array;
  /** What the receiver has got, as `creditOf` counts, if it is one of ours: so that it is not sent more than its socket holds. */
  readonly received: Int32Array | null;
}

export interface ReaderReport {
  /** Packets that went on to the lookers. */
  readonly packets: number;
  /** Packets that were passed over, because they are too long. */
  readonly skipped: number;
  /** Milliseconds until the packet is due that is waited for. */
  readonly wait: number;
  /** The chain of the packets, if one is made. */
  readonly digest: string | null;
  /** Captured bytes. */
  readonly bytes: number;
  readonly rounds: number;
  /** When the first packet was read, by `clock`; 0 if none was. */
  readonly started: number;
  readonly completions: { readonly sent: number; readonly copied: number };
}

export interface LookerReport {
  readonly packets: number;
  readonly counts: Counts;
  /** Numbers of the flows that it has seen; only at the end. */
  readonly flows: readonly number[];
}

export interface TransmitterReport {
  /** Packets that the socket took; the tap has these. */
  readonly taken: number;
  /** Packets that were sent. */
  readonly packets: number;
  readonly bytes: number;
  /** When the last packet was taken by the socket, by `clock`; 0 if none was. */
  readonly ended: number;
  /** Packets that did not fit a datagram, and that the socket refused. */
  readonly tooLong: number;
  /** Packets that were not sent, and what the network says of some that were: that nobody took them. */
  readonly failed: number;
  readonly refused: number;
  /** What the system said of the first of them. */
  readonly complaint: string | null;
  readonly tap: {
    readonly written: number;
    readonly bytes: number;
    readonly dropped: number;
    /** Nanoseconds of a CPU that its worker has used. */
    readonly cpu: number;
  } | null;
}

/** What a thread says: how far it is, and at its end what it took and what went wrong. */
export interface Said<Report> {
  readonly report: Report;
  /** Whether it is as far as to begin. */
  readonly ready: boolean;
  readonly ended: boolean;
  /** Nanoseconds of a CPU that the thread has used so far, 0 where the system does not tell. */
  readonly cpu: number;
  readonly error: string | null;
}

/** In a worker: tells the main thread how far it is, now and then. */
export class Reporter<Report> {
  readonly #report: () => Report;
  #next = 0;
  #error: string | null = null;
  #ready = false;

  constructor(report: () => Report) {
    this.#report = report;
  }

  /** After some work. */
  tick(): void {
    const now = performance.now();
    if (now < this.#next) return;
    this.#next = now + REPORT_MS;
    this.#say(false);
  }

  /** Something went wrong; what is under way still comes to its end. */
  fail(error: unknown): void {
    this.#error ??= error instanceof Error ? error.message : String(error);
    this.#say(false);
  }

  /** All is there that is needed to begin. */
  ready(): void {
    this.#ready = true;
    this.#say(false);
  }

  end(): void {
    this.#say(true);
  }

  #say(ended: boolean): void {
    parentPort?.postMessage({
      report: this.#report(),
      ready: this.#ready,
      ended,
      cpu: threadCpuTime(),
      error: this.#error,
    } satisfies Said<Report>);
  }
}
