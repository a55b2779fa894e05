// Pipelines: the same description in the caller's thread and on workers, and that whatever fails in them gives back all of it.

import { Worker } from "node:worker_threads";
import { Engine, Ring, type Skb } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { Pipeline, type PipelineOptions, type PipelinePartOptions } from "skbuff/pipeline";
import { afterEach, describe, expect, it } from "vitest";
import { patient, surfaced } from "../environment.js";
import { codeOf } from "../packets.js";

const module = new URL("./parts.mjs", import.meta.url);
const missing = new URL("./not-there.mjs", import.meta.url);
const PACKETS = 2000;

const made: Engine[] = [];

afterEach(() => {
  for (const engine of made.splice(0)) {
    if (engine.closed) continue;
    expect(audit(engine)).toMatchObject({ problems: [], complete: true });
    // No thread, no packet, no ring is left.
    expect(engine.close()).toEqual([]);
  }
});

async function make(shared: boolean, core: "wasm" | "js" = "wasm"): Promise<Engine> {
  const engine = patient(await Engine.create({ memory: 4 * 1024 * 1024, shared, core }));
  made.push(engine);
  return engine;
}

/** `n` packets that carry their number in their first word, each of a flow. */
function* numbered(engine: Engine, n: number): Generator<Skb, void> {
  for (let i = 0; i < n; i++) {
    const skb = engine.alloc(64).putZeros(64);
    skb.writeU32(0, i);
    skb.hash = i;
    yield skb;
  }
}

/** Takes packets apart into what they carry. */
function collector(): {
  sink: (skb: Skb) => void;
  numbers: number[];
  marks: Set<number>;
  places: Set<number>;
} {
  const seen = { numbers: [] as number[], marks: new Set<number>(), places: new Set<number>() };
  return {
    ...seen,
    sink: (skb) => {
      seen.numbers.push(skb.readU32(0));
      seen.marks.add(skb.mark === skb.checksum() ? 1 : 0);
      seen.places.add(skb.priority);
      skb.release();
    },
  };
}

const part = (does: string, more: object = {}, threads = 1): PipelinePartOptions => ({
  module,
  threads,
  data: { do: does, ...more },
});
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const sorted = (numbers: number[]): number[] => numbers.sort((a, b) => a - b);

/** Runs a pipeline that should fail. Returns how. */
async function failure(
  engine: Engine,
  options: PipelineOptions,
): Promise<Error & { part?: string; code?: string }> {
  const run = async (): Promise<void> => (await Pipeline.open(engine, options)).done;
  return run().then(
    () => expect.fail("it went well"),
    (error: unknown) => error as Error,
  );
}

