import {
  addFragList,
  addUserFrag,
  cancelUbuf,
  clone,
  copyHead,
  copySkb,
  copyUbufs,
  counter,
  createRegion,
  createUbuf,
  dataRefs,
  expandHead,
  failAllocation,
  finishUbuf,
  frags,
  inDepot,
  length,
  linearize,
  mayPull,
  morph,
  recycle,
  regionFrags,
  release,
  releaseRegion,
  split,
  takeCompletion,
  totalUbufs,
  trim,
  tryCoalesce,
  ubufDesc,
  ubufRefs,
  ubufState,
  unclone,
  writeU8,
  zeroCopy,
} from "../index";
import {
  COUNT_COMPLETED_COPIED,
  COUNT_COMPLETED_SENT,
  E_EXHAUSTED,
  E_FRAGS,
  E_RANGE,
  E_SHARED,
  E_STALE,
  E_UBUF,
  ERROR_LIMIT,
  NOT_DONE,
  OK,
  UBUF_CARRIED,
  UBUF_COPIED,
  UBUF_DONE,
  UBUF_LIVE,
  UBUF_SHARING,
} from "../layout";
import { actAs, fresh, grow, inUse, isError, lend, packet, sweep, sweptFailures, wrong } from "./arena";

const SENT: u32 = UBUF_LIVE | UBUF_CARRIED | UBUF_DONE;
const COPIED: u32 = SENT | UBUF_COPIED;

let region: u32 = 0;
let ubuf: u32 = 0;

function start(): void {
  fresh();
  region = createRegion(16);
  ubuf = createUbuf(77, 0);
}

/** What the ubuf completes with, if it is the one that completes now and the only one; 0 if it does not. */
function completion(): u32 {
  const handle = takeCompletion();
  if (handle === 0) return 0;
  if (handle !== ubuf || takeCompletion() !== 0) return 0xffff;
  const state = ubufState(handle) & ~UBUF_SHARING;
  finishUbuf(handle);
  return state;
}

/** 10 bytes of its own, then three frags of the region, one of them larger than a page. */
function lent(): u32 {
  const h = packet(10, 20, 0);
  lend(h, region, 100, 500, ubuf, 0);
  lend(h, region, 5000, 9000, ubuf, 0);
  grow(h, 300, 0);
  lend(h, region, 20000, 7, ubuf, 0);
  return h;
}

function done(): u32 {
  releaseRegion(region);
  return inUse();
}

