import {
  addFragList,
  addPageFrag,
  addUserFrag,
  alloc,
  clone,
  condense,
  copyBits,
  copyHead,
  createRegion,
  createUbuf,
  dataAddress,
  dataLength,
  dataRefs,
  extend,
  failAllocation,
  frags,
  headroom,
  length,
  linearize,
  listLength,
  mayPull,
  pull,
  push,
  release,
  releaseRegion,
  shift,
  split,
  storeBits,
  tailroom,
  totalPages,
  trim,
  truesize,
  tryCoalesce,
} from "../index";
import {
  E_EXHAUSTED,
  E_FRAGS,
  E_LINEAR,
  E_RANGE,
  E_SHARED,
  ERROR_LIMIT,
  MAX_LENGTH,
  MAX_LINEAR,
  NOT_DONE,
  OK,
  PAGE_BYTES,
} from "../layout";
import {
  bytesCopied,
  exactDigest,
  fresh,
  freshWith,
  grow,
  inUse,
  isError,
  packet,
  paint,
  refsAt,
  STAGE_IN,
  sweep,
  sweptFailures,
  wrong,
} from "./arena";

const WHOLE: u32 = 1000;

/** 1000 bytes: a head, three frags, a member with frags, one that is linear, one that shares its head. */
function whole(): u32 {
  const h = packet(100, 16, 0);
  grow(h, 150, 0);
  grow(h, 1, 0);
  grow(h, 149, 0);
  const a = packet(100, 0, 400);
  grow(a, 100, 400);
  grow(a, 50, 400);
  addFragList(h, a);
  addFragList(h, packet(150, 0, 650));
  const b = packet(100, 0, 800);
  grow(b, 100, 800);
  other = clone(b);
  addFragList(h, b);
  return h;
}
/** The other packet on the head of the last member. */
let other: u32 = 0;

function drop(h: u32): void {
  if (wrong(h, 0) !== 0 || wrong(other, 800) !== 0) bad += 1;
  release(h, 0);
  release(other, 0);
}
let bad: u32 = 0;

function start(): void {
  fresh();
  bad = 0;
}

/** Appends the bytes that belong there. */
function append(h: u32, n: u32): u32 {
  const before = length(h);
  const status = extend(h, n);
  if (status !== OK) return status;
  paint(STAGE_IN, before, n);
  return storeBits(h, before, n, STAGE_IN);
}

describe("page frags", () => {
  beforeEach(start);

  it("are as many as the table has", () => {
    const h = packet(10, 0, 0);
    for (let i: u32 = 0; i < 17; i++) if (grow(h, 100, 0) < ERROR_LIMIT) bad += 1;
    expect(bad).toBe(0);
    const before = exactDigest(h);
    expect(addPageFrag(h, 1)).toBe(E_FRAGS);
    expect(exactDigest(h)).toBe(before);
    expect(wrong(h, 0)).toBe(0);
    expect(truesize(h)).toBe(128 + 320 + 17 * PAGE_BYTES);
    release(h, 0);
    expect(inUse()).toBe(0);
  });

  it("have a longest one, and none of nothing", () => {
    const h = packet(10, 0, 0);
    expect(addPageFrag(h, 0)).toBeGreaterThan(ERROR_LIMIT);
    expect(addPageFrag(h, MAX_LINEAR + 1)).toBe(E_RANGE);
    expect(addPageFrag(h, MAX_LINEAR) >= ERROR_LIMIT).toBe(true);
    expect(length(h)).toBe(MAX_LINEAR + 10);
    release(h, 0);
    expect(inUse()).toBe(0);
  });

  it("are not added where others read, or behind a frag list", () => {
    const h = packet(10, 0, 0);
    const twin = clone(h);
    expect(addPageFrag(h, 1)).toBe(E_SHARED);
    release(twin, 0);
    addFragList(h, packet(1, 0, 10));
    expect(addPageFrag(h, 1)).toBe(E_FRAGS);
  });
});

