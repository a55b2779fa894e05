// Errors that travel from thread to thread: errors themselves do not always.

/** What an error of another thread tells of itself. */
export interface Told {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly code: unknown;
}

export function tell(error: unknown): Told {
  if (typeof error !== "object" || error === null)
    return { name: "Error", message: String(error), stack: undefined, code: undefined };
  const { name = "Error", message = "", stack, code } = error as Partial<Told>;
  // Whatever else it is, it can be cloned.
  const primitive = typeof code === "string" || typeof code === "number" ? code : undefined;
  return { name: String(name), message: String(message), stack, code: primitive };
}

/** The error that another thread told of. */
export function heard({ name, message, stack, code }: Told): Error {
  const error = new Error(message);
  error.name = name;
  if (stack !== undefined) error.stack = stack;
  return code === undefined ? error : Object.assign(error, { code });
}
