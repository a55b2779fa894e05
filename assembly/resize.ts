// Moving the border between head and frags, and growing or cutting a packet at its end.

import {
  COUNT_BYTES_COPIED,
  E_EXHAUSTED,
  E_FRAGS,
  E_RANGE,
  E_SHARED,
  E_STALE,
  KIND_FRAG,
  MAX_FRAGS,
  MAX_LENGTH,
  MAX_LINEAR,
  NOT_DONE,
  OK,
  PAGE_BYTES,
  PAGE_KIND,
  PAGE_SHIFT,
  PAGE_SPAN,
  SHINFO_FRAG_LIST_TAIL,
  SKB_DATA,
  SKB_DATA_LEN,
  SKB_LEN,
  SKB_NEXT,
} from "./layout";
import { load32, store32 } from "./memory";
import { entryOf, pageAddress, pageRefs } from "./page";
import { allocPages, linkPages, nextPages, putPages } from "./pool";
import { makeRoom, moveDown, ownHead } from "./rehead";
import {
  addData,
  dropData,
  dropFragsTo,
  eatFrags,
  fragAddress,
  fragBytes,
  fragCount,
  fragList,
  fragSize,
  isShared,
  linearLength,
  pushFrag,
  setFrag,
  setList,
  shinfoOf,
  tailOf,
  tailSpace,
} from "./shinfo";
import { releaseCopied, releaseSkb, skbOf } from "./skb";
import { count } from "./thread";
import { settleUbuf } from "./ubuf";
import { copyOut } from "./walk";

/** skb_linearize: the whole packet into its head. OK, E_STALE, E_LINEAR or E_EXHAUSTED. */
export function linearize(handle: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  return pullTail(skb, load32(skb + SKB_DATA_LEN));
}

/** pskb_may_pull: at least `n` bytes into the head. OK, E_STALE, E_RANGE, E_LINEAR or E_EXHAUSTED. */
export function mayPull(handle: u32, n: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  const linear = linearLength(skb);
  if (n <= linear) return OK;
  if (n > load32(skb + SKB_LEN)) return E_RANGE;
  return pullTail(skb, n - linear);
}

/** skb_condense: into the head what fits there without an allocation. OK if the packet is linear now, E_STALE or NOT_DONE. */
export function condense(handle: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  const n = load32(skb + SKB_DATA_LEN);
  if (n !== 0 && (isShared(skb) || (n > tailSpace(skb) && !moveDown(skb, n)))) return NOT_DONE;
  return pullTail(skb, n);
}

/** __pskb_pull_tail: moves the first `n` bytes behind the head into it. Trusts that there are as many. */
function pullTail(skb: u32, n: u32): u32 {
  if (DEBUG) assert(n <= load32(skb + SKB_DATA_LEN), "as many bytes are behind the head");
  if (n === 0) return OK;
  if (fragList(shinfoOf(skb)) !== 0) {
    // Before the room: that can cost headroom, and whatever fails must leave it as it was.
    const owned = ownHead(skb);
    if (owned !== OK) return owned;
    const prepared = prepareEat(skb, n);
    if (prepared !== OK) return prepared;
  }
  const room = n > tailSpace(skb) ? makeRoom(skb, n) : ownHead(skb);
  if (room !== OK) return room;
  copyOut(skb, linearLength(skb), n, tailOf(skb));
  count(COUNT_BYTES_COPIED, n);
  store32(skb + SKB_DATA_LEN, load32(skb + SKB_DATA_LEN) - n);
  eat(skb, n);
  return OK;
}

/** Makes sure that `eat` of `n` bytes changes nothing that is shared: the one member it may cut into. */
function prepareEat(skb: u32, n: u32): u32 {
  const shinfo = shinfoOf(skb);
  let member = fragList(shinfo);
  if (member === 0) return OK;
  let rest = fragBytes(shinfo);
  if (n <= rest) return OK;
  rest = n - rest;
  while (member !== 0 && load32(member + SKB_LEN) <= rest) {
    rest -= load32(member + SKB_LEN);
    member = load32(member + SKB_NEXT);
  }
  return member !== 0 && rest > linearLength(member) ? ownHead(member) : OK;
}

