// The arena as a picture: a cell for each page. Its colour says who holds it, its shape what it is.

import { PageKind, type PageMap, PageOwner } from "skbuff/inspect";
import { LANGUAGE } from "./locale.js";

/** Who holds a page, as far as it has a colour. */
export const HOLDERS = [
  "nobody",
  "source",
  "worker 1",
  "worker 2",
  "worker 3",
  "worker 4",
  "sink",
  "ring",
  "several",
  "page",
] as const;
export type Holder = (typeof HOLDERS)[number];

export const KINDS: readonly { readonly kind: number; readonly name: string }[] = [
  { kind: PageKind.free, name: "free" },
  { kind: PageKind.slab, name: "slab of heads" },
  { kind: PageKind.head, name: "large head" },
  { kind: PageKind.frag, name: "frag" },
  { kind: PageKind.region, name: "user region" },
  { kind: PageKind.ring, name: "slots of a ring" },
];

const PAGE_BYTES = 4096;
/** CSS pixels that the picture is high, if it can be; in a narrow page it may be higher. */
const HEIGHT_WIDE = 330;
const HEIGHT_NARROW = 520;
const NARROW = 600;
const CELL_LEAST = 6;
const CELL_MOST = 22;
const DRAWN_NOWHERE = 0xffff;

export class Picture {
  /** What has the focus: around the canvas. */
  readonly #frame: HTMLElement;
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #cursor: HTMLElement;
  /** A cell for each look, as it is drawn. */
  readonly #sprites = new Map<number, HTMLCanvasElement>();
  #names: ReadonlyMap<number, string> = new Map();
  #map: PageMap | null = null;
  /** Of each cell, the look that is on the canvas. */
  #drawn = new Uint16Array(0);
  #columns = 1;
  #cell = CELL_MOST;
  /** Of the cursor; -1 if there is none. */
  #at = -1;
  /** Pages of each holder and kind that were drawn last. */
  readonly counts = { holders: new Map<Holder, number>(), kinds: new Map<number, number>() };
  /** Told which cell is looked at, by pointer or key; null if none is any more. */
  onLook: (page: number | null, how: "pointer" | "key") => void = () => {};

