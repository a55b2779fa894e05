// What is shown to people: as wide as their terminal, and in colour where that is wanted.

import Table from "cli-table3";
import { plainLines } from "./plain.js";

/** Columns of a table where nobody says how many there are, and the fewest that it can do with. */
const WIDE = 80;
const NARROW = 30;
/** Columns of the names, borders left out. */
const NAMES = 13;
/** Borders of a table of two columns. */
const BORDERS = 3;

/** Where a table goes. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  hasColors?(): boolean;
}

/** Columns that there are. */
export function widthOf({ isTTY, columns }: Screen): number {
  return Math.max(
    isTTY === true && columns !== undefined && columns > 0 ? Math.min(columns, WIDE) : WIDE,
    NARROW,
  );
}

/** Says in red what is wrong, on a terminal that has colours, and whose user has not asked for none (NO_COLOR). */
export function alarm(text: string, screen: Screen): string {
  return screen.isTTY === true && screen.hasColors?.() === true ? `\u001b[31m${text}\u001b[39m` : text;
}

/** A row: its name, and what it says; a third value if that is bad news. */
export type Row = readonly [string, string, "bad"?];

export function tableOf(rows: readonly Row[], screen: Screen): string {
  const rest = widthOf(screen) - NAMES - BORDERS;
  // Between its borders a cell has a space on each side.
  const inside = rest - 2;
  const table = new Table({ colWidths: [NAMES, rest], wordWrap: true, style: { head: [], border: [] } });
  for (const [name, text, bad] of rows) {
    const cells = [name, broken(plainLines(text), inside)].map((cell) =>
      bad === "bad" ? coloured(cell, screen) : cell,
    );
    table.push(cells);
  }
  return table.toString();
}

/** Line by line, since a table's cells are cut into lines. */
function coloured(text: string, screen: Screen): string {
  return text
    .split("\n")
    .map((line) => alarm(line, screen))
    .join("\n");
}

/** Cuts words that are longer than a line, which would be left out from there on: names of files. */
function broken(text: string, inside: number): string {
  return text.replace(new RegExp(`\\S{${inside}}(?=\\S)`, "g"), "$&\n");
}