/** Drops the first `n` bytes behind the head, which are copied already; lengths of the skb are the caller's. */
function eat(skb: u32, n: u32): void {
  const shinfo = shinfoOf(skb);
  let rest = eatFrags(shinfo, n);
  settleUbuf(shinfo, true);
  while (rest !== 0) {
    const member = fragList(shinfo);
    const bytes = load32(member + SKB_LEN);
    if (bytes > rest) {
      eatMember(member, rest);
      return;
    }
    rest -= bytes;
    const next = load32(member + SKB_NEXT);
    setList(shinfo, next, next === 0 ? 0 : load32(shinfo + SHINFO_FRAG_LIST_TAIL));
    releaseCopied(member);
  }
}

function eatMember(member: u32, n: u32): void {
  const linear = linearLength(member);
  const head = n < linear ? n : linear;
  store32(member + SKB_DATA, load32(member + SKB_DATA) + head);
  store32(member + SKB_LEN, load32(member + SKB_LEN) - head);
  if (n === head) return;
  dropData(member, n - head);
  eatFrags(shinfoOf(member), n - head);
  settleUbuf(shinfoOf(member), true);
}

/** skb_trim and pskb_trim: cuts the packet to `n` bytes. OK, E_STALE, E_RANGE or E_EXHAUSTED. */
export function trim(handle: u32, n: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (n > load32(skb + SKB_LEN)) return E_RANGE;
  return cutTo(skb, n);
}

function cutTo(skb: u32, n: u32): u32 {
  if (n === load32(skb + SKB_LEN)) return OK;
  if (load32(skb + SKB_DATA_LEN) === 0) {
    store32(skb + SKB_LEN, n);
    return OK;
  }
  const owned = ownHead(skb);
  if (owned !== OK) return owned;
  const shinfo = shinfoOf(skb);
  const linear = linearLength(skb);
  let keep = n > linear ? n - linear : 0;
  const inFrags = fragBytes(shinfo);
  if (keep > inFrags) {
    // Cuts into the list: the member first, the only step that can fail.
    let rest = keep - inFrags;
    let member = fragList(shinfo);
    while (load32(member + SKB_LEN) < rest) {
      rest -= load32(member + SKB_LEN);
      member = load32(member + SKB_NEXT);
    }
    const status = cutTo(member, rest);
    if (status !== OK) return status;
    const after = load32(member + SKB_NEXT);
    store32(member + SKB_NEXT, 0);
    store32(shinfo + SHINFO_FRAG_LIST_TAIL, member);
    releaseList(after);
  } else {
    const list = fragList(shinfo);
    setList(shinfo, 0, 0);
    releaseList(list);
    let i: u32 = 0;
    while (keep !== 0 && keep >= fragSize(shinfo, i)) {
      keep -= fragSize(shinfo, i);
      i += 1;
    }
    if (keep !== 0) {
      setFrag(shinfo, i, fragAddress(shinfo, i), keep);
      i += 1;
    }
    dropFragsTo(shinfo, i);
    settleUbuf(shinfo, false);
  }
  store32(skb + SKB_LEN, n);
  store32(skb + SKB_DATA_LEN, n > linear ? n - linear : 0);
  return OK;
}

function releaseList(first: u32): void {
  let member = first;
  while (member !== 0) {
    const next = load32(member + SKB_NEXT);
    releaseSkb(member);
    member = next;
  }
}

/**
 * skb_add_rx_frag: appends `n` bytes, contents undefined, as one frag in fresh pages.
 * Returns the address of the first (of no bytes, any), E_STALE, E_SHARED, E_FRAGS, E_RANGE or E_EXHAUSTED.
 */
export function addPageFrag(handle: u32, n: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (n === 0) return tailOf(skb);
  if (n > MAX_LINEAR || n > MAX_LENGTH - load32(skb + SKB_LEN)) return E_RANGE;
  if (isShared(skb)) return E_SHARED;
  const shinfo = shinfoOf(skb);
  if (fragCount(shinfo) >= MAX_FRAGS || fragList(shinfo) !== 0) return E_FRAGS;
  const entry = allocPages((n + PAGE_BYTES - 1) >>> PAGE_SHIFT, KIND_FRAG);
  if (entry === 0) return E_EXHAUSTED;
  pushFrag(shinfo, pageAddress(entry), n);
  addData(skb, n);
  return pageAddress(entry);
}

