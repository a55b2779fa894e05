import { stage } from "skbuff/pipeline";

/** What is done to each packet, in a worker or in the page: its bytes are inverted in place, and summed. */
export default stage(() => (skb) => {
  const { bytes } = skb;
  for (let i = 0; i < bytes.length; i++) bytes[i] ^= 0xff;
  skb.mark = skb.checksum();
  return skb;
});
