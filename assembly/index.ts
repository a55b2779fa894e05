// What the core offers. Handles in, statuses, handles and addresses out (layout.ts: Results).

export { attach as attachArena, format } from "./arena";
export { dequeueBurst, enqueueBurst } from "./burst";
export { clone, copyHead, copySkb, expandHead, morph, unclone } from "./clone";
export { extract } from "./extract";
export {
  cbAddress,
  dataAddress,
  dataLength,
  dataRefs,
  field,
  field16,
  frags,
  headroom,
  infoField,
  length,
  listLength,
  setField,
  setField16,
  setHeader,
  setInfoField,
  skbAddress,
  tailroom,
  truesize,
  users,
} from "./fields";
export { flushMagazines } from "./magazine";
export { copy, fill } from "./memory";
export { park, spin, unpark } from "./park";
export { failAllocation, shortOf } from "./pool";
export { addPageFrag, condense, extend, linearize, mayPull, trim } from "./resize";
export {
  closeRing,
  createRing,
  joinRing,
  leaveRing,
  ringCapacity,
  ringConsumer,
  ringGeneration,
  ringIndex,
  ringProducer,
  ringSize,
  ringState,
  takeConsumer,
  takeProducer,
} from "./ring";
export { scatter, setTarget, targetOf } from "./scatter";
export { alloc, allocBurst, get, pull, push, put, release, releaseBurst, reserve } from "./skb";
export { addFragList, recycle, shift, split, tryCoalesce } from "./split";
export {
  counter,
  freePages,
  freshSkbs,
  freshUbufs,
  inDepot,
  inMagazine,
  inSlabs,
  magazineMost,
  threadAsleep,
  threadState,
  threads,
  totalPages,
  totalSkbs,
  totalUbufs,
} from "./stats";
export { claimThread, freeThread, inherited, scratch, threadSelf } from "./thread";
export { cancelUbuf, createUbuf, finishUbuf, takeCompletion, ubufDesc, ubufRefs, ubufState } from "./ubuf";
export {
  checksum,
  checkWrite,
  copyBits,
  failure,
  nextSegments,
  readU8,
  readU16,
  readU32,
  spanOf,
  startSegments,
  storeBits,
  writeU8,
  writeU16,
  writeU32,
} from "./walk";
export { addUserFrag, copyUbufs, createRegion, regionFrags, releaseRegion, zeroCopy } from "./zerocopy";