/** Bytes that can be appended to the last frag because the rest of its page is this packet's alone. */
function fragSpace(shinfo: u32): u32 {
  const n = fragCount(shinfo);
  if (n === 0) return 0;
  const end = fragAddress(shinfo, n - 1) + fragSize(shinfo, n - 1);
  const entry = entryOf(fragAddress(shinfo, n - 1));
  if (load32(entry + PAGE_KIND) !== KIND_FRAG || pageRefs(entry) !== 1) return 0;
  return (load32(entry + PAGE_SPAN) << PAGE_SHIFT) - (end - pageAddress(entry));
}

/**
 * skb_append_datato_frags: `n` more bytes, contents undefined, at the end of the packet: first the tailroom, then
 * what is left of the last page, then fresh pages. OK, E_STALE, E_SHARED, E_RANGE, E_FRAGS or E_EXHAUSTED.
 */
export function extend(handle: u32, n: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (n === 0) return OK;
  if (n > MAX_LENGTH - load32(skb + SKB_LEN)) return E_RANGE;
  if (isShared(skb)) return E_SHARED;
  const list = fragList(shinfoOf(skb));
  if (list === 0) return extendPart(skb, n);
  // The end of the packet is the end of its last member.
  const last = load32(shinfoOf(skb) + SHINFO_FRAG_LIST_TAIL);
  if (isShared(last)) return E_SHARED;
  const status = extendPart(last, n);
  if (status === OK) addData(skb, n);
  return status;
}

function extendPart(skb: u32, n: u32): u32 {
  const shinfo = shinfoOf(skb);
  const space = load32(skb + SKB_DATA_LEN) === 0 ? tailSpace(skb) : 0;
  const inHead = n < space ? n : space;
  const spare = fragSpace(shinfo);
  const inLast = n - inHead < spare ? n - inHead : spare;
  let rest = n - inHead - inLast;
  let chain: u32 = 0;
  if (rest !== 0) {
    const slots = MAX_FRAGS - fragCount(shinfo);
    const pages = (rest + PAGE_BYTES - 1) >>> PAGE_SHIFT;
    if (slots === 0) return E_FRAGS;
    // Single pages while they fit the table, else runs long enough to.
    let perFrag: u32 = 1;
    while (perFrag * slots < pages) perFrag += 1;
    if (perFrag * PAGE_BYTES > MAX_LINEAR) return E_FRAGS;
    chain = allocChain(pages, perFrag);
    if (chain === 0) return E_EXHAUSTED;
  }
  if (inLast !== 0) {
    const i = fragCount(shinfo) - 1;
    setFrag(shinfo, i, fragAddress(shinfo, i), fragSize(shinfo, i) + inLast);
  }
  while (chain !== 0) {
    const next = nextPages(chain);
    const room = load32(chain + PAGE_SPAN) << PAGE_SHIFT;
    pushFrag(shinfo, pageAddress(chain), rest < room ? rest : room);
    rest -= rest < room ? rest : room;
    chain = next;
  }
  store32(skb + SKB_LEN, load32(skb + SKB_LEN) + n);
  store32(skb + SKB_DATA_LEN, load32(skb + SKB_DATA_LEN) + n - inHead);
  return OK;
}

/** Allocates `pages` pages as runs of `perFrag`, in the order they are to be filled. Returns the first, or 0. */
function allocChain(pages: u32, perFrag: u32): u32 {
  let left = pages;
  let first: u32 = 0;
  let last: u32 = 0;
  while (left !== 0) {
    const n = left < perFrag ? left : perFrag;
    const entry = allocPages(n, KIND_FRAG);
    if (entry === 0) {
      putPages(first);
      return 0;
    }
    linkPages(last, entry);
    if (last === 0) first = entry;
    last = entry;
    left -= n;
  }
  return first;
}