describe("extend", () => {
  beforeEach(start);

  it("fills the tailroom, then the last page, then pages", () => {
    const h = packet(28, 0, 0);
    expect(append(h, tailroom(h))).toBe(OK);
    expect(frags(h)).toBe(0);
    expect(append(h, 1)).toBe(OK);
    expect(frags(h)).toBe(1);
    expect(append(h, PAGE_BYTES - 1)).toBe(OK);
    expect(frags(h)).toBe(1);
    expect(append(h, PAGE_BYTES + 1)).toBe(OK);
    expect(frags(h)).toBe(3);
    expect(append(h, 0)).toBe(OK);
    expect(wrong(h, 0)).toBe(0);
    release(h, 0);
    expect(inUse()).toBe(0);
  });

  it("does not fill a page that another packet reads", () => {
    const h = packet(10, 0, 0);
    const p = grow(h, 100, 0);
    const twin = copyHead(h);
    expect(refsAt(p)).toBe(2);
    expect(append(h, 50)).toBe(OK);
    expect(frags(h)).toBe(2);
    expect(frags(twin)).toBe(1);
    expect(wrong(h, 0) + wrong(twin, 0)).toBe(0);
  });

  it("takes runs when single pages would not fit the table", () => {
    const h = alloc(0, 0);
    expect(append(h, 300000)).toBe(OK);
    expect(frags(h)).toBeLessThan(18);
    expect(wrong(h, 0)).toBe(0);
    release(h, 0);
    expect(inUse()).toBe(0);
  });

  it("says what it cannot do, and does nothing then", () => {
    const h = packet(10, 0, 0);
    for (let i: u32 = 0; i < 17; i++) grow(h, PAGE_BYTES, 0);
    const before = exactDigest(h);
    expect(extend(h, 1)).toBe(E_FRAGS);
    expect(extend(h, MAX_LENGTH)).toBe(E_RANGE);
    expect(extend(h, 0xffffffff)).toBe(E_RANGE);
    const small = packet(10, 0, 0);
    expect(extend(small, MAX_LENGTH - 10)).toBe(E_FRAGS);
    expect(extend(small, 17 * MAX_LINEAR)).toBe(E_EXHAUSTED);
    expect(length(small)).toBe(10);
    expect(exactDigest(h)).toBe(before);
    release(h, 0);
    release(small, 0);
    expect(inUse()).toBe(0);
  });

  it("goes to the end of the last member", () => {
    const h = whole();
    expect(extend(h, 10)).toBe(E_SHARED);
    release(other, 0);
    expect(append(h, 10)).toBe(OK);
    expect(append(h, 9000)).toBe(OK);
    expect(length(h)).toBe(WHOLE + 9010);
    expect(wrong(h, 0)).toBe(0);
    release(h, 0);
    expect(inUse()).toBe(0);
  });
});

describe("moving bytes into the head", () => {
  beforeEach(start);

  it("works for every length", () => {
    for (let n: u32 = 0; n <= WHOLE; n += 7) {
      const h = whole();
      if (mayPull(h, n) !== OK || length(h) !== WHOLE) bad += 1;
      if (length(h) - dataLength(h) < n || headroom(h) !== 16) bad += 1;
      drop(h);
      if (inUse() !== 0) bad += 1;
    }
    expect(bad).toBe(0);
  });

  it("works on a clone without the other one noticing", () => {
    for (let n: u32 = 101; n <= WHOLE; n += 19) {
      const h = whole();
      const twin = clone(h);
      const before = exactDigest(h);
      if (mayPull(twin, n) !== OK) bad += 1;
      if (wrong(twin, 0) !== 0 || wrong(h, 0) !== 0 || dataRefs(h) !== 1) bad += 1;
      release(twin, 0);
      if (exactDigest(h) === before) bad += 1; // the digest has dataRefs in it: 2 before, 1 now
      drop(h);
      if (inUse() !== 0) bad += 1;
    }
    expect(bad).toBe(0);
  });

  it("makes a packet linear", () => {
    const h = whole();
    expect(linearize(h)).toBe(OK);
    expect(dataLength(h)).toBe(0);
    expect(frags(h) + listLength(h)).toBe(0);
    const at = dataAddress(h);
    expect(linearize(h)).toBe(OK);
    expect(dataAddress(h)).toBe(at, "a linear packet stays where it is");
    drop(h);
    expect(inUse()).toBe(0);
  });

  it("has an end", () => {
    const h = packet(100, 5000, 0);
    for (let i: u32 = 0; i < 4; i++) grow(h, 32768, 0);
    const before = exactDigest(h);
    expect(linearize(h)).toBe(E_LINEAR);
    expect(mayPull(h, length(h) + 1)).toBe(E_RANGE);
    expect(exactDigest(h)).toBe(before);
    expect(mayPull(h, MAX_LINEAR - 5000)).toBe(OK);
    expect(wrong(h, 0)).toBe(0);
  });

  it("condenses only what fits without an allocation", () => {
    const h = packet(10, 0, 0);
    const room = 118;
    grow(h, room, 0);
    // As if the pool had nothing left: the first allocation would fail.
    failAllocation(1);
    expect(condense(h)).toBe(OK);
    expect(failAllocation(0)).toBe(1, "no allocation was tried");
    expect(dataLength(h)).toBe(0);
    expect(wrong(h, 0)).toBe(0);
    const long = packet(10, 0, 0);
    grow(long, 119, 0);
    const before = exactDigest(long);
    expect(condense(long)).toBe(NOT_DONE);
    expect(exactDigest(long)).toBe(before);
  });
});

