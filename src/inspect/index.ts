/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Looking into an engine: what it counts, where memory is, whether all is in its place, and who made what is still out; and into
 * a packet.
 *
 * @module skbuff/inspect
 */

export type { LivePacket } from "../holders.js";
export type { AuditReport } from "./audit/report.js";
export { audit } from "./audit.js";
export { debug } from "./debug.js";
export { type DumpOptions, dump } from "./dump.js";
export { PageKind, type PageMap, PageOwner, pageMap } from "./pages.js";
export {
  type Counters,
  type Magazines,
  type PoolStats,
  type Stats,
  stats,
  type ThreadStats,
} from "./stats.js";