describe.each([
  { name: "wasm, on threads", shared: true, core: "wasm" },
  { name: "wasm, in the caller's thread", shared: false, core: "wasm" },
  { name: "js, on threads", shared: true, core: "js" },
] as const)("$name", ({ shared, core }) => {
  it("takes each packet through all stages", async () => {
    const engine = await make(shared, core);
    const { sink, numbers, marks, places } = collector();
    const pipeline = await Pipeline.open(engine, {
      source: numbered(engine, PACKETS),
      stages: [part("mark", {}, 2), part("drop")],
      sink,
    });
    await pipeline.done;
    expect(sorted(numbers)).toEqual(upTo(PACKETS).filter((n) => n % 2 === 0));
    expect([...marks]).toEqual([1]);
    expect(places.size).toBe(shared ? 2 : 1);
    expect(pipeline.stats()).toEqual({ taken: PACKETS, delivered: PACKETS / 2 });
  });

  it("keeps the order of each flow, and of all where there is one thread", async () => {
    const engine = await make(shared, core);
    const { sink, numbers } = collector();
    const stages = [part("mark"), () => (skb: Skb) => skb, part("mark")];
    await (await Pipeline.open(engine, { source: numbered(engine, PACKETS), stages, sink, capacity: 8 }))
      .done;
    expect(numbers).toEqual(upTo(PACKETS));
  });

  it("lets stages emit more, and what they kept at the end", async () => {
    const engine = await make(shared, core);
    const { sink, numbers } = collector();
    const stages = [part("keep"), part("twice")];
    await (await Pipeline.open(engine, { source: numbered(engine, 100), stages, sink })).done;
    expect(sorted(numbers)).toEqual(upTo(200).map((n) => n >>> 1));
  });

  it("refuses to emit outside of the stage's own call, and leaves the packet to the caller", async () => {
    const engine = await make(shared, core);
    const { sink, numbers } = collector();
    let emit: (skb: Skb) => void = () => {};
    const late: unknown[] = [];
    const tryLate = (): void => {
      const spare = engine.alloc(64).putZeros(64);
      late.push(
        codeOf(() => emit(spare)),
        spare.alive,
      );
      spare.release();
    };
    const stages = [
      (context: { emit(skb: Skb): void }) => {
        emit = context.emit;
        return (skb: Skb) => skb;
      },
    ];
    const pipeline = await Pipeline.open(engine, {
      source: numbered(engine, 3),
      stages,
      // From behind the stage it would come round for ever.
      sink: (skb) => {
        tryLate();
        sink(skb);
      },
    });
    await pipeline.done;
    tryLate();
    expect(numbers).toEqual([0, 1, 2]);
    expect(late).toEqual(Array.from({ length: 4 }, () => ["ERR_SKB_TYPE", true]).flat());
  });

  it("has sources and sinks that are modules", async () => {
    const engine = await make(shared, core);
    const sums = new Int32Array(new SharedArrayBuffer(8));
    const pipeline = await Pipeline.open(engine, {
      source: { module: new URL("./source.mjs", import.meta.url), data: { packets: PACKETS } },
      stages: [part("mark", {}, 2)],
      sink: { module: new URL("./sink.mjs", import.meta.url), data: { sums } },
    });
    await pipeline.done;
    expect([...sums]).toEqual([PACKETS, (PACKETS * (PACKETS - 1)) / 2]);
    expect(pipeline.stats()).toEqual({ taken: PACKETS, delivered: PACKETS });
  });

  it("waits for a sink that has no room, and takes from the source no more than rings hold", async () => {
    const engine = await make(shared, core);
    const [source, sink] = [new Ring(engine, { capacity: 1024 }), new Ring(engine, { capacity: 4 })];
    source.enqueueBurst([...numbered(engine, 1000)]);
    source.close();
    const pipeline = await Pipeline.open(engine, { source, stages: [part("mark")], sink, capacity: 4 });
    const numbers: number[] = [];
    while (numbers.length < 1000) {
      expect(await sink.waitAsync()).toBe("ready");
      for (let skb = sink.dequeue(); skb !== null; skb = sink.dequeue()) {
        numbers.push(skb.readU32(0));
        skb.release();
      }
    }
    await pipeline.done;
    expect(numbers).toEqual(upTo(1000));
    source.release();
    sink.release();
  });

  it("takes nothing more from the source once it is closed", async () => {
    const engine = await make(shared, core);
    const source = new Ring(engine, { capacity: 1024 });
    source.enqueueBurst([...numbered(engine, 10)]);
    const { sink, numbers } = collector();
    const pipeline = await Pipeline.open(engine, { source, stages: [part("mark")], sink });
    while (numbers.length < 10) await new Promise((resolve) => setImmediate(resolve));
    await pipeline.close();
    await pipeline.close();
    expect(source.enqueueBurst([...numbered(engine, 5)])).toBe(5);
    expect(source.size).toBe(5);
    source.release();
  });

  it("closes sources that have a thread of their own", async () => {
    const engine = await make(shared, core);
    const sums = new Int32Array(new SharedArrayBuffer(8));
    const pipeline = await Pipeline.open(engine, {
      source: { module: new URL("./source.mjs", import.meta.url), data: {} },
      sink: { module: new URL("./sink.mjs", import.meta.url), data: { sums } },
    });
    while (Atomics.load(sums, 0) < 1000) await new Promise((resolve) => setImmediate(resolve));
    await pipeline.close();
    expect(pipeline.stats().delivered).toBe(Atomics.load(sums, 0));
    expect(pipeline.stats().taken).toBe(Atomics.load(sums, 0));
  });

  describe("gives everything back and says which part it was", () => {
    const source = (engine: Engine): Generator<Skb, void> => numbered(engine, PACKETS);
    const sink = (skb: Skb): void => skb.release();

    it("if a stage throws", async () => {
      const engine = await make(shared, core);
      const stages = [part("mark", {}, 2), part("throws", { at: 500 }), part("keep")];
      const error = await failure(engine, { source: source(engine), stages, sink });
      expect(error).toMatchObject({ name: "PipelineError", code: "ERR_SKB_PIPELINE", part: "stage 1" });
      expect(error.cause).toMatchObject({ name: "RangeError", message: "too much", code: "ERR_TEST" });
    });

    it("if the source throws", async () => {
      const engine = await make(shared, core);
      async function* breaking(): AsyncGenerator<Skb> {
        yield* numbered(engine, 10);
        throw new Error("broken");
      }
      const error = await failure(engine, { source: breaking(), stages: [part("mark")], sink });
      expect(error).toMatchObject({ part: "source" });
      expect(error.cause).toMatchObject({ message: "broken" });
    });

    it("if a source of its own thread throws", async () => {
      const engine = await make(shared, core);
      const error = await failure(engine, {
        source: { module: new URL("./source.mjs", import.meta.url), data: { throwsAt: 7 } },
        stages: [part("mark")],
        sink,
      });
      expect(error).toMatchObject({ part: "source" });
      expect(error.cause).toMatchObject({ message: "no more" });
    });

    it("if the sink throws, here or on its own thread", async () => {
      const engine = await make(shared, core);
      let n = 0;
      const own = (skb: Skb): void => {
        skb.release();
        if (++n === 100) throw new Error("full up");
      };
      const sums = new Int32Array(new SharedArrayBuffer(8));
      const elsewhere = { module: new URL("./sink.mjs", import.meta.url), data: { sums, throwsAt: 100 } };
      for (const [sink, said] of [
        [own, "full up"],
        [elsewhere, "enough"],
      ] as const) {
        const error = await failure(engine, { source: source(engine), stages: [part("mark")], sink });
        expect(error).toMatchObject({ part: "sink", message: `"sink" expected no error, got "${said}"` });
      }
    });

    it("if the sink is closed", async () => {
      const engine = await make(shared, core);
      const ring = new Ring(engine, { capacity: 16 });
      const pipeline = await Pipeline.open(engine, {
        source: source(engine),
        stages: [part("mark")],
        sink: ring,
      });
      await ring.waitAsync();
      ring.close();
      await expect(pipeline.done).rejects.toMatchObject({
        part: "sink",
        message: '"sink" expected no error, got a sink that was closed',
      });
      ring.release();
    });

    it("if a stage returns a promise, or cannot be made", async () => {
      const engine = await make(shared, core);
      const wrong = [
        [part("promises"), "ArgumentTypeError"],
        [part("rejects"), "Error"],
        [part("not there"), "TypeError"],
        [{ module: missing }, "Error"],
        [{ module: new URL("./nothing.mjs", import.meta.url) }, "ArgumentTypeError"],
      ] as const;
      for (const [stage, name] of wrong) {
        const error = await failure(engine, { source: numbered(engine, 10), stages: [stage], sink });
        expect(error).toMatchObject({ name: "PipelineError", part: "stage 0" });
        expect(error.cause).toMatchObject({ name });
      }
    });

    it("when it is aborted, by hand or by a signal, idle or not", async () => {
      const engine = await make(shared, core);
      const reason = new Error("enough");
      for (const busy of [false, true]) {
        for (const bySignal of [false, true]) {
          const ring = new Ring(engine);
          const controller = new AbortController();
          const { signal } = controller;
          const pipeline = await Pipeline.open(engine, {
            source: busy ? source(engine) : ring,
            stages: [part("mark", {}, 2), part("keep")],
            sink: busy ? ring : sink,
            signal,
          });
          if (busy) await ring.waitAsync();
          if (bySignal) controller.abort(reason);
          else pipeline.abort(reason);
          await expect(pipeline.done).rejects.toBe(reason);
          pipeline.abort();
          await expect(pipeline.close()).rejects.toBe(reason);
          ring.release();
        }
      }
      const aborted = { source: source(engine), sink, signal: AbortSignal.abort(reason) };
      expect(await failure(engine, aborted)).toBe(reason);
    });
  });

  it("tells what failed where nobody asks", async () => {
    const engine = await make(shared, core);
    const heard = surfaced();
    await Pipeline.open(engine, {
      source: numbered(engine, 10),
      stages: [part("throws", { at: 1 })],
      sink: (skb) => skb.release(),
    });
    expect(await heard).toMatchObject({ name: "PipelineError", part: "stage 0" });
  });
});