describe("trim", () => {
  beforeEach(start);

  it("cuts everywhere", () => {
    for (let n: u32 = 0; n <= WHOLE; n += 5) {
      const h = whole();
      if (trim(h, n) !== OK || length(h) !== n) bad += 1;
      drop(h);
      if (inUse() !== 0) bad += 1;
    }
    expect(bad).toBe(0);
    expect(trim(whole(), WHOLE + 1)).toBe(E_RANGE);
  });

  it("of a clone leaves the other one whole", () => {
    for (let n: u32 = 0; n < WHOLE; n += 13) {
      const h = whole();
      const twin = clone(h);
      if (trim(twin, n) !== OK) bad += 1;
      if (wrong(twin, 0) !== 0 || length(h) !== WHOLE) bad += 1;
      release(twin, 0);
      drop(h);
      if (inUse() !== 0) bad += 1;
    }
    expect(bad).toBe(0);
  });

  it("lets the packet grow again behind the cut", () => {
    for (let n: u32 = 100; n < 790; n += 37) {
      const h = whole();
      trim(h, n);
      if (append(h, 5000) !== OK || length(h) !== n + 5000) bad += 1;
      drop(h);
    }
    expect(bad).toBe(0);
    expect(inUse()).toBe(0);
  });
});

describe("split", () => {
  beforeEach(start);

  it("cuts everywhere, and both parts have what is theirs", () => {
    for (let at: u32 = 0; at <= WHOLE; at += 3) {
      const h = whole();
      const rest = split(h, at);
      if (isError(rest) || length(h) !== at || length(rest) !== WHOLE - at) bad += 1;
      if (wrong(rest, at) !== 0 || headroom(rest) !== 16) bad += 1;
      release(rest, 0);
      drop(h);
      if (inUse() !== 0) bad += 1;
    }
    expect(bad).toBe(0);
    expect(split(whole(), WHOLE + 1)).toBe(E_RANGE);
  });

  it("of a clone leaves the other one whole", () => {
    for (let at: u32 = 0; at <= WHOLE; at += 17) {
      const h = whole();
      const twin = clone(h);
      const rest = split(twin, at);
      if (wrong(twin, 0) !== 0 || wrong(rest, at) !== 0 || length(h) !== WHOLE) bad += 1;
      release(rest, 0);
      release(twin, 0);
      drop(h);
      if (inUse() !== 0) bad += 1;
    }
    expect(bad).toBe(0);
  });

  it("and appending again gives the packet back", () => {
    for (let at: u32 = 0; at <= 400; at += 9) {
      const h = packet(100, 0, 0);
      grow(h, 300, 0);
      const rest = split(h, at);
      if (addFragList(h, rest) !== OK || length(h) !== 400 || wrong(h, 0) !== 0) bad += 1;
      if (linearize(h) !== OK || wrong(h, 0) !== 0) bad += 1;
      release(h, 0);
    }
    expect(bad).toBe(0);
    expect(inUse()).toBe(0);
  });

  it("leaves two packets that can be appended to", () => {
    for (let at: u32 = 1; at < WHOLE; at += 7) {
      const h = whole();
      const rest = split(h, at);
      if (addFragList(rest, packet(20, 0, WHOLE)) !== OK || wrong(rest, at) !== 0) bad += 1;
      if (addFragList(h, packet(20, 0, at)) !== OK || wrong(h, 0) !== 0) bad += 1;
      if (length(h) + length(rest) !== WHOLE + 40) bad += 1;
      release(rest, 0);
      drop(h);
      if (inUse() !== 0) bad += 1;
    }
    expect(bad).toBe(0);
  });

  it("copies no byte of a frag", () => {
    const h = packet(0, 0, 0);
    grow(h, 4000, 0);
    const before = bytesCopied();
    const rest = split(h, 1234);
    expect(bytesCopied()).toBe(before);
    expect(wrong(h, 0) + wrong(rest, 1234)).toBe(0);
  });
});

