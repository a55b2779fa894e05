// What another dissector says of a capture.

import { execFileSync, spawnSync } from "node:child_process";
import { Verdict } from "../../cli/look.js";
import type { Seen } from "./seen.js";

/** Whether it is installed. */
export const TSHARK = spawnSync("tshark", ["--version"]).status === 0;
if (!TSHARK) console.warn("captures: no tshark, so what is found in them is not compared with what it finds");

const FIELDS = [
  ...[
    "frame.protocols",
    "vlan.id",
    "ieee8021ad.id",
    "ip.len",
    "ip.proto",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
  ],
  ...["ip.flags.mf", "ip.frag_offset", "ipv6.fraghdr.more", "ipv6.fraghdr.offset"],
  ...["tcp.srcport", "tcp.dstport", "tcp.len", "tcp.hdr_len", "tcp.stream"],
  ...["udp.srcport", "udp.dstport", "udp.length", "udp.stream"],
  ...["ip.checksum.status", "tcp.checksum.status", "udp.checksum.status", "icmp.checksum.status"],
  ...["icmpv6.checksum.status", "igmp.checksum.status"],
] as const;

/** The fields of a frame, as text; "" where there is none. */
export type Fields = Record<(typeof FIELDS)[number], string>;

const SETTINGS = [
  ...["ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE"],
  // Packet by packet.
  ...["ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE"],
];

// What is inside of these is payload here.
const DISABLED = ["gre", "vxlan", "geneve", "mpls"];

/** Runs it over a file of frames. Of what is there more than once in a frame, it is the first. */
export function tshark(path: string): Fields[] {
  const args = ["-n", "-r", path, "-T", "fields", "-E", "separator=/t", "-E", "occurrence=f"];
  for (const setting of SETTINGS) args.push("-o", setting);
  for (const protocol of DISABLED) args.push("--disable-protocol", protocol);
  for (const field of FIELDS) args.push("-e", field);
  const text = execFileSync("tshark", args, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    stdio: ["ignore", "pipe", "ignore"],
  });
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => {
      const values = line.split("\t");
      return Object.fromEntries(FIELDS.map((field, i) => [field, values[i] ?? ""])) as Fields;
    });
}

/** What IP carries that both know. */
const KINDS = new Map([
  [1, "icmp"],
  [2, "igmp"],
  [6, "tcp"],
  [17, "udp"],
  [58, "icmpv6"],
] as const);

/** The fields as they must be if what was seen is right. Where more than one answer would do, it is theirs. */
export function asTheirs(seen: Seen, theirs: Fields): Fields {
  const protocols = theirs["frame.protocols"].split(":");
  const kind = seen.transportOffset === -1 ? undefined : KINDS.get(seen.ipProtocol as 6);
  const theirKind = protocols.find((name) => [...KINDS.values()].includes(name as "tcp"));
  const ours = { ...theirs, ...networkFields(seen, theirs) };
  if (kind !== theirKind) ours["frame.protocols"] += `, but ${kind}`;
  const vlan = protocols.find((name) => name === "ieee8021ad" || name === "vlan") === "ieee8021ad";
  ours[vlan ? "ieee8021ad.id" : "vlan.id"] = seen.vlanId === -1 ? "" : `${seen.vlanId}`;
  if (kind === undefined) return ours;
  ours[`${kind}.checksum.status`] = transportStatus(seen, theirs, theirs[`${kind}.checksum.status`]);
  if (kind !== "tcp" && kind !== "udp") return ours;
  ours[`${kind}.srcport`] = `${seen.sourcePort}`;
  ours[`${kind}.dstport`] = `${seen.destinationPort}`;
  // Of what is cut off they say what its length would be.
  if (theirs[`${kind}.checksum.status`] === UNVERIFIED) return ours;
  if (kind === "udp") return { ...ours, "udp.length": `${seen.payloadLength + 8}` };
  const header = seen.payloadOffset - seen.transportOffset;
  return { ...ours, "tcp.len": `${seen.payloadLength}`, "tcp.hdr_len": `${header}` };
}

function networkFields(seen: Seen, theirs: Fields): Partial<Fields> {
  const four = seen.ipVersion === 4;
  const six = seen.ipVersion === 6;
  const offset = Number(theirs[four ? "ip.frag_offset" : "ipv6.fraghdr.offset"]);
  const more = /^(1|true)$/i.test(theirs[four ? "ip.flags.mf" : "ipv6.fraghdr.more"]);
  const agreed = seen.isFragment === (offset !== 0 || more);
  return {
    "ip.src": four ? dotted(seen.addresses[0] as number) : "",
    "ip.dst": four ? dotted(seen.addresses[4] as number) : "",
    "ip.proto": four ? `${seen.ipProtocol}` : "",
    "ip.checksum.status": four ? status(seen.networkChecksum) : "",
    "ip.flags.mf": agreed ? theirs["ip.flags.mf"] : `a fragment: ${seen.isFragment}`,
    // In bytes, or in units of 8, as their version has it.
    "ip.frag_offset": four ? `${seen.fragmentOffset / (seen.fragmentOffset === offset ? 1 : 8)}` : "",
    "ipv6.src": six ? colons(seen.addresses.slice(0, 4)) : "",
    "ipv6.dst": six ? colons(seen.addresses.slice(4)) : "",
  };
}

// proto.h, PROTO_CHECKSUM_E_...
const BAD = "0";
const GOOD = "1";
const UNVERIFIED = "2";
const NOT_PRESENT = "3";

function status(verdict: Verdict): string {
  return verdict === Verdict.bad ? BAD : verdict === Verdict.good ? GOOD : UNVERIFIED;
}

function transportStatus(seen: Seen, theirs: Fields, theirStatus: string): string {
  const verdict = seen.transportChecksum;
  if (verdict === Verdict.unverifiable) {
    // They guess the length of what does not say it, and hold it against the packet; they say its length is the guess.
    const unstated = Number(theirs["ip.len"]) > 0xffff && theirStatus === BAD;
    if (unstated || theirStatus === NOT_PRESENT) return theirStatus;
  }
  // To newer ones what is left to the device is good.
  if (verdict === Verdict.bad && seen.partial && theirStatus === GOOD) return GOOD;
  return status(verdict);
}

function dotted(word: number): string {
  return [word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff].join(".");
}

/** An IPv6 address as RFC 5952 writes it. */
function colons(words: number[]): string {
  const groups = words.flatMap((word) => [word >>> 16, word & 0xffff]).map((group) => group.toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
