// How objects of the library say what they are, to JSON.stringify, console.log and templates: else each of them would show
// its engine, and that the whole memory.

/** Where Node and its likes ask an object how to show it. */
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/** What is said of an object: few values, each of a line. */
export type Description = Readonly<Record<string, string | number | boolean | null>>;

/**
 * Has objects of a class, and of those that extend it, say what `tell` tells of them. Without `name` they are called what their
 * class is.
 */
export function describes<T extends object>(
  type: { readonly prototype: T },
  name: string | undefined,
  tell: (one: T) => Description,
): void {
  function toJSON(this: T): Description {
    return { type: name ?? classOf(this), ...told(this, tell) };
  }
  function line(this: T): string {
    const { type: first, ...rest } = toJSON.call(this);
    const values = Object.entries(rest).map(([key, value]) => `${key}: ${value}`);
    return `${first} { ${values.join(", ")} }`;
  }
  Object.defineProperties(type.prototype, {
    toJSON: method(toJSON),
    toString: method(line),
    [INSPECT]: method(line),
  });
}

/** As a class's own methods are: not seen by who goes through an object's properties. */
function method(value: unknown): PropertyDescriptor {
  return { value, configurable: true, writable: true };
}

/** Never throws: who logs an object may do so because something went wrong with it. */
function told<T>(one: T, tell: (one: T) => Description): Description {
  try {
    return tell(one);
  } catch (error) {
    return { unusable: (error as { code?: string }).code ?? "yes" };
  }
}

/** The build calls some classes by another name inside. */
function classOf(one: object): string {
  return one.constructor.name.replace(/^_/, "");
}
