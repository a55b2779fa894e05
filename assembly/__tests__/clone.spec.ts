import {
  addFragList,
  clone,
  copyHead,
  copySkb,
  counter,
  dataAddress,
  dataLength,
  dataRefs,
  expandHead,
  failAllocation,
  field,
  frags,
  get,
  headroom,
  infoField,
  length,
  listLength,
  morph,
  pull,
  push,
  release,
  setField,
  setHeader,
  setInfoField,
  skbAddress,
  tailroom,
  trim,
  unclone,
  users,
  writeU8,
} from "../index";
import {
  COUNT_CLONES,
  COUNT_COPIES,
  E_LINEAR,
  MAX_LINEAR,
  MAX_ROOM,
  OK,
  SHINFO_GSO_SIZE,
  SKB_CB,
  SKB_MAC_HEADER,
  SKB_MARK,
  SKB_NETWORK_HEADER,
  SKB_TRANSPORT_HEADER,
} from "../layout";
import { bytesCopied, fresh, grow, inUse, isError, packet, sweep, sweptFailures, wrong } from "./arena";

/** Head, two frags (one of two pages) and two members, one of them with a frag. */
function whole(): u32 {
  const h = packet(100, 40, 0);
  grow(h, 5000, 0);
  grow(h, 100, 0);
  const a = packet(50, 0, 5200);
  grow(a, 600, 5200);
  addFragList(h, a);
  addFragList(h, packet(30, 0, 5850));
  setField(h, SKB_MARK, 0x1234);
  setField(h, SKB_CB, 99);
  setHeader(h, SKB_MAC_HEADER, 26);
  setHeader(h, SKB_NETWORK_HEADER, 40);
  setInfoField(h, SHINFO_GSO_SIZE, 1448);
  return h;
}

/** Differences between what two packets say that a second packet must not have. */
function differences(a: u32, b: u32): u32 {
  let bad: u32 = 0;
  if (length(a) !== length(b) || wrong(b, 0) !== 0) bad += 1;
  if (headroom(a) !== headroom(b)) bad += 2;
  if (field(b, SKB_MARK) !== 0x1234 || field(b, SKB_CB) !== 99) bad += 4;
  if (field(b, SKB_MAC_HEADER) !== 27 || field(b, SKB_NETWORK_HEADER) !== 41) bad += 8;
  if (field(b, SKB_TRANSPORT_HEADER) !== 0) bad += 16;
  if (infoField(b, SHINFO_GSO_SIZE) !== 1448 || users(b) !== 1) bad += 32;
  return bad;
}

describe("clone", () => {
  beforeEach(fresh);

  it("says the same, with no byte copied", () => {
    const h = whole();
    const before = bytesCopied();
    const twin = clone(h);
    expect(differences(h, twin)).toBe(0);
    expect(dataAddress(twin)).toBe(dataAddress(h));
    expect(dataRefs(h)).toBe(2);
    expect(bytesCopied()).toBe(before);
    expect(counter(1, COUNT_CLONES)).toBe(1);
    release(h, 0);
    expect(wrong(twin, 0)).toBe(0);
    release(twin, 0);
    expect(inUse()).toBe(0);
  });

  it("has lengths and metadata of its own", () => {
    const h = whole();
    const twin = clone(h);
    expect(pull(twin, 30)).toBe(OK);
    setField(twin, SKB_MARK, 1);
    expect(field(h, SKB_MARK)).toBe(0x1234);
    expect(wrong(h, 0)).toBe(0);
    expect(wrong(twin, 30)).toBe(0);
    expect(trim(twin, 3000)).toBe(OK);
    expect(length(h)).toBe(5880);
    expect(wrong(h, 0)).toBe(0);
    expect(wrong(twin, 30)).toBe(0);
    release(twin, 0);
    release(h, 0);
    expect(inUse()).toBe(0);
  });

  it("of a held packet is held by one", () => {
    const h = packet(1, 0, 0);
    get(h);
    const twin = clone(h);
    expect(users(twin)).toBe(1);
    release(twin, 0);
    expect(users(h)).toBe(2);
  });
});