/** A packet without linear bytes: frags of 100, 50 and 30 from place `at` on. */
function fragments(at: u32): u32 {
  const h = packet(0, 0, at);
  grow(h, 100, at);
  grow(h, 50, at);
  grow(h, 30, at);
  return h;
}

describe("shift", () => {
  beforeEach(start);

  it("moves any number of bytes, none of them copied", () => {
    for (let n: u32 = 0; n <= 180; n++) {
      const h = packet(20, 0, 0);
      grow(h, 5, 0);
      const from = fragments(25);
      const before = bytesCopied();
      if (shift(h, from, n) !== OK || length(h) !== 25 + n || length(from) !== 180 - n) bad += 1;
      if (wrong(h, 0) !== 0 || wrong(from, 25 + n) !== 0 || bytesCopied() !== before) bad += 1;
      release(h, 0);
      release(from, 0);
      if (inUse() !== 0) bad += 1;
    }
    expect(bad).toBe(0);
  });

  it("joins what was one frag before", () => {
    const h = packet(0, 0, 0);
    const p = grow(h, 1000, 0);
    const rest = split(h, 300);
    expect(refsAt(p)).toBe(2);
    expect(shift(h, rest, 200)).toBe(OK);
    expect(frags(h)).toBe(1);
    expect(refsAt(p)).toBe(2);
    expect(shift(h, rest, 500)).toBe(OK);
    expect(frags(h)).toBe(1);
    expect(frags(rest)).toBe(0);
    expect(refsAt(p)).toBe(1);
    expect(wrong(h, 0)).toBe(0);
    release(h, 0);
    release(rest, 0);
    expect(inUse()).toBe(0);
  });

  it("changes nothing for the clones of either side", () => {
    const h = fragments(0);
    const from = fragments(180);
    const a = clone(h);
    const b = clone(from);
    expect(shift(h, from, 120)).toBe(OK);
    expect(wrong(a, 0) + wrong(b, 180) + wrong(h, 0) + wrong(from, 300)).toBe(0);
    expect(length(a) + length(b)).toBe(360);
    release(a, 0);
    release(from, 0);
    expect(wrong(h, 0) + wrong(b, 180)).toBe(0);
    release(h, 0);
    release(b, 0);
    expect(inUse()).toBe(0);
  });

  it("is not done where it would copy, or where the table is full", () => {
    const h = packet(0, 0, 0);
    for (let i: u32 = 0; i < 16; i++) grow(h, 1, 0);
    const from = fragments(16);
    const before = exactDigest(h);
    expect(shift(h, from, 101)).toBe(NOT_DONE);
    expect(shift(h, h, 1)).toBe(NOT_DONE);
    expect(shift(h, packet(5, 0, 0), 5)).toBe(NOT_DONE);
    expect(shift(h, from, 181)).toBe(E_RANGE);
    expect(exactDigest(h)).toBe(before);
    expect(shift(h, from, 100)).toBe(OK);
    expect(wrong(h, 0)).toBe(0);
  });
});