describe("a ubuf", () => {
  beforeEach(start);

  it("knows its number and is carried by heads", () => {
    expect(ubufDesc(ubuf)).toBe(77);
    expect(ubufRefs(ubuf)).toBe(0);
    const h = lent();
    expect(ubufRefs(ubuf)).toBe(1, "one head, however many frags");
    expect(regionFrags(region)).toBe(3);
    expect(zeroCopy(h)).toBe(1);
    expect(wrong(h, 0)).toBe(0);
    expect(completion()).toBe(0);
    release(h, 0);
    expect(regionFrags(region)).toBe(0);
    expect(completion()).toBe(SENT);
    expect(done()).toBe(0);
  });

  it("can be cancelled while nothing carries it", () => {
    expect(cancelUbuf(ubuf)).toBe(OK);
    expect(cancelUbuf(ubuf)).toBe(E_STALE);
    expect(takeCompletion()).toBe(0);
    ubuf = createUbuf(1, 0);
    const h = lent();
    expect(cancelUbuf(ubuf)).toBe(E_UBUF);
    release(h, 0);
    expect(cancelUbuf(ubuf)).toBe(E_UBUF, "its completion is still to come");
    expect(completion()).toBe(SENT);
    expect(cancelUbuf(ubuf)).toBe(E_STALE);
    expect(done()).toBe(0);
  });

  it("may be carried by several packets, and completes with the last", () => {
    const a = lent();
    const b = lent();
    expect(ubufRefs(ubuf)).toBe(2);
    release(a, 0);
    expect(completion()).toBe(0);
    release(b, 0);
    expect(completion()).toBe(SENT);
    expect(completion()).toBe(0);
    expect(done()).toBe(0);
  });

  it("is refused where it cannot be, and nothing changes", () => {
    const h = packet(10, 0, 0);
    const other = createUbuf(2, 0);
    expect(addUserFrag(h, region, 0, 0, ubuf)).toBe(OK);
    expect(addUserFrag(h, region, 16 * 4096, 1, ubuf)).toBe(E_RANGE);
    expect(addUserFrag(h, region, 1, 16 * 4096, ubuf)).toBe(E_RANGE);
    expect(addUserFrag(h, region, 0xffffffff, 2, ubuf)).toBe(E_RANGE);
    expect(addUserFrag(h, region, 0, 16 * 4096, ubuf)).toBe(OK);
    expect(addUserFrag(h, region, 0, 1, other)).toBe(E_UBUF);
    expect(ubufRefs(other)).toBe(0);
    for (let i: u32 = 1; i < 17; i++) addUserFrag(h, region, i, 1, ubuf);
    expect(addUserFrag(h, region, 0, 1, ubuf)).toBe(E_FRAGS);
    expect(regionFrags(region)).toBe(17);
    const twin = packet(1, 0, 0);
    const third = clone(twin);
    expect(addUserFrag(twin, region, 0, 1, ubuf)).toBe(E_SHARED);
    release(third, 0);
    addFragList(twin, packet(1, 0, 0));
    expect(addUserFrag(twin, region, 0, 1, ubuf)).toBe(E_FRAGS);
    release(h, 0);
    expect(completion()).toBe(SENT);
    expect(addUserFrag(packet(1, 0, 0), region, 0, 1, ubuf)).toBe(E_UBUF);
  });

  it("that is done takes no more frags", () => {
    release(lent(), 0);
    const h = packet(1, 0, 0);
    expect(addUserFrag(h, region, 0, 1, ubuf)).toBe(E_UBUF);
    expect(frags(h)).toBe(0);
    expect(regionFrags(region)).toBe(0);
    expect(completion()).toBe(SENT);
  });

  it("counts its completions by status", () => {
    release(lent(), 0);
    completion();
    expect(counter(1, COUNT_COMPLETED_SENT)).toBe(1);
    ubuf = createUbuf(3, 0);
    const h = lent();
    copyUbufs(h);
    completion();
    expect(counter(1, COUNT_COMPLETED_COPIED)).toBe(1);
    expect(counter(1, COUNT_COMPLETED_SENT)).toBe(1);
    release(h, 0);
  });

  it("completes for its owner when another thread lets go", () => {
    const h = lent();
    actAs(2);
    release(h, 0);
    expect(takeCompletion()).toBe(0);
    actAs(1);
    expect(completion()).toBe(SENT);
    expect(done()).toBe(0);
  });

  it("keeps none back when many come from both sides", () => {
    let sum: u32 = 0;
    for (let i: u32 = 0; i < 20; i++) {
      const u = createUbuf(i, 0);
      const h = packet(1, 0, 0);
      addUserFrag(h, region, i, 1, u);
      actAs(1 + (i & 1));
      release(h, 0);
      actAs(1);
    }
    let n: u32 = 0;
    for (let u = takeCompletion(); u !== 0; u = takeCompletion()) {
      sum += ubufDesc(u);
      finishUbuf(u);
      n += 1;
    }
    expect(n).toBe(20);
    expect(sum).toBe(190, "each number once");
    cancelUbuf(ubuf);
    expect(done()).toBe(0);
  });

  it("is short when all are taken, and again there", () => {
    let n: u32 = 1;
    let last: u32 = 0;
    for (let u = createUbuf(0, 0); u !== E_EXHAUSTED; u = createUbuf(0, 0)) {
      n += 1;
      last = u;
    }
    expect(n).toBe(totalUbufs());
    cancelUbuf(last);
    expect(createUbuf(0, 0) >= ERROR_LIMIT).toBe(true);
    expect(ubufState(last)).toBe(0);
    expect(inDepot(7)).toBe(0);
  });
});

function copiesBefore(operate: (h: u32) => u32): u32 {
  const h = lent();
  const second = operate(h);
  let bad: u32 = 0;
  if (isError(second)) bad += 1;
  // Everybody reads the same bytes, nobody reads the region.
  if (regionFrags(region) !== 0 || zeroCopy(h) !== 0 || wrong(h, 0) !== 0 || frags(h) !== 4) bad += 2;
  if (second !== OK && (wrong(second, 0) !== 0 || zeroCopy(second) !== 0)) bad += 4;
  if (completion() !== COPIED) bad += 8;
  release(h, 0);
  if (second !== OK) release(second, 0);
  if (takeCompletion() !== 0) bad += 16;
  if (done() !== 0) bad += 32;
  return bad;
}

