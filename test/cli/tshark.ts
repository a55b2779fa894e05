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
    "ieee8021ad.svid",
    "ip.len",
    "ip.proto",
    "ip.src",
    "ip.dst",
    "ip.cur_rt",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.plen",
    "ipv6.routing.type",
    "ipv6.routing.len",
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

/** Extension headers of IPv6 that may stand behind a fragment header. */
const EXTENSIONS = [43, 44, 51, 60];

const ICMP = 1;
const IGMP = 2;
const FOUR_ONLY = [ICMP, IGMP];

/** What IP carries that both know. */
const KINDS = new Map([
  [1, "icmp"],
  [2, "igmp"],
  [6, "tcp"],
  [17, "udp"],
  [58, "icmpv6"],
] as const);

/** Names of the protocols up to a tunnel: what is inside of it is payload here. */
function outside(protocols: string): string[] {
  const names = protocols.split(":");
  const ips = names.flatMap((name, i) => (name === "ip" || name === "ipv6" ? [i] : []));
  return names.slice(0, ips[1]);
}

/**
 * The fields as they must be if what was seen is right. Where more than one answer would do, it is theirs. `captured`: bytes of
 * the frame that are there.
 */
export function asTheirs(seen: Seen, theirs: Fields, captured = Number.POSITIVE_INFINITY): Fields {
  // Of what is not all here, whatever the capture says, we verify nothing; they take the frame's length for what IP says.
  const cut = endOf(seen, theirs) > captured;
  const protocols = outside(theirs["frame.protocols"]);
  const kind = seen.transportOffset === -1 ? undefined : KINDS.get(seen.ipProtocol as 6);
  const theirKind = protocols.find((name) => [...KINDS.values()].includes(name as "tcp"));
  // They give up where the whole is shorter than its header.
  if (seen.ipVersion === 4 && protocols.at(-1) === "ip" && theirs["ip.proto"] === "") return theirs;
  const ours = { ...theirs, ...networkFields(seen, theirs) };
  // Of a fragment without a byte they name the transport that its others have.
  const empty = seen.isFragment && endOf(seen, theirs) === seen.payloadOffset;
  // What stands between a fragment header and the transport's is in the first fragment only; all are to say the same.
  const hidden = seen.isFragment && EXTENSIONS.includes(seen.ipProtocol);
  if (kind !== theirKind && !hidden && !empty) ours["frame.protocols"] += `, but ${kind}`;
  const provider = protocols.find((name) => name === "ieee8021ad" || name === "vlan") === "ieee8021ad";
  // A provider's tag in front of another one has a name of its own.
  const tag = provider ? (theirs["ieee8021ad.svid"] === "" ? "ieee8021ad.id" : "ieee8021ad.svid") : "vlan.id";
  ours[tag] = seen.vlanId === -1 ? "" : `${seen.vlanId}`;
  // They go no further than options that are wrong, or than the last byte.
  if (kind !== undefined && theirKind === undefined && protocols.at(-1)?.startsWith("ipv6.") === true)
    return { ...ours, "frame.protocols": theirs["frame.protocols"] };
  if (kind === undefined) return ours;
  // A length of 0 they take for none; we for one that was left to the device, as of a packet that is to be cut in segments.
  if (theirs["ipv6.plen"] === "0" && theirs[`${kind}.checksum.status`] === "") return ours;
  ours[`${kind}.checksum.status`] = transportStatus(seen, theirs, theirs[`${kind}.checksum.status`], cut);
  if (kind !== "tcp" && kind !== "udp") return ours;
  // What is too short for ports has none.
  ours[`${kind}.srcport`] = seen.sourcePort === -1 ? "" : `${seen.sourcePort}`;
  ours[`${kind}.dstport`] = seen.destinationPort === -1 ? "" : `${seen.destinationPort}`;
  // Of what is cut off they say what its length would be.
  // Of half a header they say what is there.
  const headless = seen.payloadOffset === seen.transportOffset;
  if (cut || headless || theirs[`${kind}.checksum.status`] === UNVERIFIED) return ours;
  // Of what is shorter than it says, too, and of what is too short for a length.
  const length = theirs["udp.length"];
  if (kind === "udp" && seen.transportChecksum >= Verdict.unverifiable) {
    if (length === "" || Number(length) < 8 || Number(length) > seen.payloadLength + 8) return ours;
  }
  if (kind === "udp") return { ...ours, "udp.length": `${seen.payloadLength + 8}` };
  const header = seen.payloadOffset - seen.transportOffset;
  // Where it ends is not known if its own length is wrong.
  if (header === 0) return ours;
  return { ...ours, "tcp.len": `${seen.payloadLength}`, "tcp.hdr_len": `${header}` };
}