describe("threads", () => {
  const sink = (skb: Skb): void => skb.release();

  it("that die end the pipeline, and give back what they had", async () => {
    const engine = await make(true);
    const stages = [part("mark"), part("exits", { at: 300 })];
    const error = await failure(engine, { source: numbered(engine, PACKETS), stages, sink });
    expect(error).toMatchObject({ part: "stage 1", cause: { message: "exit 3" } });
  });

  it("that never stand, or cannot be told what to be, are the end of it, and none is left", async () => {
    const engine = await make(true);
    const gone: Promise<unknown>[] = [];
    const started = (code: string) => () => {
      const worker = new Worker(code, { eval: true });
      gone.push(new Promise((resolve) => worker.once("exit", resolve)));
      return worker;
    };
    const wrong = [
      [started("process.exit(7)"), undefined, "exit 7"],
      [started("throw new RangeError('not me')"), undefined, "not me"],
      [started("setInterval(() => {}, 1e6)"), () => {}, "could not be cloned"],
      [() => ({}), undefined, "not a worker"],
      [
        () => {
          throw new Error("none to be had");
        },
        undefined,
        "none to be had",
      ],
    ] as const;
    for (const [worker, data, message] of wrong) {
      const error = await failure(engine, {
        source: numbered(engine, 10),
        stages: [part("mark", {}, 2), { worker, data }],
        sink,
      });
      expect(error).toMatchObject({ name: "PipelineError", part: "stage 1" });
      expect((error.cause as Error).message).toContain(message);
    }
    await Promise.all(gone);
    expect(gone).toHaveLength(3);
  });

  it("that keep packets are told", async () => {
    const engine = await make(true);
    const error = await failure(engine, { source: numbered(engine, 3), stages: [part("holds")], sink });
    expect(error).toMatchObject({ part: "stage 0", cause: { name: "InUseError" } });
  });

  it("in an endless loop are terminated", async () => {
    const engine = await make(true);
    const pipeline = await Pipeline.open(engine, {
      source: numbered(engine, 3),
      stages: [part("hangs")],
      sink,
    });
    pipeline.abort(new Error("enough"));
    await expect(pipeline.done).rejects.toThrow("enough");
    // Node runs no code there any more: what it had is lost.
    engine.close({ force: true });
  });

  it("that do not stand are not waited for once the signal is aborted", async () => {
    const engine = await make(true);
    const controller = new AbortController();
    const opening = Pipeline.open(engine, {
      source: [],
      stages: [part("never")],
      sink,
      signal: controller.signal,
    });
    controller.abort(new Error("enough"));
    await expect(opening).rejects.toThrow("enough");
    // Terminated while it held a place.
    engine.close({ force: true });
  });

  it("that fail while a part here is still being made are the end of it", async () => {
    const engine = await make(true);
    const attached = async (n: number): Promise<void> => {
      while (stats(engine).threads.length !== n) await new Promise((resolve) => setTimeout(resolve, 1));
    };
    const opening = Pipeline.open(engine, {
      source: [],
      // The other one has to be terminated, and is there until then.
      stages: [part("rejects", { ms: 300 }), part("never")],
      sink: {
        threads: 0,
        load: async () => {
          await attached(3);
          await attached(2);
          return { default: () => sink };
        },
      },
    });
    await expect(opening).rejects.toMatchObject({ part: "stage 0" });
    engine.close({ force: true });
  });

  it("are refused when there is no room for them, and none is left", async () => {
    const engine = patient(await Engine.create({ memory: 1024 * 1024, threads: 2 }));
    made.push(engine);
    const error = await failure(engine, { source: [], stages: [part("mark", {}, 2)], sink });
    expect(error).toMatchObject({ name: "PipelineError", cause: { name: "ThreadLimitError" } });
    const few = patient(await Engine.create({ memory: 1024 * 1024, rings: 3 }));
    made.push(few);
    const wanting = await failure(few, { source: [], stages: [part("mark", {}, 2)], sink });
    expect(wanting).toMatchObject({ name: "PoolExhaustedError" });
  });
});

