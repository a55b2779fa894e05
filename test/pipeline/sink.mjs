// A sink with a thread of its own: adds up what it takes into `data.sums`: packets, and their first words.

export default ({ data }) => {
  return (skb) => {
    Atomics.add(data.sums, 0, 1);
    Atomics.add(data.sums, 1, skb.readU32(0));
    skb.release();
    if (data.throwsAt === Atomics.load(data.sums, 0)) throw new Error("enough");
  };
};
