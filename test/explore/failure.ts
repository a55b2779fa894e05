// What the explorer finds wrong.

export type FailureKind = "race" | "deadlock" | "audit" | "check" | "invariant" | "crash" | "endless";

/** Something went wrong in the core: what, but not yet on which schedule. */
export class Failure extends Error {
  constructor(
    readonly kind: FailureKind,
    message: string,
  ) {
    super(message);
    this.name = "Failure";
  }
}