describe("options", () => {
  it.each([
    [{ source: 1, sink: () => {} }, '"source" expected a receiver or an iterable, or { module }, got 1'],
    [
      { source: [], sink: {} },
      '"sink" expected a sender or a function, or { module }, got an object of another kind',
    ],
    [
      { source: [], sink: () => {}, stages: [{}] },
      '"stage 0" expected a function that makes a stage, or { module }',
    ],
    [{ source: [], sink: () => {}, stages: [{ module: 1 }] }, '"stage 0: module" expected a URL'],
    [{ source: [], sink: () => {}, stages: [{ module: "./parts.mjs" }] }, '"stage 0: module" expected a URL'],
    [{ source: [], sink: () => {}, stages: [{ load: 1 }] }, '"stage 0: load" expected a function, got 1'],
    [{ source: [], sink: () => {}, stages: {} }, '"stages" expected an array'],
    [
      { source: [], sink: () => {}, stages: [{ module, thread: 1 }] },
      '"options" expected threads, got "thread"',
    ],
    [
      { source: [], sink: () => {}, stages: [{ module, threads: 65 }] },
      '"stage 0: threads" expected 0..64, got 65',
    ],
    [{ source: { module, threads: 2 }, sink: () => {} }, '"source: threads" expected 0..1, got 2'],
    [{ source: [], sink: () => {}, spread: "both" }, '"spread" expected hash or in-turn, got "both"'],
    [{ source: [], sink: () => {}, capacity: 0 }, '"capacity" expected 1..1048576, got 0'],
    [{ source: [], sink: () => {}, signal: 1 }, '"signal" expected an AbortSignal, got 1'],
    [{ source: [], sinks: () => {} }, '"options" expected sink, got "sinks"'],
  ])("%# are checked", async (options, message) => {
    const engine = await make(false);
    await expect(Pipeline.open(engine, options as never)).rejects.toThrow(message);
  });
});
