// What a packet says of itself beside its bytes.

import {
  CB_BYTES,
  SHINFO_GSO_SEGS,
  SHINFO_GSO_SIZE,
  SHINFO_GSO_TYPE,
  SKB_HASH,
  SKB_MAC_HEADER,
  SKB_MARK,
  SKB_NETWORK_HEADER,
  SKB_PRIORITY,
  SKB_PROTOCOL,
  SKB_QUEUE,
  SKB_TIMESTAMP_HIGH,
  SKB_TIMESTAMP_LOW,
  SKB_TRANSPORT_HEADER,
} from "../../assembly/layout.js";
import { checkInteger, U32_MOST } from "../check.js";
import { ArgumentRangeError, ArgumentTypeError } from "../errors.js";
import { MS_MOST, msOf, NS_MOST, nsOf, wordsOf, wordsOfMs } from "../time.js";
import { SkbReference } from "./reference.js";

/** An `Skb`'s metadata: the packet's own, not shared with clones, where nothing else is said. */
export abstract class SkbMetadata extends SkbReference {
  /**
   * EtherType or what you take for it, 16 bits (protocol).
   *
   * @throws ArgumentRangeError
   * @example
   * skb.protocol = 0x0800;
   * skb.protocol; // → 0x0800
   */
  get protocol(): number {
    return this._engine._core.field16(this._live(), SKB_PROTOCOL);
  }
  set protocol(value: number) {
    this._engine._core.setField16(this._live(), SKB_PROTOCOL, checkInteger("protocol", value, 0, 0xffff));
  }

  /** Receive or transmit queue, 16 bits (queue_mapping). @throws ArgumentRangeError */
  get queue(): number {
    return this._engine._core.field16(this._live(), SKB_QUEUE);
  }
  set queue(value: number) {
    this._engine._core.setField16(this._live(), SKB_QUEUE, checkInteger("queue", value, 0, 0xffff));
  }

  /** A number of yours, 32 bits (mark). @throws ArgumentRangeError */
  get mark(): number {
    return this._field(SKB_MARK);
  }
  set mark(value: number) {
    this._setField(SKB_MARK, checkInteger("mark", value, 0, U32_MOST));
  }

  /** Scheduling priority, 32 bits (priority). @throws ArgumentRangeError */
  get priority(): number {
    return this._field(SKB_PRIORITY);
  }
  set priority(value: number) {
    this._setField(SKB_PRIORITY, checkInteger("priority", value, 0, U32_MOST));
  }

  /** Flow hash, 32 bits (hash). @throws ArgumentRangeError */
  get hash(): number {
    return this._field(SKB_HASH);
  }
  set hash(value: number) {
    this._setField(SKB_HASH, checkInteger("hash", value, 0, U32_MOST));
  }

  /**
   * When the packet came: nanoseconds since 1970, 0 for none (tstamp). `timestampMs` is the same in milliseconds.
   *
   * @throws ArgumentRangeError, ArgumentTypeError
   * @example
   * skb.timestamp = 1_700_000_000_123_456_789n;
   * skb.timestamp; // → 1_700_000_000_123_456_789n
   */
  get timestamp(): bigint {
    const handle = this._live();
    const core = this._engine._core;
    return nsOf(core.field(handle, SKB_TIMESTAMP_HIGH) >>> 0, core.field(handle, SKB_TIMESTAMP_LOW) >>> 0);
  }
  set timestamp(value: bigint) {
    const handle = this._live();
    if (typeof value !== "bigint") throw new ArgumentTypeError("timestamp", "a bigint of nanoseconds", value);
    if (value < 0n || value > NS_MOST) throw new ArgumentRangeError("timestamp", `0n..${NS_MOST}n`, value);
    this._setTime(handle, wordsOf(value));
  }

  /**
   * `timestamp` in milliseconds, as of `Date.now()` or `performance.now()`, with parts of one: quicker than a BigInt. Whole
   * milliseconds are exact; of today's times parts of one are to a quarter of a microsecond.
   *
   * @throws ArgumentRangeError, ArgumentTypeError
   * @example
   * skb.timestampMs = 1_700_000_000_123;
   * skb.timestamp; // → 1_700_000_000_123_000_000n
   */
  get timestampMs(): number {
    const handle = this._live();
    const core = this._engine._core;
    return msOf(core.field(handle, SKB_TIMESTAMP_HIGH) >>> 0, core.field(handle, SKB_TIMESTAMP_LOW) >>> 0);
  }
  set timestampMs(value: number) {
    const handle = this._live();
    if (typeof value !== "number") throw new ArgumentTypeError("timestampMs", "milliseconds", value);
    if (!(value >= 0 && value <= MS_MOST))
      throw new ArgumentRangeError("timestampMs", `0..${MS_MOST}`, value);
    this._setTime(handle, wordsOfMs(value));
  }