describe("copySkb", () => {
  beforeEach(fresh);

  it("is linear, with bytes of its own", () => {
    const h = whole();
    const twin = copySkb(h);
    expect(differences(h, twin)).toBe(0);
    expect(dataLength(twin)).toBe(0);
    expect(listLength(twin)).toBe(0);
    expect(dataRefs(h)).toBe(1);
    expect(writeU8(twin, 5000, 0)).toBe(OK);
    expect(wrong(h, 0)).toBe(0);
    expect(counter(1, COUNT_COPIES)).toBe(1);
    release(h, 0);
    release(twin, 0);
    expect(inUse()).toBe(0);
  });

  it("brings the headroom's bytes along, for headers that were pulled", () => {
    const h = packet(60, 4, 0);
    pull(h, 50);
    const twin = copySkb(h);
    expect(headroom(twin)).toBe(54);
    push(twin, 50);
    expect(wrong(twin, 0)).toBe(0);
  });

  it("has a longest packet", () => {
    const h = packet(100, 0, 0);
    for (let i: u32 = 0; i < 5; i++) grow(h, 32768, 0);
    trim(h, MAX_ROOM + 1);
    expect(copySkb(h)).toBe(E_LINEAR);
    trim(h, MAX_ROOM);
    const twin = copySkb(h);
    expect(wrong(twin, 0)).toBe(0);
    release(twin, 0);
    release(h, 0);
    expect(inUse()).toBe(0);
  });
});

describe("copyHead", () => {
  beforeEach(fresh);

  it("copies the head and shares the rest", () => {
    const h = whole();
    const before = bytesCopied();
    const twin = copyHead(h);
    expect(differences(h, twin)).toBe(0);
    expect(frags(twin)).toBe(2);
    expect(listLength(twin)).toBe(2);
    expect(dataRefs(h)).toBe(1);
    expect(dataRefs(twin)).toBe(1);
    expect(bytesCopied() - before).toBe(100);
    expect(writeU8(twin, 0, 0xff)).toBe(OK);
    expect(wrong(h, 0)).toBe(0);
    release(h, 0);
    writeU8(twin, 0, 0);
    expect(length(twin)).toBe(5880);
    release(twin, 0);
    expect(inUse()).toBe(0);
  });

  it("can be cut without the first packet", () => {
    const h = whole();
    const twin = copyHead(h);
    expect(trim(twin, 5220)).toBe(OK);
    expect(trim(twin, 150)).toBe(OK);
    expect(wrong(h, 0) + wrong(twin, 0)).toBe(0);
    expect(length(h)).toBe(5880);
    release(twin, 0);
    release(h, 0);
    expect(inUse()).toBe(0);
  });
});

describe("expandHead", () => {
  beforeEach(fresh);

  it("gives room at both ends, and moves the header offsets", () => {
    const h = whole();
    const tail = 0;
    expect(tailroom(h)).toBe(tail);
    expect(expandHead(h, 60, 200)).toBe(OK);
    expect(headroom(h)).toBe(100);
    expect(field(h, SKB_NETWORK_HEADER)).toBe(101);
    expect(field(h, SKB_MAC_HEADER)).toBe(87);
    expect(field(h, SKB_TRANSPORT_HEADER)).toBe(0, "what is not set stays so");
    expect(wrong(h, 0)).toBe(0);
    expect(infoField(h, SHINFO_GSO_SIZE)).toBe(1448);
    release(h, 0);
    expect(inUse()).toBe(0);
  });

  it("adds at least the asked tailroom", () => {
    const h = packet(100, 0, 0);
    const before = tailroom(h);
    expect(expandHead(h, 0, 777)).toBe(OK);
    expect(tailroom(h)).toBeGreaterThan(before + 776);
    expect(wrong(h, 0)).toBe(0);
  });

  it("of a clone leaves the other one alone", () => {
    const h = whole();
    const twin = clone(h);
    const at = dataAddress(h);
    expect(expandHead(twin, 8, 0)).toBe(OK);
    expect(dataRefs(h)).toBe(1);
    expect(dataAddress(h)).toBe(at);
    expect(push(twin, 8) !== 0).toBe(true);
    expect(wrong(h, 0)).toBe(0);
    release(h, 0);
    pull(twin, 8);
    expect(wrong(twin, 0)).toBe(0);
    release(twin, 0);
    expect(inUse()).toBe(0);
  });

  it("has a largest head", () => {
    const h = packet(100, 0, 0);
    const at = dataAddress(h);
    expect(expandHead(h, 0xffffffff, 0)).toBe(E_LINEAR);
    expect(expandHead(h, 0, 0xffffffff)).toBe(E_LINEAR);
    expect(expandHead(h, MAX_LINEAR, MAX_LINEAR)).toBe(E_LINEAR);
    expect(dataAddress(h)).toBe(at);
    expect(expandHead(h, MAX_LINEAR, 0)).toBe(OK);
    expect(headroom(h)).toBe(MAX_LINEAR);
    expect(wrong(h, 0)).toBe(0);
    release(h, 0);
    expect(inUse()).toBe(0);
  });
});

