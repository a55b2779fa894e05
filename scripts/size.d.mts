/** A figure of the package; see size.mjs. */
export interface Size {
  readonly what: string;
  readonly bytes: number;
  readonly limit: number;
  readonly aim?: number;
}
export function sizes(): Promise<Size[]>;
export function table(rows: readonly Size[]): string;