function sharesFirst(operate: (h: u32) => u32): u32 {
  cancelUbuf(ubuf);
  ubuf = createUbuf(0, UBUF_SHARING);
  const h = lent();
  const second = operate(h);
  let bad: u32 = 0;
  if (isError(second) || regionFrags(region) === 0) bad += 1;
  if (zeroCopy(h) !== 1 || zeroCopy(second) !== 1 || wrong(h, 0) !== 0 || wrong(second, 0) !== 0) bad += 2;
  if (completion() !== 0) bad += 4;
  release(h, 0);
  if (completion() !== 0 || wrong(second, 0) !== 0) bad += 8;
  release(second, 0);
  if (completion() !== SENT) bad += 16;
  if (done() !== 0) bad += 32;
  return bad;
}

function morphed(h: u32): u32 {
  const other = packet(99, 0, 5);
  const status = morph(other, h);
  if (status === OK) return other;
  release(other, 0);
  return status;
}
function expandShared(h: u32): u32 {
  const twin = clone(h);
  if (isError(twin)) return twin;
  const status = expandHead(twin, 100, 100);
  if (status === OK) return twin;
  release(twin, 0);
  return status;
}
function uncloneShared(h: u32): u32 {
  const twin = clone(h);
  if (isError(twin)) return twin;
  const status = unclone(twin);
  if (status === OK) return twin;
  release(twin, 0);
  return status;
}
function splitInside(h: u32): u32 {
  return split(h, 700);
}

describe("with sharing by copy, the user's bytes are copied before", () => {
  beforeEach(start);

  it("copyUbufs", () => expect(copiesBefore(copyUbufs)).toBe(0));
  it("clone", () => expect(copiesBefore(clone)).toBe(0));
  it("copyHead", () => expect(copiesBefore(copyHead)).toBe(0));
  it("morph", () => expect(copiesBefore(morphed)).toBe(0));
  it("expandHead of a clone", () => expect(copiesBefore(expandShared)).toBe(0));
  it("unclone of a clone", () => expect(copiesBefore(uncloneShared)).toBe(0));

  it("a split that leaves user frags on both sides", () => {
    const h = lent();
    const rest = splitInside(h);
    expect(length(h)).toBe(700);
    expect(wrong(h, 0) + wrong(rest, 700)).toBe(0);
    expect(zeroCopy(h) + zeroCopy(rest)).toBe(0);
    expect(completion()).toBe(COPIED);
    release(h, 0);
    release(rest, 0);
    expect(done()).toBe(0);
  });
});

describe("with sharing by reference, the ubuf waits for the last of", () => {
  beforeEach(start);

  it("clone", () => expect(sharesFirst(clone)).toBe(0));
  it("copyHead", () => expect(sharesFirst(copyHead)).toBe(0));
  it("morph", () => expect(sharesFirst(morphed)).toBe(0));
  it("expandHead of a clone", () => expect(sharesFirst(expandShared)).toBe(0));
  it("unclone of a clone", () => expect(sharesFirst(uncloneShared)).toBe(0));

  it("a split", () => {
    cancelUbuf(ubuf);
    ubuf = createUbuf(0, UBUF_SHARING);
    const h = lent();
    const rest = split(h, 700);
    expect(ubufRefs(ubuf)).toBe(2);
    expect(wrong(h, 0) + wrong(rest, 700)).toBe(0);
    release(rest, 0);
    expect(completion()).toBe(0);
    release(h, 0);
    expect(completion()).toBe(SENT);
    expect(done()).toBe(0);
  });

  it("copyUbufs of a clone copies for the clone alone", () => {
    cancelUbuf(ubuf);
    ubuf = createUbuf(0, UBUF_SHARING);
    const h = lent();
    const twin = clone(h);
    expect(copyUbufs(twin)).toBe(OK);
    expect(zeroCopy(twin)).toBe(0);
    expect(zeroCopy(h)).toBe(1);
    expect(completion()).toBe(0);
    expect(wrong(h, 0) + wrong(twin, 0)).toBe(0);
    release(h, 0);
    expect(completion()).toBe(COPIED, "one head let go because the engine copied");
    release(twin, 0);
    expect(done()).toBe(0);
  });

  it("copyUbufs of a clone leaves the members to the others as well", () => {
    cancelUbuf(ubuf);
    ubuf = createUbuf(0, UBUF_SHARING);
    const h = packet(10, 0, 0);
    const member = packet(5, 0, 10);
    lend(member, region, 0, 5000, ubuf, 10);
    addFragList(h, member);
    const twin = clone(h);
    expect(copyUbufs(twin)).toBe(OK);
    expect(zeroCopy(twin)).toBe(0);
    expect(zeroCopy(h)).toBe(1, "what two packets share is not rewritten for one of them");
    expect(completion()).toBe(0);
    expect(wrong(h, 0) + wrong(twin, 0)).toBe(0);
    release(twin, 0);
    release(h, 0);
    expect(completion()).toBe(COPIED);
    expect(done()).toBe(0);
  });
});

