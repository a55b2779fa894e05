import {
  addFragList,
  clone,
  copyHead,
  counter,
  createRegion,
  createRing,
  dataAddress,
  dataRefs,
  enqueueBurst,
  frags,
  freePages,
  get,
  infoField,
  leaveRing,
  length,
  push,
  put,
  regionFrags,
  release,
  releaseRegion,
  scratch,
  setInfoField,
  tryCoalesce,
  users,
} from "../index";
import {
  BURST_FAILED,
  COUNT_REASONS,
  COUNT_RELEASES,
  E_HELD,
  E_SHARED,
  E_STALE,
  KIND_FRAG,
  OK,
  PRODUCES,
  SHINFO_GSO_SIZE,
} from "../layout";
import { store32 } from "../memory";
import { entryOf, getPage, pageAddress, pageRefs, putPage, takeRun } from "../page";
import { fresh, grow, inUse, packet, refsAt, wrong } from "./arena";

describe("users of an skb", () => {
  beforeEach(fresh);

  it("each release it, and the last one for good", () => {
    const h = packet(100, 0, 0);
    expect(get(h)).toBe(OK);
    expect(get(h)).toBe(OK);
    expect(users(h)).toBe(3);
    release(h, 0);
    release(h, 0);
    expect(users(h)).toBe(1);
    expect(wrong(h, 0)).toBe(0);
    expect(release(h, 0)).toBe(OK);
    expect(release(h, 0)).toBe(E_STALE);
    expect(inUse()).toBe(0);
  });

  it("keep it from being given away", () => {
    const h = packet(100, 0, 0);
    const other = packet(100, 0, 100);
    get(other);
    const ring = createRing(4);
    store32(scratch(), other);
    expect(enqueueBurst(ring, scratch(), 1)).toBe(BURST_FAILED | E_HELD);
    expect(addFragList(h, other)).toBe(E_HELD);
    expect(tryCoalesce(h, other)).toBe(E_HELD);
    expect(length(h)).toBe(100);
    release(other, 0);
    leaveRing(ring, PRODUCES);
    expect(addFragList(h, other)).toBe(OK);
    release(h, 0);
    expect(inUse()).toBe(0);
  });

  it("count a drop under its reason once, and a consumed packet under none", () => {
    const h = packet(1, 0, 0);
    get(h);
    const drops = counter(1, COUNT_REASONS + 3);
    const releases = counter(1, COUNT_RELEASES);
    release(h, 3);
    expect(counter(1, COUNT_REASONS + 3)).toBe(drops, "somebody still holds it");
    release(h, 3);
    expect(counter(1, COUNT_REASONS + 3)).toBe(drops + 1);
    release(packet(1, 0, 0), 0);
    expect(counter(1, COUNT_REASONS)).toBe(0);
    expect(counter(1, COUNT_RELEASES)).toBe(releases + 2);
  });
});

describe("dataref", () => {
  beforeEach(fresh);

  it("counts the skbs on a head", () => {
    const h = packet(100, 20, 0);
    const twin = clone(h);
    const third = clone(twin);
    expect(dataRefs(h)).toBe(3);
    expect(dataAddress(third)).toBe(dataAddress(h));
    release(h, 0);
    expect(dataRefs(twin)).toBe(2);
    release(third, 0);
    expect(dataRefs(twin)).toBe(1);
    expect(wrong(twin, 0)).toBe(0);
    release(twin, 0);
    expect(inUse()).toBe(0);
  });

  it("above 1 makes the head and its shared info read-only", () => {
    const h = packet(100, 20, 0);
    const twin = clone(h);
    expect(put(h, 1)).toBe(E_SHARED);
    expect(push(twin, 1)).toBe(E_SHARED);
    expect(setInfoField(h, SHINFO_GSO_SIZE, 1448)).toBe(E_SHARED);
    expect(infoField(h, SHINFO_GSO_SIZE)).toBe(0);
    release(twin, 0);
    expect(push(h, 1)).toBe(dataAddress(h));
    expect(setInfoField(h, SHINFO_GSO_SIZE, 1448)).toBe(OK);
    expect(infoField(h, SHINFO_GSO_SIZE)).toBe(1448);
  });

  it("keeps the frags until the last skb is gone, with one reference for all", () => {
    const h = packet(10, 0, 0);
    const p = grow(h, 3000, 0);
    const twin = clone(h);
    expect(refsAt(p)).toBe(1, "the head holds the page, not the skb");
    release(h, 0);
    expect(refsAt(p)).toBe(1);
    expect(wrong(twin, 0)).toBe(0);
    release(twin, 0);
    expect(refsAt(p)).toBe(0);
    expect(inUse()).toBe(0);
  });
});

describe("page references", () => {
  beforeEach(fresh);

  it("are counted on a run's first page and free the whole run", () => {
    const free = freePages();
    const entry = takeRun(5, KIND_FRAG);
    expect(refsAt(pageAddress(entry) + 4 * 4096)).toBe(1);
    getPage(entry);
    getPage(entry);
    expect(pageRefs(entry)).toBe(3);
    putPage(entry);
    putPage(entry);
    expect(freePages()).toBe(free - 5);
    putPage(entry);
    expect(freePages()).toBe(free);
  });

  it("are one for each head that has the frag", () => {
    const h = packet(10, 0, 0);
    const p = grow(h, 100, 0);
    const twin = copyHead(h);
    const third = copyHead(twin);
    expect(frags(third)).toBe(1);
    expect(refsAt(p)).toBe(3);
    release(twin, 0);
    release(h, 0);
    expect(refsAt(p)).toBe(1);
    expect(wrong(third, 0)).toBe(0);
    release(third, 0);
    expect(inUse()).toBe(0);
  });

  it("of a region are its own and its frags'", () => {
    const region = createRegion(3);
    expect(regionFrags(region)).toBe(0);
    getPage(entryOf(region));
    expect(regionFrags(region)).toBe(1);
    const free = freePages();
    releaseRegion(region);
    expect(freePages()).toBe(free, "a frag still points into it");
    putPage(entryOf(region));
    expect(freePages()).toBe(free + 3);
  });
});