describe("unclone", () => {
  beforeEach(fresh);

  it("makes every byte the packet's own", () => {
    const h = whole();
    const twin = clone(h);
    expect(unclone(twin)).toBe(OK);
    expect(differences(h, twin)).toBe(0);
    let refused: u32 = 0;
    const n = length(twin);
    for (let i: u32 = 0; i < n; i += 7)
      if (writeU8(twin, i, 0) !== OK || writeU8(h, i, 0) !== OK) refused += 1;
    expect(refused).toBe(0);
    release(h, 0);
    release(twin, 0);
    expect(inUse()).toBe(0);
  });

  it("does nothing to a packet that is alone", () => {
    const h = whole();
    const at = dataAddress(h);
    const before = bytesCopied();
    expect(unclone(h)).toBe(OK);
    expect(dataAddress(h)).toBe(at);
    expect(bytesCopied()).toBe(before);
  });
});

describe("morph", () => {
  beforeEach(fresh);

  it("makes a packet a clone of another, in place", () => {
    const h = whole();
    const other = packet(77, 0, 9);
    grow(other, 9000, 9);
    const address = skbAddress(other);
    get(other);
    expect(morph(other, h)).toBe(OK);
    expect(skbAddress(other)).toBe(address);
    expect(users(other)).toBe(2, "whoever holds it still does");
    release(other, 0);
    expect(differences(h, other)).toBe(0);
    expect(dataRefs(h)).toBe(2);
    release(h, 0);
    expect(wrong(other, 0)).toBe(0);
    release(other, 0);
    expect(inUse()).toBe(0);
  });

  it("into itself or its own clone changes nothing", () => {
    const h = whole();
    expect(morph(h, h)).toBe(OK);
    expect(dataRefs(h)).toBe(1);
    const twin = clone(h);
    expect(morph(twin, h)).toBe(OK);
    expect(dataRefs(h)).toBe(2);
    release(h, 0);
    expect(wrong(twin, 0)).toBe(0);
    release(twin, 0);
    expect(inUse()).toBe(0);
  });
});

let twinOf: u32 = 0;
function shared(): u32 {
  const h = whole();
  twinOf = clone(h);
  return h;
}
let bad: u32 = 0;
function clean(h: u32): void {
  if (wrong(h, 0) !== 0 || wrong(twinOf, 0) !== 0) bad += 1;
  release(h, 0);
  release(twinOf, 0);
}
function away(second: u32): u32 {
  if (!isError(second)) release(second, 0);
  return second;
}
function cloneAway(h: u32): u32 {
  return away(clone(h));
}
function copyAway(h: u32): u32 {
  return away(copySkb(h));
}
function copyHeadAway(h: u32): u32 {
  return away(copyHead(h));
}
function expand(h: u32): u32 {
  return expandHead(h, 0, 0);
}

describe("when an allocation fails in the middle, the packet and the pool are as before in", () => {
  beforeEach(() => {
    fresh();
    bad = 0;
  });
  afterEach(() => {
    expect(bad).toBe(0);
    expect(inUse()).toBe(0);
  });

  it("clone", () => {
    expect(sweep(shared, cloneAway, clean)).toBe(0);
    expect(sweptFailures).toBe(1);
  });
  it("copySkb", () => {
    expect(sweep(shared, copyAway, clean)).toBe(0);
    expect(sweptFailures).toBe(2);
  });
  it("copyHead", () => {
    expect(sweep(shared, copyHeadAway, clean)).toBe(0);
    // An skb and a head, and an skb for each of the two members.
    expect(sweptFailures).toBe(4);
  });
  it("expandHead", () => {
    expect(sweep(shared, expand, clean)).toBe(0);
    expect(sweptFailures).toBe(3);
  });
});

describe("unclone that fails in the middle", () => {
  beforeEach(fresh);

  it("leaves the same bytes, wherever it fails", () => {
    const h = packet(10, 0, 0);
    for (let i: u32 = 0; i < 4; i++) grow(h, 100, 0);
    const twin = copyHead(h);
    let tries: u32 = 0;
    let wrongs: u32 = 0;
    for (; tries < 20; tries++) {
      failAllocation(tries + 1);
      const status = unclone(h);
      failAllocation(0);
      wrongs += wrong(h, 0) + wrong(twin, 0);
      if (status === OK) break;
    }
    expect(wrongs).toBe(0);
    expect(tries).toBe(4);
    release(h, 0);
    release(twin, 0);
    expect(inUse()).toBe(0);
  });
});