describe("a ubuf stays and goes with the user frags", () => {
  beforeEach(start);

  it("when the head is replaced", () => {
    const h = lent();
    expect(expandHead(h, 500, 500)).toBe(OK);
    expect(zeroCopy(h)).toBe(1);
    expect(ubufRefs(ubuf)).toBe(1);
    expect(wrong(h, 0)).toBe(0);
    expect(unclone(h)).toBe(OK);
    expect(zeroCopy(h)).toBe(1, "lent bytes stay lent");
    release(h, 0);
    expect(completion()).toBe(SENT);
    expect(done()).toBe(0);
  });

  it("when they are pulled into the head", () => {
    const h = lent();
    expect(mayPull(h, 600)).toBe(OK);
    expect(completion()).toBe(0, "two user frags are left");
    expect(regionFrags(region)).toBe(2);
    expect(linearize(h)).toBe(OK);
    expect(completion()).toBe(COPIED);
    expect(regionFrags(region)).toBe(0);
    expect(wrong(h, 0)).toBe(0);
    release(h, 0);
    expect(completion()).toBe(0);
    expect(done()).toBe(0);
  });

  it("when they are cut off", () => {
    const h = lent();
    expect(trim(h, 700)).toBe(OK);
    expect(completion()).toBe(0);
    expect(regionFrags(region)).toBe(2);
    expect(trim(h, 10)).toBe(OK);
    expect(completion()).toBe(SENT);
    expect(zeroCopy(h)).toBe(0);
    expect(wrong(h, 0)).toBe(0);
    release(h, 0);
    expect(done()).toBe(0);
  });

  it("when they all go to one side of a split", () => {
    const h = lent();
    const rest = split(h, 10);
    expect(zeroCopy(h)).toBe(0);
    expect(zeroCopy(rest)).toBe(1);
    const third = split(rest, 500 + 9000 + 300 + 7);
    expect(zeroCopy(rest)).toBe(1);
    expect(length(third)).toBe(0);
    expect(ubufRefs(ubuf)).toBe(1);
    release(h, 0);
    release(third, 0);
    expect(completion()).toBe(0);
    expect(wrong(rest, 10)).toBe(0);
    release(rest, 0);
    expect(completion()).toBe(SENT);
    expect(done()).toBe(0);
  });

  it("of the members of a frag list", () => {
    const h = packet(30, 0, 0);
    const member = packet(5, 0, 30);
    lend(member, region, 0, 100, ubuf, 30);
    expect(addFragList(h, member)).toBe(OK);
    expect(zeroCopy(h)).toBe(1);
    expect(recycle(h, 10)).toBe(NOT_DONE);
    const twin = clone(h);
    expect(completion()).toBe(COPIED);
    expect(zeroCopy(h) + zeroCopy(twin)).toBe(0);
    expect(wrong(h, 0) + wrong(twin, 0)).toBe(0);
    release(h, 0);
    release(twin, 0);
    expect(done()).toBe(0);
  });

  it("in a member that is pulled in whole, with the truth about it", () => {
    const h = packet(30, 0, 0);
    const member = packet(5, 0, 30);
    lend(member, region, 0, 100, ubuf, 30);
    addFragList(h, member);
    expect(linearize(h)).toBe(OK);
    expect(wrong(h, 0)).toBe(0);
    expect(completion()).toBe(COPIED, "the engine copied the bytes and let go early");
    release(h, 0);
    expect(done()).toBe(0);
  });

  it("in a member that is pulled in part", () => {
    const h = packet(30, 0, 0);
    const member = packet(5, 0, 30);
    lend(member, region, 0, 100, ubuf, 30);
    grow(member, 50, 30);
    addFragList(h, member);
    expect(mayPull(h, 100)).toBe(OK);
    expect(completion()).toBe(0);
    expect(mayPull(h, 140)).toBe(OK);
    expect(completion()).toBe(COPIED);
    expect(wrong(h, 0)).toBe(0);
    release(h, 0);
    expect(done()).toBe(0);
  });

  it("of a packet that is appended by copying, with the truth about it", () => {
    const h = packet(30, 0, 0);
    const from = packet(0, 0, 30);
    lend(from, region, 0, 40, ubuf, 30);
    expect(tryCoalesce(h, from)).toBe(OK);
    expect(wrong(h, 0)).toBe(0);
    expect(completion()).toBe(COPIED, "the engine copied the bytes and let go early");
    release(h, 0);
    expect(done()).toBe(0);
  });

  it("through a copy, which has no part in it", () => {
    const h = lent();
    const twin = copySkb(h);
    expect(zeroCopy(twin)).toBe(0);
    expect(zeroCopy(h)).toBe(1);
    expect(wrong(twin, 0)).toBe(0);
    release(twin, 0);
    expect(completion()).toBe(0);
    expect(writeU8(h, 50, 1)).toBe(E_SHARED, "lent bytes are not the engine's to write");
    release(h, 0);
    expect(completion()).toBe(SENT);
  });
});

