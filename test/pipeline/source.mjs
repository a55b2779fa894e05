// A source with a thread of its own: `data.packets` packets with numbers, or, without an end, until it is closed.

export default async function* ({ engine, data }) {
  for (let n = 0; n < (data.packets ?? Number.POSITIVE_INFINITY); n++) {
    let skb = engine.tryAlloc(64);
    while (skb === null) {
      await new Promise((resolve) => setImmediate(resolve));
      skb = engine.tryAlloc(64);
    }
    skb.putZeros(64);
    skb.writeU32(0, n);
    skb.hash = n;
    if (n === data.throwsAt) {
      skb.release();
      throw new Error("no more");
    }
    yield skb;
  }
}
