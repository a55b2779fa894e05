// What waits for its turn costs the same however much waits before it: queues, backlogs, deframing, and those who wait.

import { Engine, type Skb } from "skbuff";
import { UdpReceiver } from "skbuff/node";
import { expect, it } from "vitest";
import { Fifo } from "../../src/io/fifo.js";
import { expectLinear, fastest } from "../exponent.js";

const MANY = [1000, 10_000, 100_000, 1_000_000];

function timed(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

it("a queue keeps its order, whatever goes in and out", () => {
  const fifo = new Fifo<number>();
  const model: number[] = [];
  let state = 1;
  for (let i = 0; i < 20_000; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // By turns it grows and shrinks.
    if (state % 16 < (i % 5000 < 2500 ? 10 : 5)) {
      fifo.push(i);
      model.push(i);
    } else expect(fifo.shift()).toBe(model.shift());
    expect([fifo.length, fifo.peek(), fifo.last(), fifo.at(3), fifo.at(model.length)]).toEqual([
      model.length,
      model[0],
      model.at(-1),
      model[3],
      undefined,
    ]);
  }
});

it("a queue takes time in proportion to what goes through it, however long it is", () => {
  expectLinear((n) => {
    return fastest(n < 100_000 ? 20 : 2, () =>
      timed(() => {
        const fifo = new Fifo<object>();
        for (let i = 0; i < n; i++) fifo.push(fifo);
        for (let i = 0; i < n; i++) fifo.push(fifo.shift() as object);
        for (let i = 0; i < n; i++) fifo.shift();
      }),
    );
  }, MANY);
});

it("a backlog of datagrams costs as much a packet as a short one", async () => {
  const engine = await Engine.create({ memory: 128 << 20, threads: 1, skbs: 2 ** 18 - 64 });
  const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0, backlog: 2 ** 18 });
  const info = { address: "127.0.0.1", family: "IPv4", port: 9, size: 8 };
  const bytes = Buffer.alloc(8);
  const out: Skb[] = new Array(64);
  expectLinear(
    (n) =>
      fastest(n < 100_000 ? 5 : 1, () => {
        const time = timed(() => {
          for (let i = 0; i < n; i++) receiver.socket.emit("message", bytes, info);
          for (let i = 0; i < n; ) {
            const some = receiver.dequeueBurst(out, { reuse: true });
            engine.releaseBurst(out, some);
            i += some;
          }
        });
        expect([receiver.size, receiver.stats().dropped]).toEqual([0, { full: 0, exhausted: 0 }]);
        return time;
      }),
    [2000, 20_000, 200_000],
  );
  await receiver.close();
  expect(engine.close()).toEqual([]);
});
