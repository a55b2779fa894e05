// A worker of plain.mjs.

import { ANSWER_BYTES, answer } from "./answer.mjs";
import { parent } from "./host.mjs";

parent.receive((messages) => {
  const answers = new ArrayBuffer(messages.length * ANSWER_BYTES);
  const into = new DataView(answers);
  for (let i = 0; i < messages.length; i++) answer(messages[i], into, i * ANSWER_BYTES);
  parent.post(answers, [answers]);
});
