/** What is done to each packet, in a worker or in the page: its bytes are inverted in place, and summed. */
export function work(skb) {
  const bytes = skb.bytes;
  for (let i = 0; i < bytes.length; i++) bytes[i] ^= 0xff;
  skb.mark = skb.checksum();
}
