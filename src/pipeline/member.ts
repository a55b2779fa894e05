// Member: a worker's side of a pipeline. It is told what it is, attaches, works, and says how it ended.

import { Engine } from "../engine.js";
import { Mesh } from "../mesh.js";
import { tell } from "./errors.js";
import { parent } from "./host.js";
import { IterableInput } from "./iterable.js";
import { importMake, inputOf, type Make, outputOf } from "./make.js";
import { type Answer, isOf, type Order, type Place, type Start } from "./messages.js";
import type { StageContext, StageFunction, StageObject } from "./plan.js";
import { OutputEnded, PartFailed, stageOf, Work } from "./work.js";

/** Waits to be told what to do; `make` is what to be, or undefined if that is to be imported. */
export function serve(make?: Make): void {
  const maker = parent();
  if (maker === null) return;
  const closing = new AbortController();
  const aborting = new AbortController();
  const answer = (message: Answer): void => maker.post(message);
  let started = false;
  let go: () => void = () => {};
  const going = new Promise<void>((resolve) => {
    go = resolve;
  });
  maker.listen((message) => {
    if (isOf<Order>(message, "go", "close", "abort")) {
      if (message.kind === "abort") aborting.abort(new Error("the pipeline was aborted"));
      if (message.kind !== "go") closing.abort();
      go();
      return;
    }
    if (started || !isOf<Start>(message, "start")) return;
    started = true;
    const stand = (): Promise<void> => {
      answer({ skbuff: "pipeline", kind: "ready" });
      return going;
    };
    const answered = run(message, make, closing.signal, aborting.signal, stand).then(
      answer,
      (error: unknown) => {
        const failed = error instanceof PartFailed;
        const part = failed ? error.part : message.name;
        answer({ skbuff: "pipeline", kind: "failed", part, error: tell(failed ? error.cause : error) });
      },
    );
    void answered.then(() => maker.leave());
  });
}

async function run(
  start: Start,
  given: Make | undefined,
  closing: AbortSignal,
  aborting: AbortSignal,
  ready: () => Promise<void>,
): Promise<Answer> {
  const { name, part, data, index, threads, from, to, stopped } = start;
  const engine = await Engine.attach(start.engine);
  const ends: { close?(): void; release(): void }[] = [];
  let iterable: IterableInput | null = null;
  let work: Work | null = null;
  let emit: StageContext["emit"] = () => {};
  try {
    const receiver = from === null ? null : receiverOf(engine, from);
    if (receiver !== null) ends.push(receiver);
    const sender = to === null ? null : senderOf(engine, to);
    if (sender !== null) ends.push(sender);
    const make =
      given ??
      (await importMake(
        name,
        () => import(/* @vite-ignore */ /* webpackIgnore: true */ start.module as string),
      ));
    const made = await make({ engine, data, index, threads, emit: (skb) => emit(skb) });
    const input = receiver ?? inputOf(name, made);
    if (input instanceof IterableInput) iterable = input;
    work = new Work(input, sender ?? outputOf(name, made));
    if (part === "stage")
      work.add(name, (send) => {
        emit = send;
        return stageOf(name, made as StageFunction | StageObject);
      });
    await ready();
    if (receiver !== null && sender !== null) work.block(() => Atomics.load(stopped, 0) !== 0);
    else await work.pump(part === "source" ? closing : aborting, aborting);
    if (Atomics.load(stopped, 0) !== 0) work.abandon();
    const { taken, passed } = work;
    return { skbuff: "pipeline", kind: "ended", taken, passed, cut: false };
  } catch (error) {
    work?.abandon();
    if (!(error instanceof OutputEnded)) throw error;
    const { taken = 0, passed = 0 } = work ?? {};
    return { skbuff: "pipeline", kind: "ended", taken, passed, cut: true };
  } finally {
    iterable?.end();
    for (const end of ends) end.close?.();
    for (const end of ends) end.release();
    leave(engine);
  }
}

function leave(engine: Engine): void {
  if (!engine.closed) engine.detach({ completions: "wait" });
}

function receiverOf(engine: Engine, { mesh, index }: Place): ReturnType<Mesh["receiver"]> {
  const opened = Mesh.attach(engine, mesh);
  const receiver = opened.receiver(index);
  opened.release();
  return receiver;
}

function senderOf(engine: Engine, { mesh, index }: Place): ReturnType<Mesh["sender"]> {
  const opened = Mesh.attach(engine, mesh);
  const sender = opened.sender(index);
  opened.release();
  return sender;
}
