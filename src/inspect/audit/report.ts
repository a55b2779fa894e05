// AuditReport: what an audit says.

import type { LivePacket } from "../../holders.js";

/** What an audit found. */
export interface AuditReport {
  /** Whether there are no problems. */
  readonly clean: boolean;
  /** Whether everything was checked: no other thread changed anything meanwhile. */
  readonly complete: boolean;
  /** What was not checked, because other threads were changing it. */
  readonly unchecked: readonly string[];
  /** Each object that is not where, or not referred to as often as, it should be. */
  readonly problems: readonly string[];
  /** Every packet that is out, members of frag lists not included. */
  readonly packets: readonly LivePacket[];
  /** ubufs that are live or wait for their callback. */
  readonly ubufs: number;
  /** Free pages, those included that are in magazines and depots. */
  readonly freePages: number;
  /** Pages of frags and regions. */
  readonly dataPages: number;
  /** Pages of heads. */
  readonly headPages: number;
  /** Pages of rings' slots. */
  readonly ringPages: number;
}

/** Pages by what they are for. */
export type PageCounts = Pick<AuditReport, "freePages" | "dataPages" | "headPages" | "ringPages">;