function build(): u32 {
  ubuf = createUbuf(0, 0);
  return lent();
}
function buildWithMembers(): u32 {
  const h = build();
  for (let i: u32 = 0; i < 2; i++) {
    const m = packet(5, 0, length(h));
    lend(m, region, 30000 + i * 10000, 5000, ubuf, length(h));
    addFragList(h, m);
  }
  return h;
}
let left: u32 = 0;
/** Takes the packet away, after a failure or after the sweep's one success. Counts what does not complete once. */
function clean(h: u32): void {
  if (wrong(h, 0) !== 0) left += 1;
  release(h, 0);
  if (completion() === 0) left += 1;
  if (takeCompletion() !== 0) left += 1;
}
/** The same for what returns a second packet, which is released at once. */
function cloneAway(h: u32): u32 {
  const second = clone(h);
  if (!isError(second)) release(second, 0);
  return second;
}
function copyHeadAway(h: u32): u32 {
  const second = copyHead(h);
  if (!isError(second)) release(second, 0);
  return second;
}
function morphAway(h: u32): u32 {
  const other = packet(1, 0, 0);
  // Not one of the operation's own allocations: the sweep may have failed it.
  if (other < ERROR_LIMIT) return other;
  const status = morph(other, h);
  release(other, 0);
  return status;
}
function splitAway(h: u32): u32 {
  const second = split(h, 700);
  if (!isError(second)) release(second, 0);
  // What was split off is gone; the sweep's cleaning reads what is left.
  return second;
}

let twinOfShared: u32 = 0;
function buildShared(): u32 {
  ubuf = createUbuf(0, UBUF_SHARING);
  const h = lent();
  twinOfShared = clone(h);
  return h;
}
function cleanShared(h: u32): void {
  if (wrong(twinOfShared, 0) !== 0 || zeroCopy(twinOfShared) !== 1) left += 1;
  if (dataRefs(h) > 2) left += 1;
  release(twinOfShared, 0);
  clean(h);
}

describe("when an allocation fails in the middle, everything is as before in", () => {
  beforeEach(() => {
    start();
    cancelUbuf(ubuf);
    left = 0;
  });
  afterEach(() => {
    failAllocation(0);
    expect(left).toBe(0, "every ubuf completes once, every byte is right");
    expect(done()).toBe(0);
  });

  it("copyUbufs", () => {
    expect(sweep(build, copyUbufs, clean)).toBe(0);
    expect(sweptFailures).toBe(3);
  });
  it("copyUbufs over a frag list", () => {
    expect(sweep(buildWithMembers, copyUbufs, clean)).toBe(0);
    expect(sweptFailures).toBe(5);
  });
  it("clone", () => {
    expect(sweep(buildWithMembers, cloneAway, clean)).toBe(0);
    expect(sweptFailures).toBe(6);
  });
  it("copyHead", () => {
    expect(sweep(buildWithMembers, copyHeadAway, clean)).toBe(0);
    expect(sweptFailures).toBe(9);
  });
  it("morph", () => {
    expect(sweep(build, morphAway, clean)).toBe(0);
    expect(sweptFailures).toBe(5);
  });
  it("split", () => {
    expect(sweep(build, splitAway, clean)).toBe(0);
    expect(sweptFailures).toBe(5);
  });
  it("copyUbufs of a shared head", () => {
    expect(sweep(buildShared, copyUbufs, cleanShared)).toBe(0);
    expect(sweptFailures).toBeGreaterThan(3);
  });
});
