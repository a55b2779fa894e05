// Parts out of what their modules export.

import { ArgumentTypeError } from "../errors.js";
import type { Skb } from "../skb.js";
import { IterableInput } from "./iterable.js";
import {
  isInput,
  isIterable,
  isOutput,
  type PacketInput,
  type PacketOutput,
  type StageContext,
} from "./plan.js";
import { FunctionOutput } from "./work.js";

/** Makes a part: its module's default export. */
export type Make = (context: StageContext<unknown>) => unknown;

/** Imports a part's module. @throws ArgumentTypeError if it exports no function as `default` (as a rejection) */
export async function importMake(name: string, load: () => Promise<{ default?: unknown }>): Promise<Make> {
  const { default: make } = await load();
  if (typeof make !== "function")
    throw new ArgumentTypeError(`${name}: module`, "a function as its default export", make);
  return make as Make;
}

/** @throws ArgumentTypeError */
export function inputOf(name: string, made: unknown): PacketInput {
  if (isInput(made)) return made;
  if (isIterable(made)) return new IterableInput(made);
  throw new ArgumentTypeError(name, "a receiver or an iterable", made);
}

/** @throws ArgumentTypeError */
export function outputOf(name: string, made: unknown): PacketOutput {
  if (isOutput(made)) return made;
  if (typeof made === "function") return new FunctionOutput(made as (skb: Skb) => void);
  throw new ArgumentTypeError(name, "a sender or a function", made);
}
