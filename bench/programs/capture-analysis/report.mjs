// What an analysis found, as the harness wants it.

import { createHash } from "node:crypto";
import { Flows } from "./flows.mjs";

/** Of several parts, [{ packets, good, bad, flows }]. */
export function reportOf(parts) {
  const flows = new Flows();
  const total = { packets: 0, good: 0, bad: 0 };
  for (const part of parts) {
    for (const name of Object.keys(total)) total[name] += part[name];
    flows.merge(part.flows);
  }
  const rows = flows.rows().map(({ key, packets, bytes }) => `${key} ${packets} ${bytes}`);
  const text = `${JSON.stringify(total)} ${rows.sort().join("\n")}`;
  return { units: total.packets, digest: createHash("sha256").update(text).digest("hex") };
}
