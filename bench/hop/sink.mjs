// The worker's side of thread-stream: a stream that takes everything at once.

import { Writable } from "node:stream";

export default async function sink() {
  return new Writable({
    write(_chunk, _encoding, done) {
      done();
    },
  });
}
