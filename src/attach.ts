/// <reference lib="esnext.disposable" preserve="true" />
/**
 * `skbuff` without the core in Wasm, for threads that only attach: they get it with the token. Everything else is the same.
 *
 * @module skbuff/attach
 */

export type { AbortSignalLike } from "./abort.js";
export { Burst, type BurstOptions } from "./burst.js";
export { Engine } from "./engine.js";
export {
  ArgumentRangeError,
  ArgumentTypeError,
  EngineClosedError,
  type ErrorCode,
  ForeignSkbError,
  FragLimitError,
  HeldSkbError,
  InUseError,
  PoolExhaustedError,
  QueuedSkbError,
  RingClosedError,
  RingRoleError,
  RoomError,
  SharedDataError,
  SharedMemoryError,
  SkbuffError,
  StaleRegionError,
  StaleSkbError,
  ThreadLimitError,
  TimeoutError,
  TokenError,
  UbufError,
  UnsupportedError,
} from "./errors.js";
export type { PacketsOptions } from "./iteration.js";
export { Mesh, type MeshOptions } from "./mesh.js";
export type {
  AllocBurstOptions,
  AllocOptions,
  AttachOptions,
  DetachOptions,
  EngineOptions,
} from "./options.js";
export { SkbQueue } from "./queue.js";
export { DropReason } from "./reason.js";
export { Receiver } from "./receiver.js";
export { type DequeueOptions, Ring, type RingOptions } from "./ring.js";
export { Sender } from "./sender.js";
export { Skb, type UnsharedBytes } from "./skb.js";
export type { Packets, SkbArray } from "./staging.js";
export type { EngineToken, MeshToken, RingToken } from "./token.js";
export type { Debugging, Leak } from "./tracker.js";
export { type Completion, Ubuf, type UbufCallback, type UbufOptions } from "./ubuf.js";
export { UserRegion } from "./user-region.js";
export type { WaitOptions, Wakeup } from "./wait.js";
