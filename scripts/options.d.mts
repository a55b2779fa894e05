/** An option as its type and docstring say it. */
export interface Option {
  readonly name: string;
  readonly type: string;
  readonly text: string;
  /** "" if the docstring says none, "required" if it must be given. */
  readonly standard: string;
}

/** The options of each interface that users can import. */
export function optionsOf(): Map<string, Option[]>;

/** docs/options.md. */
export function page(): string;
