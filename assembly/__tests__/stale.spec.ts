import {
  addFragList,
  addPageFrag,
  addUserFrag,
  alloc,
  cancelUbuf,
  checksum,
  checkWrite,
  clone,
  condense,
  copyBits,
  copyHead,
  copySkb,
  copyUbufs,
  createRegion,
  createUbuf,
  dataAddress,
  dataLength,
  dataRefs,
  expandHead,
  extend,
  failure,
  field,
  field16,
  frags,
  freshSkbs,
  get,
  headroom,
  inDepot,
  infoField,
  inMagazine,
  length,
  linearize,
  listLength,
  mayPull,
  morph,
  pull,
  push,
  put,
  readU8,
  readU16,
  readU32,
  recycle,
  release,
  releaseBurst,
  reserve,
  scratch,
  setField,
  setField16,
  setHeader,
  setInfoField,
  shift,
  skbAddress,
  split,
  startSegments,
  storeBits,
  tailroom,
  totalSkbs,
  trim,
  truesize,
  tryCoalesce,
  ubufRefs,
  ubufState,
  unclone,
  users,
  writeU8,
  writeU16,
  writeU32,
  zeroCopy,
} from "../index";
import {
  CHECKSUM_FAILED,
  CLASS_SKB,
  E_STALE,
  E_UBUF,
  ERROR_LIMIT,
  HANDLE_MASK,
  READ_FAILED,
  SHINFO_GSO_SIZE,
  SKB_MARK,
  SKB_NETWORK_HEADER,
  SKB_QUEUE,
} from "../layout";
import { load32, store32 } from "../memory";
import { BASE, exactDigest, fresh, grow, packet, STAGE_IN, STAGE_OUT } from "./arena";

/** Calls everything that takes a handle with `h`; `good` is a packet that must not suffer. Counts other answers than "stale". */
function answers(h: u32, good: u32, region: u32, ubuf: u32): u32 {
  let bad: u32 = 0;
  const statuses: StaticArray<u32> = [
    addFragList(h, good),
    addFragList(good, h),
    addPageFrag(h, 1),
    addUserFrag(h, region, 0, 1, ubuf),
    checkWrite(h, 0, 0),
    clone(h),
    condense(h),
    copyBits(h, 0, 0, STAGE_OUT),
    copyHead(h),
    copySkb(h),
    copyUbufs(h),
    expandHead(h, 1, 1),
    extend(h, 1),
    get(h),
    linearize(h),
    mayPull(h, 1),
    morph(h, good),
    morph(good, h),
    pull(h, 0),
    push(h, 0),
    put(h, 0),
    recycle(h, 0),
    release(h, 0),
    reserve(h, 0),
    setField(h, SKB_MARK, 1),
    setField16(h, SKB_QUEUE, 1),
    setHeader(h, SKB_NETWORK_HEADER, 0),
    setInfoField(h, SHINFO_GSO_SIZE, 1),
    shift(h, good, 0),
    shift(good, h, 0),
    split(h, 0),
    startSegments(h, 0, 0),
    storeBits(h, 0, 0, STAGE_IN),
    trim(h, 0),
    tryCoalesce(h, good),
    tryCoalesce(good, h),
    unclone(h),
    writeU8(h, 0, 1),
    writeU16(h, 0, 1),
    writeU32(h, 0, 1),
  ];
  for (let i = 0; i < statuses.length; i++) if (statuses[i] !== E_STALE) bad += 1;
  const values: StaticArray<u32> = [
    dataAddress(h),
    dataLength(h),
    dataRefs(h),
    field(h, SKB_MARK),
    field16(h, SKB_QUEUE),
    frags(h),
    headroom(h),
    infoField(h, SHINFO_GSO_SIZE),
    length(h),
    listLength(h),
    skbAddress(h),
    tailroom(h),
    truesize(h),
    users(h),
    zeroCopy(h),
  ];
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) bad += 1;
  if (readU8(h, 0) !== READ_FAILED || failure() !== E_STALE) bad += 1;
  if (readU16(h, 0) !== READ_FAILED || failure() !== E_STALE) bad += 1;
  if (readU32(h, 0) !== READ_FAILED || failure() !== E_STALE) bad += 1;
  if (checksum(h, 0, 0) !== CHECKSUM_FAILED + E_STALE) bad += 1;
  store32(scratch(), h);
  if (releaseBurst(scratch(), 1) !== 0) bad += 1;
  return bad;
}

