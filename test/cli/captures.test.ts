// Real traffic: what is found is what another dissector finds; and whatever becomes of a packet, something is said.
// The captures are not part of the repository: SKBUFF_CAPTURES names a folder of pcap files.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Look, look, Verdict } from "../../cli/look.js";
import { amount } from "../amount.js";
import { FOLDER, FOUND, filesIn } from "../folder.js";
import { readNaively } from "../node/naive.js";
import { type Frame, readPcap } from "../pcap.js";
import { numbers } from "./generate.js";
import { difference, flaw, linear, scattered, see, suiteEngine } from "./seen.js";
import { asTheirs, type Fields, TSHARK, tshark } from "./tshark.js";

const FILES = filesIn(/\.pcap$/);

/** More with SKBUFF_FUZZ_PACKETS=1000000; again with SKBUFF_FUZZ_SEED. */
const PACKETS = Number(process.env.SKBUFF_FUZZ_PACKETS ?? amount(2_000, 10_000, 40_000));
const SEED = Number(process.env.SKBUFF_FUZZ_SEED ?? Date.now() % 2 ** 31);

const LINK_TYPES = [0, 1, 12, 14, 101, 108, 113, 228, 229, 276, 147];

function framesOf(name: string): { linkType: number; frames: Frame[] } {
  // No Buffer, whose slices share its bytes.
  const capture = readPcap(new Uint8Array(readFileSync(`${FOLDER}/${name}`)));
  if (capture === null) throw new Error(`${name} is no capture`);
  // Above the link type the field says what frames end with.
  return { linkType: capture.linkType & 0xffff, frames: capture.frames };
}

