export const stage = () => (skb) => skb;