  /**
   * A view of 48 bytes for the layer that holds the packet (cb). A clone starts with a copy of them.
   *
   * @example
   * skb.cb[0] = 7;
   * skb.clone().cb[0]; // → 7
   */
  get cb(): Uint8Array {
    return this._heap.view(this._engine._core.cbAddress(this._live()) >>> 0, CB_BYTES);
  }

  /**
   * Bytes of a segment of a GSO packet, 0 if it is none (gso_size). Shared with clones.
   *
   * @throws SharedDataError, ArgumentRangeError
   * @example
   * skb.gsoSize = 1448;
   * skb.clone().gsoSize; // → 1448
   */
  get gsoSize(): number {
    return this._engine._core.infoField(this._live(), SHINFO_GSO_SIZE) >>> 0;
  }
  set gsoSize(value: number) {
    this._setInfo(SHINFO_GSO_SIZE, checkInteger("gsoSize", value, 0, 0xffff));
  }

  /** Segments of a GSO packet (gso_segs). Shared with clones. @throws SharedDataError, ArgumentRangeError */
  get gsoSegments(): number {
    return this._engine._core.infoField(this._live(), SHINFO_GSO_SEGS) >>> 0;
  }
  set gsoSegments(value: number) {
    this._setInfo(SHINFO_GSO_SEGS, checkInteger("gsoSegments", value, 0, 0xffff));
  }

  /**
   * Kind of a GSO packet, a number of yours (gso_type). Shared with clones.
   *
   * @throws SharedDataError, ArgumentRangeError
   */
  get gsoType(): number {
    return this._engine._core.infoField(this._live(), SHINFO_GSO_TYPE) >>> 0;
  }
  set gsoType(value: number) {
    this._setInfo(SHINFO_GSO_TYPE, checkInteger("gsoType", value, 0, U32_MOST));
  }

  /**
   * Where the link-layer header starts, counted from the first byte of the packet (skb_mac_offset): negative once it
   * has been pulled; null while it is not set. It stays with its byte when the packet is pushed, pulled or moved, and is null
   * once that was pulled so long ago that its place was needed (see `headroom`).
   *
   * @throws ArgumentRangeError
   * @example
   * skb.macHeader = 0;
   * skb.pull(14);
   * skb.macHeader; // → -14
   */
  get macHeader(): number | null {
    return this._header(SKB_MAC_HEADER);
  }
  set macHeader(value: number | null) {
    this._setHeader("macHeader", SKB_MAC_HEADER, value);
  }

  /**
   * As `macHeader`, for the network header (skb_network_offset).
   *
   * @throws ArgumentRangeError
   * @example
   * skb.networkHeader = 14;
   * skb.pull(14);
   * skb.networkHeader; // → 0
   */
  get networkHeader(): number | null {
    return this._header(SKB_NETWORK_HEADER);
  }
  set networkHeader(value: number | null) {
    this._setHeader("networkHeader", SKB_NETWORK_HEADER, value);
  }

  /**
   * As `macHeader`, for the transport header (skb_transport_offset).
   *
   * @throws ArgumentRangeError
   * @example
   * skb.transportHeader = 34;
   * skb.pull(14);
   * skb.transportHeader; // → 20
   */
  get transportHeader(): number | null {
    return this._header(SKB_TRANSPORT_HEADER);
  }
  set transportHeader(value: number | null) {
    this._setHeader("transportHeader", SKB_TRANSPORT_HEADER, value);
  }

  private _setTime(handle: number, { high, low }: { high: number; low: number }): void {
    this._engine._core.setField(handle, SKB_TIMESTAMP_HIGH, high);
    this._engine._core.setField(handle, SKB_TIMESTAMP_LOW, low);
  }

  private _setInfo(field: number, value: number): void {
    this._check(this._engine._core.setInfoField(this._live(), field, value));
  }

  private _header(field: number): number | null {
    const handle = this._live();
    const stored = this._engine._core.field(handle, field) >>> 0;
    return stored === 0 ? null : stored - 1 - (this._engine._core.headroom(handle) >>> 0);
  }

  private _setHeader(what: string, field: number, value: number | null): void {
    const handle = this._live();
    if (value === null) {
      this._engine._core.setField(handle, field, 0);
      return;
    }
    const headroom = this.headroom;
    checkInteger(what, value, -headroom, this.linearLength);
    this._check(this._engine._core.setHeader(handle, field, headroom + value));
  }
}
