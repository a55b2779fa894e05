// Loaded into every thread of a replay: the first looker dies of its own hand after some packets, and runs nothing more.

import { isMainThread, workerData } from "node:worker_threads";

if (!isMainThread && workerData?.i === 0) {
  const { Receiver } = await import("skbuff");
  const { dequeueBurst } = Receiver.prototype;
  let calls = 0;
  Receiver.prototype.dequeueBurst = function (...values) {
    if (++calls > 20) process.exit(1);
    return dequeueBurst.apply(this, values);
  };
}