describe("tryCoalesce", () => {
  beforeEach(start);

  it("copies into the tailroom what fits there", () => {
    const h = packet(20, 0, 0);
    const from = packet(5, 0, 20);
    grow(from, 60, 20);
    addFragList(from, packet(10, 0, 85));
    expect(tryCoalesce(h, from)).toBe(OK);
    expect(dataLength(h)).toBe(0);
    expect(length(h)).toBe(95);
    expect(wrong(h, 0)).toBe(0);
    expect(length(from)).toBe(0, "released");
    release(h, 0);
    expect(inUse()).toBe(0);
  });

  it("takes the frags of a packet that is alone, and shares those of one that is not", () => {
    const h = packet(20, 0, 0);
    grow(h, 300, 0);
    expect(tryCoalesce(h, fragments(320))).toBe(OK);
    expect(wrong(h, 0)).toBe(0);
    const from = fragments(500);
    const twin = clone(from);
    expect(tryCoalesce(h, from)).toBe(OK);
    expect(frags(h)).toBe(7);
    expect(wrong(h, 0) + wrong(twin, 500)).toBe(0);
    release(h, 0);
    expect(wrong(twin, 500)).toBe(0);
    release(twin, 0);
    expect(inUse()).toBe(0);
  });

  it("leaves both as they were where it cannot", () => {
    const h = packet(20, 0, 0);
    grow(h, 300, 0);
    const linear = packet(500, 0, 0);
    const twin = clone(h);
    const before = exactDigest(h);
    const fragmented = fragments(320);
    expect(tryCoalesce(h, fragmented)).toBe(NOT_DONE);
    release(twin, 0);
    expect(tryCoalesce(h, linear)).toBe(NOT_DONE);
    expect(tryCoalesce(h, h)).toBe(NOT_DONE);
    expect(length(linear)).toBe(500);
    expect(length(fragmented)).toBe(180);
    expect(exactDigest(h)).not.toBe(before, "the clone is gone, which is all");
    expect(wrong(h, 0)).toBe(0);
  });
});

describe("frag lists", () => {
  beforeEach(start);

  it("never nest", () => {
    const h = packet(10, 0, 0);
    const inner = packet(10, 0, 10);
    grow(inner, 10, 10);
    addFragList(inner, packet(10, 0, 30));
    addFragList(inner, packet(10, 0, 40));
    expect(addFragList(h, inner)).toBe(OK);
    expect(addFragList(h, packet(10, 0, 50))).toBe(OK);
    expect(listLength(h)).toBe(4);
    expect(wrong(h, 0)).toBe(0);
    expect(length(h)).toBe(60);
    expect(split(h, 35) >= ERROR_LIMIT).toBe(true);
    expect(wrong(h, 0)).toBe(0);
  });

  it("are refused where others read them", () => {
    const h = packet(10, 0, 0);
    const twin = clone(h);
    const member = packet(10, 0, 10);
    expect(addFragList(h, member)).toBe(E_SHARED);
    expect(addFragList(h, h)).toBe(E_FRAGS);
    release(twin, 0);
    const listed = whole();
    const clonedList = clone(listed);
    expect(addFragList(h, listed)).toBe(E_SHARED, "its list belongs to its clone as well");
    expect(addFragList(h, member)).toBe(OK);
    expect(wrong(h, 0) + wrong(clonedList, 0)).toBe(0);
  });
});

function linearizeAll(h: u32): u32 {
  return linearize(h);
}
function pullPart(h: u32): u32 {
  return mayPull(h, 520);
}
function trimPart(h: u32): u32 {
  const status = trim(h, 950);
  return status;
}
function splitAway(h: u32): u32 {
  const rest = split(h, 930);
  if (!isError(rest)) release(rest, 0);
  return rest;
}
function splitInMember(h: u32): u32 {
  const rest = split(h, 450);
  if (!isError(rest)) release(rest, 0);
  return rest;
}
function extendLong(h: u32): u32 {
  return extend(h, 20000);
}
function growing(): u32 {
  other = packet(100, 0, 800);
  return packet(10, 0, 0);
}
function dropLong(h: u32): void {
  release(h, 0);
  release(other, 0);
}
let listTwin: u32 = 0;
function sharedWhole(): u32 {
  const h = whole();
  listTwin = clone(h);
  return h;
}
function dropShared(h: u32): void {
  if (wrong(listTwin, 0) !== 0 || length(listTwin) !== WHOLE) bad += 1;
  release(listTwin, 0);
  drop(h);
}