/** Sum over the whole arena but for the scratch, in which a burst's handles are passed. */
function arenaSum(): u32 {
  let sum: u32 = 0;
  const end = scratch();
  for (let p = BASE; p < end; p += 4) sum = (sum * 31 + load32(p)) >>> 0;
  for (let p = end + 4; p < BASE + 512 * 4096; p += 4) sum = (sum * 31 + load32(p)) >>> 0;
  return sum;
}

let good: u32 = 0;
let region: u32 = 0;
let ubuf: u32 = 0;
function start(): void {
  fresh();
  good = packet(100, 10, 0);
  region = createRegion(1);
  ubuf = createUbuf(0, 0);
}

describe("a stale handle", () => {
  beforeEach(start);

  it("is refused everywhere, and no word of the arena changes", () => {
    const h = packet(100, 10, 0);
    grow(h, 100, 0);
    release(h, 0);
    const sum = arenaSum();
    expect(answers(h, good, region, ubuf)).toBe(0);
    expect(arenaSum()).toBe(sum);
  });

  it("is refused when its slot is in use again", () => {
    const h = packet(100, 10, 0);
    const address = skbAddress(h);
    release(h, 0);
    const next = packet(100, 10, 0);
    expect(skbAddress(next)).toBe(address);
    expect(next).not.toBe(h);
    const sum = arenaSum();
    expect(answers(h, good, region, ubuf)).toBe(0);
    expect(arenaSum()).toBe(sum);
  });

  it("is what 0, a status, and any number of no packet are", () => {
    const before = exactDigest(good);
    expect(answers(0, good, region, ubuf)).toBe(0);
    let bad: u32 = 0;
    for (let status: u32 = 1; status < ERROR_LIMIT; status++) {
      if (length(status) !== 0 || release(status, 0) !== E_STALE) bad += 1;
    }
    expect(bad).toBe(0);
    expect(answers(HANDLE_MASK, good, region, ubuf)).toBe(0);
    expect(answers(0xffffffff, good, region, ubuf)).toBe(0);
    expect(answers(good + 256, good, region, ubuf)).toBe(0, "the next generation of the slot");
    expect(answers((good | 0x40000000) >>> 0, good, region, ubuf)).toBe(0, "a bit above the handle's");
    expect(exactDigest(good)).toBe(before);
  });

  it("does not come back before all generations are through", () => {
    const first = alloc(1, 0);
    release(first, 0);
    let same: u32 = 0;
    let h: u32 = 0;
    for (let i: u32 = 0; i < 5000; i++) {
      h = alloc(1, 0);
      if (h === first) same += 1;
      release(h, 0);
    }
    expect(same).toBe(0);
    // The same slot all the time: the last one given back is the first one taken.
    expect(h & 255).toBe(first & 255);
    expect(h >>> 8).toBe((first >>> 8) + 5000);
  });

  it("is left by whatever takes a packet over", () => {
    const h = packet(10, 0, 0);
    const from = packet(10, 0, 10);
    tryCoalesce(h, from);
    expect(release(from, 0)).toBe(E_STALE);
    release(h, 0);
    const free = freshSkbs() + inMagazine(1, CLASS_SKB) + inDepot(CLASS_SKB);
    expect(free).toBe(totalSkbs() - 1, "all but the good one");
  });
});

describe("a stale ubuf", () => {
  beforeEach(start);

  it("is refused everywhere", () => {
    cancelUbuf(ubuf);
    const sum = arenaSum();
    expect(addUserFrag(good, region, 0, 1, ubuf)).toBe(E_UBUF);
    expect(addUserFrag(good, region, 0, 1, 0)).toBe(E_UBUF);
    expect(cancelUbuf(ubuf)).toBe(E_STALE);
    expect(ubufRefs(ubuf)).toBe(0);
    expect(ubufState(ubuf)).toBe(0);
    expect(arenaSum()).toBe(sum);
    const next = createUbuf(0, 0);
    expect(next).not.toBe(ubuf);
    expect(ubufState(ubuf)).toBe(0);
    expect(cancelUbuf(ubuf)).toBe(E_STALE);
  });
});
