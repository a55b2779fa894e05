// A stage: notes each packet's checksum in it.
export default () => (skb) => {
  skb.mark = skb.checksum();
  return skb;
};
