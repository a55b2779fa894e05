// npx skbuff info: what a capture holds.

import { Engine } from "skbuff";
import { CaptureError, type CaptureInterface, CaptureReader, linkTypeOf, timeOf } from "skbuff/node";
import { type Counts, countLook, Flows, noCounts } from "./counts.js";
import { onWire } from "./digest.js";
import { lookAtInput } from "./files.js";
import { ETHERNET, Look, look } from "./look.js";
import { plain } from "./plain.js";
import { count, memoryText } from "./report.js";
import { type Row, type Screen, tableOf } from "./table.js";
import { arenaFor } from "./verify.js";

/** Names of what packets are counted by (IANA, Protocol Numbers). */
const IP_PROTOCOLS = new Map([
  [1, "ICMP"],
  [2, "IGMP"],
  [6, "TCP"],
  [17, "UDP"],
  [47, "GRE"],
  [50, "ESP"],
  [58, "ICMPv6"],
  [132, "SCTP"],
]);
/** The same of EtherTypes (IEEE 802 Numbers). */
const ETHER_TYPES = new Map([
  [0, "unknown"],
  [4, "802.3"],
  [0x0806, "ARP"],
  [0x8847, "MPLS"],
  [0x88cc, "LLDP"],
]);

export interface Info {
  readonly file: string;
  readonly format: string;
  readonly interfaces: readonly CaptureInterface[];
  readonly packets: number;
  /** Packets that were passed over, because they are too long. */
  readonly skipped: number;
  /** Packets that have no time: they count in none of the times. */
  readonly timeless: number;
  /** Bytes that were captured, and that were on the wire. */
  readonly bytes: number;
  readonly originalBytes: number;
  /** Packets of which not all was captured. */
  readonly cut: number;
  readonly shortest: number;
  readonly longest: number;
  /** Nanoseconds since 1970, as a string, because JSON has no number for it; null without packets that have a time. */
  readonly first: string | null;
  readonly last: string | null;
  /** Seconds from the earliest to the latest. */
  readonly seconds: number;
  readonly protocols: Readonly<Record<string, number>>;
  readonly vlan: number;
  readonly fragments: number;
  readonly flows: number;
  readonly checksums: Counts;
  /** What is wrong with the file behind the packets counted here; null if nothing is. */
  readonly error: string | null;
}

function nameOf({ ipVersion, ipProtocol, protocol }: Look): string {
  if (ipVersion !== 0) return `IPv${ipVersion} ${IP_PROTOCOLS.get(ipProtocol) ?? `protocol ${ipProtocol}`}`;
  return ETHER_TYPES.get(protocol) ?? `0x${protocol.toString(16).padStart(4, "0")}`;
}

/** Reads a capture through. `most`: bytes that a packet may have. */
export async function info(file: string, most: number): Promise<Info> {
  const input = lookAtInput(file);
  const engine = await Engine.create({ memory: arenaFor(most) });
  const found = new Look();
  const checksums = noCounts();
  const flows = new Flows();
  const protocols: Record<string, number> = {};
  const totals = { packets: 0, timeless: 0, bytes: 0, originalBytes: 0, cut: 0, vlan: 0, fragments: 0 };
  let shortest = Number.POSITIVE_INFINITY;
  let longest = 0;
  let first: bigint | null = null;
  let last: bigint | null = null;
  let error: string | null = null;
  let reader: CaptureReader | null = null;
  try {
    reader = CaptureReader.open(engine, input.file, { longest: most });
    for await (const skb of reader) {
      const original = onWire(skb);
      const time = timeOf(skb);
      look(skb, linkTypeOf(skb) ?? ETHERNET, original, found);
      countLook(checksums, found);
      flows.add(found);
      const name = nameOf(found);
      protocols[name] = (protocols[name] ?? 0) + 1;
      totals.packets++;
      totals.bytes += skb.length;
      totals.originalBytes += original;
      if (original > skb.length) totals.cut++;
      if (found.vlanTags > 0) totals.vlan++;
      if (found.isFragment) totals.fragments++;
      shortest = Math.min(shortest, skb.length);
      longest = Math.max(longest, skb.length);
      // In the file they need not be in order.
      if (time === null) totals.timeless++;
      else {
        first = first === null || time < first ? time : first;
        last = last === null || time > last ? time : last;
      }
      skb.release();
    }
  } catch (caught) {
    if (!(caught instanceof CaptureError)) throw caught;
    error = caught.message;
  }
  const result = {
    file: input.name,
    format: reader?.format ?? "unknown",
    interfaces: reader?.interfaces ?? [],
    ...totals,
    skipped: reader?.stats().skipped ?? 0,
    shortest: totals.packets === 0 ? 0 : shortest,
    longest,
    first: first === null ? null : String(first),
    last: last === null ? null : String(last),
    seconds: first === null || last === null ? 0 : Number(last - first) / 1e9,
    protocols,
    flows: flows.size,
    checksums,
    error,
  };
  reader?.close();
  engine.close();
  return result;
}

const NANOSECONDS = 1_000_000_000n;

function dateOf(nanoseconds: string | null): string {
  if (nanoseconds === null) return "-";
  const ns = BigInt(nanoseconds);
  const fraction = ((ns % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  const date = new Date(Number((ns - fraction) / NANOSECONDS) * 1000);
  return `${date.toISOString().slice(0, 19).replace("T", " ")}.${String(fraction).padStart(9, "0")} UTC`;
}

export function infoTable(found: Info, screen: Screen): string {
  const { interfaces, checksums: sums } = found;
  const protocols = Object.entries(found.protocols)
    .sort(([, a], [, b]) => b - a)
    .map(([name, n]) => `${name} ${count(n)}`);
  const rows: Row[] = [
    ["file", plain(found.file)],
    ["format", found.format],
    [
      "interfaces",
      interfaces
        .map(
          ({ name, linkType, snapLength }) =>
            `${plain(name) || "unnamed"}: link type ${linkType}, ${snapLength === 0 ? "no limit" : `at most ${memoryText(snapLength)} of a packet`}`,
        )
        .join("\n"),
    ],
    ["packets", packetsText(found)],
    ["bytes", `${count(found.bytes)} captured, ${count(found.originalBytes)} on the wire`],
    ["lengths", `${count(found.shortest)} to ${count(found.longest)} bytes`],
    ["first", dateOf(found.first)],
    ["last", dateOf(found.last)],
    ["duration", `${found.seconds.toFixed(6)} s`],
    ["protocols", protocols.join(", ")],
    ["VLAN tags", `${count(found.vlan)} packets`],
    ["fragments", `${count(found.fragments)} packets`],
    ["flows", count(found.flows)],
    [
      "checksums",
      `${count(sums.good)} good, ${count(sums.bad)} bad, ${count(sums.unverifiable)} unverifiable, ${count(sums.none)} without`,
    ],
  ];
  if (found.error !== null) rows.push(["ERROR", plain(found.error), "bad"]);
  return tableOf(rows, screen);
}

function packetsText({ packets, cut, skipped, timeless }: Info): string {
  const parts = [count(packets), `${count(cut)} of them cut`];
  if (timeless > 0) parts.push(`${count(timeless)} without a time`);
  if (skipped > 0) parts.push(`${count(skipped)} more passed over as too long (see --longest)`);
  return parts.join(", ");
}
