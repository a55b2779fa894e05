// The audit of an engine's arena.

import { BASE } from "../arena.js";
import { checkEngine, type Engine } from "../engine.js";
import type { AuditReport } from "./audit/report.js";
import { auditArena } from "./audit-arena.js";

/**
 * Walks all tables and proves that every object is free in one place, or reachable exactly as its count says.
 * Takes time in proportion to the arena. While other threads change it, only this thread's own packets can be checked:
 * then `complete` is false, and `unchecked` says what was not.
 *
 * @throws EngineClosedError, ArgumentTypeError
 * @example
 * audit(engine).problems; // → []
 */
export function audit(engine: Engine): AuditReport {
  const { _heap: heap, thread } = checkEngine(engine);
  return auditArena(heap, BASE, thread);
}