describe("when an allocation fails in the middle, the packet and the pool are as before in", () => {
  beforeEach(start);
  afterEach(() => {
    expect(bad).toBe(0);
    expect(inUse()).toBe(0);
  });

  it("extend", () => {
    expect(sweep(growing, extendLong, dropLong)).toBe(0);
    expect(sweptFailures).toBe(5);
  });
  it("trim of a shared member", () => {
    expect(sweep(whole, trimPart, drop)).toBe(0);
    expect(sweptFailures).toBe(1);
  });
  it("split in a shared member", () => {
    expect(sweep(whole, splitAway, drop)).toBe(0);
    expect(sweptFailures).toBe(5);
  });
  it("split in a member", () => {
    expect(sweep(whole, splitInMember, drop)).toBe(0);
    expect(sweptFailures).toBe(4);
  });
});

describe("when it fails after the packet got a head of its own, no byte changes and nothing is lost in", () => {
  beforeEach(start);

  // The head may be another one by then, and longer, so that room and what is in use are not compared.
  it("trim of a clone", () => {
    for (let nth: u32 = 1; nth < 6; nth++) {
      const h = sharedWhole();
      failAllocation(nth);
      const status = trimPart(h);
      // A head, an skb for each of the three members, and a head for the member that is cut.
      if (failAllocation(0) !== 0 || status !== E_EXHAUSTED || length(h) !== WHOLE) bad += 1;
      dropShared(h);
      if (inUse() !== 0) bad += 1;
    }
    expect(bad).toBe(0);
  });

  it("linearize", () => {
    for (let nth: u32 = 1; nth < 6; nth++) {
      const h = sharedWhole();
      failAllocation(nth);
      const status = linearizeAll(h);
      if (failAllocation(0) === 0 && status !== E_EXHAUSTED) bad += 1;
      if (length(h) !== WHOLE) bad += 1;
      dropShared(h);
      if (inUse() !== 0) bad += 1;
    }
    expect(bad).toBe(0);
  });

  it("mayPull", () => {
    for (let nth: u32 = 1; nth < 6; nth++) {
      const h = sharedWhole();
      failAllocation(nth);
      const status = pullPart(h);
      if (failAllocation(0) === 0 && status !== E_EXHAUSTED) bad += 1;
      if (length(h) !== WHOLE) bad += 1;
      dropShared(h);
      if (inUse() !== 0) bad += 1;
    }
    expect(bad).toBe(0);
  });
});

describe("the longest packet", () => {
  it("is 2^31 - 1 bytes, by whatever it grows", () => {
    // One region of 40 MiB, lent over and over: memory that nothing here touches.
    freshWith(11000, 256, 128, 2, 8);
    const region = createRegion(10240);
    const bytes: u32 = 10240 * PAGE_BYTES;
    const ubuf = createUbuf(0, 0);
    const h = packet(10, 100, 0);
    let left = MAX_LENGTH - 10;
    while (left !== 0) {
      const member = alloc(0, 0);
      for (let i: u32 = 0; i < 17 && left !== 0; i++) {
        const n = left < bytes ? left : bytes;
        addUserFrag(member, region, 0, n, ubuf);
        left -= n;
      }
      if (addFragList(h, member) !== OK) break;
    }
    expect(length(h)).toBe(MAX_LENGTH);
    expect(addFragList(h, packet(1, 0, 0))).toBe(E_RANGE);
    expect(extend(h, 1)).toBe(E_RANGE);
    expect(copyBits(h, MAX_LENGTH, 1, STAGE_IN)).toBe(E_RANGE);
    expect(pull(h, 1)).toBe(OK);
    expect(push(h, 1) >= ERROR_LIMIT).toBe(true);
    expect(push(h, 1)).toBeLessThan(ERROR_LIMIT);
    expect(length(h)).toBe(MAX_LENGTH);
    releaseRegion(region);
    release(h, 0);
    expect(totalPages()).toBeGreaterThan(10240);
  });
});
