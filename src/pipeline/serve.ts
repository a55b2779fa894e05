// A worker's side of a pipeline: it is told what it is, attaches, works, and says how it ended.

import { Engine } from "../engine.js";
import { serve } from "../io/worker.js";
import { Mesh } from "../mesh.js";
import type { MeshToken } from "../token.js";
import { importMake, type Make } from "./make.js";
import type { Ending, Order, Start } from "./messages.js";
import { type Making, Segment } from "./segment.js";
import { PartFailed } from "./work.js";

/** Waits to be told what to do; `given` is what to be, or undefined if that is to be imported. */
export function servePart(given?: Make): void {
  serve<Start, Order, never, Ending>(async (start, starter) => {
    const { name, kind, data, index, threads, from, to, stopped } = start;
    const closing = new AbortController();
    const aborting = new AbortController();
    const going = new Promise<void>((resolve) => {
      starter.listen((order) => {
        if (order === "abort") aborting.abort();
        if (order !== "go") closing.abort();
        resolve();
      });
    });
    const engine = await Engine.attach(start.engine);
    try {
      const make =
        given ??
        (await importMake(
          name,
          () => import(/* @vite-ignore */ /* webpackIgnore: true */ start.module as string),
        ));
      const making: Making = { name, kind, make: (emit) => make({ engine, data, index, threads, emit }) };
      const segment = await Segment.make(engine, [making], () => ({
        from: from && opened(engine, from.mesh, (mesh) => mesh.receiver(from.index)),
        to: to && opened(engine, to.mesh, (mesh) => mesh.sender(to.index)),
      }));
      starter.ready();
      await going;
      return await segment.run(closing.signal, aborting.signal, () => Atomics.load(stopped, 0) !== 0);
    } catch (error) {
      throw error instanceof PartFailed ? error.cause : error;
    } finally {
      if (!engine.closed) engine.detach({ completions: "wait" });
    }
  });
}

function opened<End>(engine: Engine, token: MeshToken, open: (mesh: Mesh) => End): End {
  const mesh = Mesh.attach(engine, token);
  const end = open(mesh);
  mesh.release();
  return end;
}