/** Where the packet ends by what IP says. */
function endOf({ networkOffset, ipVersion }: Seen, theirs: Fields): number {
  return networkOffset + (ipVersion === 4 ? Number(theirs["ip.len"]) : 40 + Number(theirs["ipv6.plen"]));
}

function networkFields(seen: Seen, theirs: Fields): Partial<Fields> {
  const four = seen.ipVersion === 4;
  const six = seen.ipVersion === 6;
  // Of what a tunnel has inside they have fields of the same names.
  const inner = outside(theirs["frame.protocols"]).length < theirs["frame.protocols"].split(":").length;
  const none = (field: keyof Fields): string => (inner ? theirs[field] : "");
  const offset = Number(theirs[four ? "ip.frag_offset" : "ipv6.fraghdr.offset"]);
  const more = /^(1|true)$/i.test(theirs[four ? "ip.flags.mf" : "ipv6.fraghdr.more"]);
  const route = theirs["ip.cur_rt"] === "" ? "ip.dst" : "ip.cur_rt";
  // They go no further than an extension header that is wrong in itself, as a list of segments that is longer than its header (RFC
  // 8754); we go by its length.
  const stopped = /:ipv6\.(?!fraghdr)\w+$/.test(theirs["frame.protocols"]);
  const agreed = stopped || seen.isFragment === (offset !== 0 || more);
  return {
    "ip.src": four ? dotted(seen.addresses[0] as number) : none("ip.src"),
    // On a source route they call the last address the destination.
    [route]: four ? dotted(seen.addresses[4] as number) : none(route),
    "ip.proto": four ? `${seen.ipProtocol}` : none("ip.proto"),
    "ip.checksum.status": four ? status(seen.networkChecksum) : none("ip.checksum.status"),
    "ip.flags.mf": agreed ? theirs["ip.flags.mf"] : `a fragment: ${seen.isFragment}`,
    // In bytes, or in units of 8, as their version has it.
    "ip.frag_offset": four
      ? `${seen.fragmentOffset / (seen.fragmentOffset === offset ? 1 : 8)}`
      : none("ip.frag_offset"),
    "ipv6.src": six ? colons(seen.addresses.slice(0, 4)) : none("ipv6.src"),
    "ipv6.dst": six ? colons(seen.addresses.slice(4)) : none("ipv6.dst"),
  };
}

// proto.h, PROTO_CHECKSUM_E_...
const BAD = "0";
const GOOD = "1";
const UNVERIFIED = "2";
const NOT_PRESENT = "3";
const ILLEGAL = "4";

function status(verdict: Verdict): string {
  return verdict === Verdict.bad ? BAD : verdict === Verdict.good ? GOOD : UNVERIFIED;
}

function transportStatus(seen: Seen, theirs: Fields, theirStatus: string, cut: boolean): string {
  const verdict = seen.transportChecksum;
  const headless = seen.payloadOffset === seen.transportOffset;
  if (verdict === Verdict.unverifiable) {
    // They guess the length of what does not say it, and hold it against the packet; they say its length is the guess.
    const unstated = Number(theirs["ip.len"]) > 0xffff && theirStatus === BAD;
    // Nobody knows where a route of an unknown kind ends; they take the address at hand.
    const judged = [BAD, GOOD].includes(theirStatus);
    const [type, words] = [theirs["ipv6.routing.type"], theirs["ipv6.routing.len"]];
    const routed = judged && !["", "0", "4"].includes(type) && !(type === "2" && words === "2");
    // Of what belongs to the other version of IP they make something all the same.
    const foreign = seen.ipVersion === 6 && FOUR_ONLY.includes(seen.ipProtocol);
    // They judge half a header, and one that is left out even where not all of the datagram is here.
    if (unstated || routed || foreign || cut || headless) return theirStatus;
    if (["", NOT_PRESENT, ILLEGAL].includes(theirStatus)) return theirStatus;
  }
  if (verdict === Verdict.bad && theirStatus === ILLEGAL) return ILLEGAL;
  // They do not verify types of IGMP that they do not know, and stop in options of TCP that are cut off.
  if (theirStatus === "" && (seen.ipProtocol === IGMP || headless)) return "";
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
