/// <reference lib="esnext.disposable" preserve="true" />
// The public face.

export type { AuditReport, LivePacket } from "./audit.js";
export type { Leak } from "./debug.js";
export {
  type AllocOptions,
  type BurstOptions,
  Engine,
  type EngineOptions,
} from "./engine.js";
export {
  ArgumentRangeError,
  ArgumentTypeError,
  EngineClosedError,
  ForeignSkbError,
  FragLimitError,
  HeldSkbError,
  InUseError,
  PoolExhaustedError,
  QueuedSkbError,
  RoomError,
  SharedDataError,
  SkbuffError,
  StaleRegionError,
  StaleSkbError,
  UbufError,
  UnsupportedError,
} from "./errors.js";
export { SkbQueue } from "./queue.js";
export { DropReason } from "./reason.js";
export { Skb } from "./skb.js";
export type { PoolStats, Stats } from "./stats.js";
export { type Completion, Ubuf, type UbufCallback, type UbufOptions, UserRegion } from "./ubuf.js";
