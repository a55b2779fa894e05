// The traffic of the stress test: packets in every shape whose bytes say which packet they are of, and what a thread does
// to one that passes. As a worker: dequeues, treats, passes on, until its ring ends.

import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { Engine, Mesh, PoolExhaustedError, Ring, SharedDataError, Ubuf, UserRegion } from "skbuff";
import "skbuff/js";

const PATTERN_BYTES = 1 << 18;
const PHASES = 4096;
/** Clones that a thread keeps for a while. */
const KEPT_MOST = 8;
const REGION_BYTES = 5 * 4096;

/** Numerical Recipes' generator: the same run for the same seed, as far as threads allow. */
export function generator(seed) {
  let state = seed >>> 0;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % n;
  };
}

const noise = generator(1);
const PATTERN = Uint8Array.from({ length: PATTERN_BYTES }, () => noise(256));

/** The bytes [at, at + n) of packet `seq`. */
function bytesOf(seq, at, n) {
  const phase = (seq * 61) % PHASES;
  return PATTERN.subarray(phase + at, phase + at + n);
}

export class Traffic {
  /** What every operation that was done, and every refusal, is counted under. */
  counts = {};
  lent = 0;
  /** Of each desc, how often its completion came. */
  told = new Map();
  #desc = 0;
  #kept = [];
  #receiver;
  #sender;

  constructor(engine, seed, mesh, place) {
    this.engine = engine;
    this.random = generator(seed);
    this.id = engine.thread;
    // A region of the pattern itself: what is lent from it continues a packet of the right phase.
    this.region = new UserRegion(engine, REGION_BYTES);
    this.region.bytes.set(PATTERN.subarray(0, REGION_BYTES));
    this.#sender = mesh.sender(place);
    this.#receiver = mesh.receiver(place);
  }

  #count(name) {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }

  /** A packet of a random shape. null if the pool has none now. */
  make(seq) {
    const { engine, random } = this;
    const size = random(4) === 0 ? random(9000) : random(400);
    const skb = engine.tryAlloc(size, { headroom: random(100) });
    if (skb === null) return null;
    skb.mark = seq;
    skb.putData(bytesOf(seq, 0, random(size + 1)));
    try {
      for (let i = random(4); i > 0; i--) this.#grow(skb);
      if (random(4) === 0) {
        const member = engine.tryAlloc(300);
        if (member !== null) {
          member.putData(bytesOf(seq, skb.length, random(301)));
          skb.addFragList(member);
        }
      }
    } catch (error) {
      this.#refused(error);
    }
    return skb;
  }

