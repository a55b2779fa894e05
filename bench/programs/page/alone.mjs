// The page without workers: one thread does it all.

import { ANSWER_BYTES, answer } from "./answer.mjs";
import { connect, meter, stopped } from "./host.mjs";

const socket = await connect();
socket.onmessage = ({ data }) => {
  const bytes = new ArrayBuffer(ANSWER_BYTES);
  answer(data, new DataView(bytes), 0);
  socket.send(bytes);
  meter.units++;
};
await stopped;
socket.close();