  /** Draws into `frame`, which has a canvas and the cursor in it. */
  constructor(frame: HTMLElement) {
    const [canvas, cursor] = frame.children as unknown as [HTMLCanvasElement, HTMLElement];
    this.#frame = frame;
    frame.tabIndex = 0;
    this.#canvas = canvas;
    this.#cursor = cursor;
    const context = canvas.getContext("2d");
    if (context === null) throw new Error("this browser draws no canvas");
    this.#context = context;
    canvas.addEventListener("pointermove", (event) => this.#look(this.#pageAt(event), "pointer"));
    canvas.addEventListener("pointerleave", () => this.#look(null, "pointer"));
    frame.addEventListener("blur", () => this.#look(null, "key"));
    frame.addEventListener("focus", () => this.#look(Math.max(this.#at, 0), "key"));
    frame.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#resize()).observe(frame);
    this.show(
      { kinds: new Uint8Array(906), owners: new Uint16Array(906), references: new Uint32Array(906) },
      new Map(),
    );
  }

  /** Draws a map; borrows it until the next one is shown. */
  show(map: PageMap, names: ReadonlyMap<number, string>): void {
    const before = this.#map?.kinds.length;
    this.#map = map;
    this.#names = names;
    if (before !== map.kinds.length) this.#resize();
    else this.#draw();
  }

  /** Draws everything again: the colours have changed. */
  restyle(): void {
    this.#sprites.clear();
    this.#drawn.fill(DRAWN_NOWHERE);
    this.#draw();
  }

  // ─── What is where ───────────────────────────────────────────────────────────────────────────────────

  holderOf(page: number): Holder {
    const owner = this.#map?.owners[page] ?? 0;
    // A page that a thread keeps for its next packet is free for all that.
    if (owner === PageOwner.nobody || this.#map?.kinds[page] === PageKind.free) return "nobody";
    return this.#holder(owner);
  }

  #holder(owner: number): Holder {
    if (owner === PageOwner.several) return "several";
    if (owner >= PageOwner.ring) return "ring";
    const name = this.#names.get(owner);
    // On one thread, whatever is in no ring is the source's.
    if (name === "the one thread") return "source";
    if (name === "this page") return "page";
    return HOLDERS.find((holder) => holder === name) ?? "page";
  }

  /** One sentence about a page. */
  describe(page: number): string {
    const map = this.#map;
    if (map === null || page >= map.kinds.length) return "";
    const kind = KINDS.find((one) => one.kind === map.kinds[page])?.name ?? "unknown";
    const owner = map.owners[page] as number;
    const n = map.references[page] as number;
    const references = n === 1 ? "1 reference" : `${n} references`;
    const who =
      owner === PageOwner.several
        ? "held by several threads or rings"
        : owner >= PageOwner.ring
          ? `held by ring ${owner - PageOwner.ring}`
          : owner === PageOwner.nobody
            ? "held by nobody"
            : `held by ${this.#names.get(owner) ?? "nobody that is known"}`;
    const what =
      kind !== "free"
        ? `${kind}, ${who}, ${references}`
        : owner === PageOwner.nobody
          ? "free"
          : `free, kept by ${this.#names.get(owner) ?? "a thread"} for its next packets`;
    return `Page ${page} at byte ${(page * PAGE_BYTES).toLocaleString(LANGUAGE)}: ${what}`;
  }

  // ─── Drawing ─────────────────────────────────────────────────────────────────────────────────────────

  #resize(): void {
    const pages = this.#map?.kinds.length ?? 0;
    const width = this.#frame.clientWidth;
    if (pages === 0 || width === 0) return;
    const height = width < NARROW ? HEIGHT_NARROW : HEIGHT_WIDE;
    const cell = Math.floor(Math.sqrt((width * height) / pages));
    this.#cell = Math.max(CELL_LEAST, Math.min(CELL_MOST, cell));
    this.#columns = Math.max(1, Math.floor(width / this.#cell));
    const rows = Math.ceil(pages / this.#columns);
    const scale = devicePixelRatio;
    const size = { width: this.#columns * this.#cell, height: rows * this.#cell };
    this.#canvas.width = Math.round(size.width * scale);
    this.#canvas.height = Math.round(size.height * scale);
    this.#canvas.style.width = `${size.width}px`;
    this.#canvas.style.height = `${size.height}px`;
    this.#context.setTransform(scale, 0, 0, scale, 0, 0);
    this.#sprites.clear();
    this.#drawn = new Uint16Array(pages).fill(DRAWN_NOWHERE);
    this.#draw();
    this.#place();
  }

  #draw(): void {
    const map = this.#map;
    if (map === null) return;
    const { holders, kinds } = this.counts;
    holders.clear();
    kinds.clear();
    const cell = this.#cell;
    for (let page = 0; page < map.kinds.length; page++) {
      const kind = map.kinds[page] as number;
      const holder = this.holderOf(page);
      holders.set(holder, (holders.get(holder) ?? 0) + 1);
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      const look = kind * HOLDERS.length + HOLDERS.indexOf(holder);
      if (this.#drawn[page] === look) continue;
      this.#drawn[page] = look;
      const [x, y] = [(page % this.#columns) * cell, Math.floor(page / this.#columns) * cell];
      this.#context.clearRect(x, y, cell, cell);
      this.#context.drawImage(this.#sprite(look, kind, holder), x, y, cell, cell);
    }
  }

  #sprite(look: number, kind: number, holder: Holder): HTMLCanvasElement {
    let sprite = this.#sprites.get(look);
    if (sprite === undefined) {
      sprite = drawCell(kind, holder, this.#cell, devicePixelRatio);
      this.#sprites.set(look, sprite);
    }
    return sprite;
  }

  // ─── Looking at one cell ─────────────────────────────────────────────────────────────────────────────

  #pageAt(event: PointerEvent): number | null {
    const { left, top } = this.#canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top].map((n) => Math.floor(n / this.#cell)) as [
      number,
      number,
    ];
    const page = y * this.#columns + x;
    return x >= 0 && x < this.#columns && page >= 0 && page < this.#drawn.length ? page : null;
  }

  #key(event: KeyboardEvent): void {
    const last = this.#drawn.length - 1;
    const moves: Record<string, number> = {
      ArrowLeft: this.#at - 1,
      ArrowRight: this.#at + 1,
      ArrowUp: this.#at - this.#columns,
      ArrowDown: this.#at + this.#columns,
      Home: 0,
      End: last,
      Enter: this.#at,
      " ": this.#at,
    };
    const to = moves[event.key];
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    if (to >= 0 && to <= last) this.#look(to, "key");
  }

  #look(page: number | null, how: "pointer" | "key"): void {
    // What the keys chose stays chosen while the pointer passes by.
    if (page === null && how === "pointer" && document.activeElement === this.#frame) return;
    if (page !== null) this.#at = page;
    this.#cursor.hidden = page === null;
    this.#place();
    this.onLook(page, how);
  }

  /** Puts the cursor around its cell. */
  #place(): void {
    if (this.#at < 0) return;
    const [x, y] = [this.#at % this.#columns, Math.floor(this.#at / this.#columns)];
    this.#cursor.style.transform = `translate(${x * this.#cell}px, ${y * this.#cell}px)`;
    this.#cursor.style.width = `${this.#cell}px`;
    this.#cursor.style.height = `${this.#cell}px`;
  }
}

/** A cell of `size` CSS pixels, in the colours of the page as they are now. */
export function drawCell(kind: number, holder: Holder, size: number, scale: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.round(size * scale);
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  context.scale(canvas.width / size, canvas.width / size);
  const style = getComputedStyle(document.documentElement);
  const colour = style.getPropertyValue(`--${holder.replace(" ", "-")}`).trim();
  const paper = style.getPropertyValue("--card").trim();
  const gap = size >= 9 ? 1 : 0.5;
  const side = size - 2 * gap;
  context.fillStyle = colour;
  if (kind === PageKind.free) {
    context.fillStyle = style.getPropertyValue("--free").trim();
    context.fillRect(gap, gap, side, side);
    return canvas;
  }
  if (kind === PageKind.ring) {
    context.beginPath();
    context.arc(size / 2, size / 2, side / 2, 0, 2 * Math.PI);
    context.fill();
    return canvas;
  }
  context.fillRect(gap, gap, side, side);
  context.fillStyle = paper;
  const line = Math.max(1, Math.round(size / 9));
  if (kind === PageKind.slab) {
    for (const third of [1, 2])
      context.fillRect(gap, Math.round(gap + (side * third) / 3 - line / 2), side, line);
  } else if (kind === PageKind.head) {
    context.fillRect(Math.round(size / 2 - line / 2), gap, line, side);
  } else if (kind === PageKind.region) {
    const hole = Math.max(2, Math.round(side / 3));
    context.fillRect((size - hole) / 2, (size - hole) / 2, hole, hole);
  }
  return canvas;
}
