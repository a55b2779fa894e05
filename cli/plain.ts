// What comes from outside (names, texts of captures and peers, what the system says of them) as it may be shown on a terminal,
// which takes some characters for orders: to move, to change colours, to write backwards.

// The control characters, those that turn the direction of writing, and those that begin a line of their own.
const CONTROLS = "\\u0000-\\u001f\\u007f-\\u009f";
const UNSEEN = "\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069";
const ORDERS = new RegExp(`[${CONTROLS}${UNSEEN}]`, "g");
/** The line breaks and indents between JSON's values stay; those inside of them JSON has escaped already. */
const ORDERS_IN_JSON = new RegExp(`[\\u007f-\\u009f${UNSEEN}]`, "g");

function codeOf(letter: string): string {
  return `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** A text on one line, in which everything can be seen. */
export function plain(text: string): string {
  return text.replace(ORDERS, codeOf);
}

/** The same of a text in lines. */
export function plainLines(text: string): string {
  return text.split("\n").map(plain).join("\n");
}

/** JSON that a terminal can show, too. */
export function plainJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(ORDERS_IN_JSON, codeOf);
}