  /** Appends pages, or lends some. Both are written before anybody else sees them. */
  #grow(skb) {
    const n = 1 + this.random(this.random(3) === 0 ? 5000 : 500);
    const at = skb.length;
    const phase = (skb.mark * 61) % PHASES;
    if (skb.listLength > 0 || skb.frags > 12) return;
    if (this.random(2) === 0 || skb.zeroCopy || phase + at + n > REGION_BYTES) {
      skb.addPageFrag(n).set(bytesOf(skb.mark, at, n));
      return;
    }
    const sharing = this.random(2) === 0 ? "copy" : "refcount";
    const desc = ++this.#desc;
    const ubuf = new Ubuf(
      this.engine,
      ({ desc: done }) => {
        this.told.set(done, (this.told.get(done) ?? 0) + 1);
      },
      { desc, sharing },
    );
    try {
      skb.addUserFrag(this.region, phase + at, n, ubuf);
      this.lent++;
      this.#count(`lent, ${sharing}`);
    } catch (error) {
      ubuf.cancel();
      throw error;
    }
  }

  /** Throws if one of the packet's bytes is not its own. */
  verify(skb, when) {
    const got = skb.toBytes();
    if (Buffer.compare(got, bytesOf(skb.mark, 0, got.length)) === 0) return;
    const wanted = bytesOf(skb.mark, 0, got.length);
    const at = got.findIndex((byte, i) => byte !== wanted[i]);
    throw new Error(
      `thread ${this.id}, ${when}: packet ${skb.mark} of ${got.length} bytes (${skb.linearLength} linear, ${skb.frags} frags, ` +
        `list of ${skb.listLength}, cloned ${skb.cloned}, lent ${skb.zeroCopy}): byte ${at} is ${got[at]}, not ${wanted[at]}`,
    );
  }

  #refused(error) {
    if (!(error instanceof PoolExhaustedError || error instanceof SharedDataError)) throw error;
    this.#count(error.name);
  }

  /** Does something to a packet that passes. Returns what is passed on instead of it. */
  treat(skb) {
    this.verify(skb, "on arrival");
    let out = skb;
    try {
      out = this.#operate(skb);
    } catch (error) {
      this.#refused(error);
    }
    this.#stamp(out);
    this.verify(out, "on leaving");
    return out;
  }

  #operate(skb) {
    const what = this.random(12);
    this.#count(`operation ${what}`);
    switch (what) {
      case 0: {
        // The clone goes on, the packet itself ends here, later, or on whichever thread.
        const clone = skb.clone();
        this.#putAside(skb);
        return clone;
      }
      case 1:
        this.#putAside(skb.clone());
        return skb;
      case 2: {
        const copy = skb.copy();
        skb.release();
        return copy;
      }
      case 3:
        this.#putAside(skb.copyHead());
        return skb;
      case 4:
        skb.unclone();
        return skb;
      case 5:
        skb.linearize();
        return skb;
      case 6:
        skb.expandHead(this.random(200), this.random(200));
        return skb;
      case 7:
        skb.copyUbufs();
        return skb;
      case 8: {
        const tail = skb.split(this.random(skb.length + 1));
        tail.mark = skb.mark;
        try {
          skb.addFragList(tail);
        } catch (error) {
          tail.release();
          throw error;
        }
        return skb;
      }
      case 9:
        if (!skb.cloned) this.#grow(skb);
        return skb;
      case 10:
        skb.mayPull(this.random(skb.length + 1));
        return skb;
      default:
        return skb;
    }
  }

  /** Writes this thread's number over a byte, sees that it is there and nowhere else, and restores it. */
  #stamp(skb) {
    if (skb.length === 0) return;
    const at = this.random(skb.length);
    const old = skb.readU8(at);
    try {
      skb.writeU8(at, this.id);
    } catch (error) {
      this.#refused(error);
      return;
    }
    if (skb.readU8(at) !== this.id)
      throw new Error(`thread ${this.id}: another wrote into packet ${skb.mark}`);
    skb.writeU8(at, old);
  }

  /** Keeps a packet for a while, or has another thread release it. */
  #putAside(skb) {
    if (this.random(2) === 0 && this.#sender.enqueue(skb)) return;
    this.#kept.push(skb);
    if (this.#kept.length > KEPT_MOST) this.#kept.splice(this.random(KEPT_MOST), 1)[0].release();
  }

  /** Releases what other threads want released. */
  sweep() {
    const out = [];
    const n = this.#receiver.dequeueBurst(out, 64);
    for (const skb of out) this.verify(skb, "put aside");
    this.engine.releaseBurst(out, n);
  }

  /** Gives back all that this thread has, when no more traffic comes, and waits until the others have done so. */
  async end() {
    this.#sender.close();
    this.engine.releaseBurst(this.#kept.splice(0));
    while ((await this.#receiver.waitAsync({ timeout: 60_000 })) === "ready") this.sweep();
    if (!this.#receiver.ended) throw new Error(`thread ${this.id}: the others do not end`);
    this.#sender.release();
    this.#receiver.release();
    this.region.release();
  }

  /** What came of it, once all completions are there. */
  report() {
    const told = [...this.told.values()];
    return {
      counts: this.counts,
      lent: this.lent,
      completed: told.length,
      twice: told.filter((n) => n !== 1).length,
    };
  }
}

async function work({ engine: token, mesh, place, from: fromToken, to: toToken, seed, core }) {
  const engine = await Engine.attach(token, { core });
  const traffic = new Traffic(engine, seed, Mesh.attach(engine, mesh), place);
  const [from, to] = [Ring.attach(engine, fromToken), Ring.attach(engine, toToken)];
  const burst = [];
  let passed = 0;
  parentPort.postMessage({ ready: true });
  for (;;) {
    const woken =
      traffic.random(8) === 0
        ? await from.waitAsync({ timeout: 100 })
        : from.wait({ timeout: 100, completions: traffic.random(2) === 0 });
    if (woken === "ended") break;
    traffic.sweep();
    const n = from.dequeueBurst(burst, 1 + traffic.random(32), { reuse: true });
    for (let i = 0; i < n; i++) burst[i] = traffic.treat(burst[i]);
    for (let done = 0; done < n; ) {
      done += to.enqueueBurst(burst.slice(done, n));
      if (done < n) to.waitWritable(1);
    }
    passed += n;
    if (traffic.random(4) === 0) engine.poll();
  }
  to.close();
  await traffic.end();
  from.release();
  to.release();
  await engine.detachAsync({ completions: "wait", timeout: 60_000 });
  return { passed, ...traffic.report() };
}

if (!isMainThread && workerData?.traffic === true) {
  try {
    parentPort.postMessage({ report: await work(workerData) });
  } catch (error) {
    parentPort.postMessage({ error: error.stack });
  }
}