describe.runIf(FOUND)("captures", () => {
  const engine = suiteEngine();

  it("are there", () => {
    expect(FILES.length).toBeGreaterThan(0);
  });

  // Packets without a checksum, with good ones, with ones that cannot be verified, and with bad ones. All that are bad
  // but zeek's were captured at their sender, which left them to its device.
  it.each([
    ["gopacket-test_ethernet.pcap", [0, 10, 0, 0]],
    ["gopacket-test_loopback.pcap", [0, 0, 0, 24]],
    ["tcpdump-802.1ad_QinQ.pcap", [2, 0, 0, 0]],
    ["tcpdump-bigtcp-ipv4.pcap", [0, 0, 1, 0]],
    ["tcpdump-gso-ipv4.pcap", [0, 0, 0, 1]],
    ["tcpdump-heapoverflow-tcp_print.pcap", [0, 0, 0, 1]],
    ["tcpdump-icmpv6.pcap", [0, 5, 0, 0]],
    ["tcpdump-ip6_frag_asan.pcap", [0, 0, 1, 0]],
    ["tcpdump-ipv6_jumbogram_1.pcap", [0, 1, 0, 0]],
    ["tcpdump-mptcp-v1.pcap", [0, 0, 0, 20]],
    ["zeek-206_example_b.pcap", [0, 1556, 0, 0]],
    ["zeek-5-pings.pcap", [0, 10, 0, 0]],
    ["zeek-fragmented-1.pcap", [0, 0, 3, 0]],
    ["zeek-http-vlan-0.pcap", [0, 14, 0, 0]],
    ["zeek-ip4-tcp-bad-chksum.pcap", [0, 0, 0, 1]],
    ["zeek-ip4-tcp-good-chksum.pcap", [0, 1, 0, 0]],
    ["zeek-ip4-udp-bad-chksum.pcap", [0, 0, 0, 1]],
    ["zeek-ip4-udp-good-chksum.pcap", [0, 1, 0, 0]],
    ["zeek-ipv6-fragmented-dns.pcap", [0, 4, 4, 0]],
  ])("%s: verdicts %j", (name, wanted) => {
    // A folder of other captures need not have these.
    if (!FILES.includes(name)) return;
    const { linkType, frames } = framesOf(name);
    const counts = [0, 0, 0, 0];
    for (const { bytes, length } of frames) {
      const seen = see(engine(), bytes, linkType, length);
      counts[seen.checksum] = (counts[seen.checksum] as number) + 1;
      const left = seen.transportChecksum === Verdict.bad && seen.networkChecksum !== Verdict.bad;
      expect(seen.partial).toBe(name === "tcpdump-bigtcp-ipv4.pcap" || (left && !name.startsWith("zeek-")));
    }
    expect(counts).toEqual(wanted);
  });

  describe.runIf(TSHARK)("as tshark sees them", () => {
    it.each(filesIn(/\.pcapng$/))("%s", (name) => {
      const theirs = tshark(`${FOLDER}/${name}`);
      const { frames } = readNaively(readFileSync(`${FOLDER}/${name}`));
      expect(theirs.length).toBe(frames.length);
      for (const [i, { bytes, length, linkType }] of frames.entries()) {
        const fields = theirs[i] as Fields;
        const seen = see(engine(), bytes, linkType, length);
        expect(asTheirs(seen, fields, bytes.length), `frame ${i + 1}: ${fields["frame.protocols"]}`).toEqual(
          fields,
        );
      }
    });

    it.each(FILES)("%s", (name) => {
      const { linkType, frames } = framesOf(name);
      const theirs = tshark(`${FOLDER}/${name}`);
      expect(theirs.length).toBe(frames.length);
      const flowOfStream = new Map<string, string>();
      const endsOfFlow = new Map<string, string>();
      for (const [i, { bytes, length }] of frames.entries()) {
        const seen = see(engine(), bytes, linkType, length);
        const fields = theirs[i] as Fields;
        const hint = `frame ${i + 1}: ${fields["frame.protocols"]}`;
        expect(asTheirs(seen, fields), hint).toEqual(fields);
        if (seen.sourcePort === -1 || seen.isFragment) continue;
        const kind = seen.ipProtocol === 6 ? "tcp" : "udp";
        const stream = `${kind} ${fields[`${kind}.stream`]}`;
        const flow = `${seen.hash} ${seen.flowHigh}`;
        // A stream may end and another one begin between the same ends.
        expect(flowOfStream.get(stream) ?? flow, hint).toBe(flow);
        const ends = [
          `${fields["ip.src"]}${fields["ipv6.src"]} ${seen.sourcePort}`,
          `${fields["ip.dst"]}${fields["ipv6.dst"]} ${seen.destinationPort}`,
        ];
        const pair = `${kind} ${ends.sort().join(" ")}`;
        expect(endsOfFlow.get(flow) ?? pair, hint).toBe(pair);
        flowOfStream.set(stream, flow);
        endsOfFlow.set(flow, pair);
      }
    });
  });

  it("are cut off anywhere", () => {
    const [whole, one, other] = [new Look(), new Look(), new Look()];
    for (const name of FILES) {
      const { linkType, frames } = framesOf(name);
      for (const [i, { bytes, length }] of frames.entries()) {
        const a = linear(engine(), bytes);
        const b = scattered(engine(), bytes);
        look(a, linkType, length, whole);
        const end = whole.payloadOffset + whole.payloadLength;
        for (let n = bytes.length; n >= 0; n--) {
          a.trim(n);
          b.trim(n);
          look(a, linkType, length, one);
          look(b, linkType, length, other);
          const wrong = difference(one, other) || flaw(one, n) || cutFlaw(one, whole, n, end);
          if (wrong !== "") throw new Error(`${name}, ${n} bytes of frame ${i + 1}: ${wrong}`);
        }
        a.release();
        b.release();
      }
    }
  });

  it(`have bits turned over (seed ${SEED})`, { timeout: 24 * 3600 * 1000 }, () => {
    console.log(`fuzz: seed ${SEED}, ${PACKETS} packets`);
    const next = numbers(SEED);
    const captures = FILES.map(framesOf);
    const [one, other] = [new Look(), new Look()];
    const found = { ip: 0, good: 0, bad: 0, unverifiable: 0 };
    for (let i = 0; i < PACKETS; i++) {
      const { linkType, frames } = captures[next(captures.length)] as (typeof captures)[number];
      const { bytes, length } = frames[next(frames.length)] as Frame;
      const turned = bytes.slice(0, next(4) === 0 ? next(bytes.length + 1) : bytes.length);
      // Most of what matters is in front.
      const reach = Math.min(turned.length, next(2) === 0 ? 80 : turned.length);
      for (let n = next(8) - 3; n > 0 && reach > 0; n--) {
        const at = next(reach);
        turned[at] = (turned[at] as number) ^ (1 << next(8));
      }
      const type = next(4) === 0 ? (LINK_TYPES[next(LINK_TYPES.length)] as number) : linkType;
      const original = next(4) === 0 ? next(2 ** 32) : length;
      const a = linear(engine(), turned);
      const b = scattered(engine(), turned);
      look(a, type, original, one);
      look(b, type, original, other);
      const wrong = difference(one, other) || flaw(one, turned.length);
      if (wrong !== "")
        throw new Error(`${wrong}, in ${Buffer.from(turned).toString("hex")}, link type ${type}`);
      a.release();
      b.release();
      if (one.ipVersion !== 0) found.ip++;
      if (one.checksum === Verdict.good) found.good++;
      if (one.checksum === Verdict.bad) found.bad++;
      if (one.checksum === Verdict.unverifiable) found.unverifiable++;
    }
    // All of it has been gone through.
    for (const [what, n] of Object.entries(found)) expect(n, what).toBeGreaterThan(PACKETS / 100);
  });
});

/** What is wrong with what was seen of the first `n` bytes, if `whole` was seen of all, and the packet ends at `end`. */
function cutFlaw(seen: Look, whole: Look, n: number, end: number): string {
  const { none, unverifiable } = Verdict;
  const verdict = seen.transportChecksum;
  if (n < end && verdict !== unverifiable && verdict !== none) return `verdict ${verdict}`;
  if (n >= end && verdict !== whole.transportChecksum) return `verdict ${verdict}`;
  if (whole.transportOffset !== -1 && n >= whole.transportOffset + 4) {
    if (seen.hash !== whole.hash || seen.flowHigh !== whole.flowHigh) return "flow";
    if (seen.sourcePort !== whole.sourcePort || seen.transportOffset !== whole.transportOffset)
      return "ports";
  }
  if (n >= whole.networkOffset && seen.protocol !== whole.protocol) return "protocol";
  return "";
}
