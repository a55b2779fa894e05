// The naive model: what a packet is, said in plain arrays. It knows nothing of pools, pages or counts of shared data:
// every packet has bytes of its own, so a write that reaches another packet shows as a difference.
//
// Each byte has a tag: the ubuf whose lent memory it is read from, or null. A ubuf completes when the last byte with
// its tag is gone, which is the whole contract but for the status.

export class ModelUbuf {
  attached = false;
  completed = false;
  /** Some packet let it go because its bytes were copied, surely. */
  surelyCopied = false;
  /** Bytes of it have been copied, so that the status may be `copied`. */
  perhapsCopied = false;
  constructor(
    readonly desc: number,
    readonly shares: boolean,
  ) {}
}

type Tag = ModelUbuf | null;

/** The bytes of an skb and its frags, or of one member of its frag list. */
export class Part {
  constructor(
    public bytes: number[] = [],
    public tags: Tag[] = [],
  ) {}

  copy(): Part {
    return new Part([...this.bytes], [...this.tags]);
  }

  add(bytes: Iterable<number>, tag: Tag = null): void {
    for (const byte of bytes) {
      this.bytes.push(byte);
      this.tags.push(tag);
    }
  }

  take(n: number): Part {
    return new Part(this.bytes.splice(0, n), this.tags.splice(0, n));
  }

  cut(n: number): Part {
    return new Part(this.bytes.splice(n), this.tags.splice(n));
  }

  /** The bytes are the packet's own from now on: all, or those whose ubuf does not share. */
  own(all: boolean): void {
    for (let i = 0; i < this.tags.length; i++) {
      const tag = this.tags[i] as Tag;
      if (tag === null || (!all && tag.shares)) continue;
      tag.surelyCopied = true;
      tag.perhapsCopied = true;
      this.tags[i] = null;
    }
  }

  /**
   * The bytes went somewhere else by copying. What is left of the part they were in, if nobody shares it, has let go
   * of their ubuf for that reason if it has no more of it.
   */
  copied(left: Part | null): void {
    for (const tag of this.tags) {
      if (tag === null) continue;
      tag.perhapsCopied = true;
      if (left !== null && !left.tags.includes(tag)) tag.surelyCopied = true;
    }
    this.tags.fill(null);
  }
}

export interface Meta {
  mark: number;
  priority: number;
  hash: number;
  protocol: number;
  queue: number;
  timestampMs: number;
  cb: number[];
}

export function noMeta(): Meta {
  return {
    mark: 0,
    priority: 0,
    hash: 0,
    protocol: 0,
    queue: 0,
    timestampMs: 0,
    cb: new Array<number>(48).fill(0),
  };
}

export class ModelPacket {
  users = 1;
  meta = noMeta();
  /** It has never shared anything, so nothing of it may be refused as shared. */
  lone = true;

  constructor(public parts: Part[] = [new Part()]) {}

  get head(): Part {
    return this.parts[0] as Part;
  }

  get length(): number {
    return this.parts.reduce((sum, part) => sum + part.bytes.length, 0);
  }

  get bytes(): number[] {
    return this.parts.flatMap((part) => part.bytes);
  }

  /** A second packet on the same data. */
  twin(): ModelPacket {
    for (const part of this.parts) part.own(false);
    const twin = new ModelPacket(this.parts.map((part) => part.copy()));
    twin.meta = { ...this.meta, cb: [...this.meta.cb] };
    this.lone = false;
    twin.lone = false;
    return twin;
  }

  write(offset: number, bytes: readonly number[]): void {
    let at = offset;
    let rest = [...bytes];
    for (const part of this.parts) {
      const n = Math.min(Math.max(part.bytes.length - at, 0), rest.length);
      part.bytes.splice(at, n, ...rest.slice(0, n));
      rest = rest.slice(n);
      at = Math.max(at - part.bytes.length, 0);
    }
  }

  /** The first `n` bytes are in the head now; `linear` of them were before. */
  pulled(n: number, linear: number): void {
    const head = this.head;
    const inFrags = head.bytes.length - linear;
    const wanted = n - linear;
    const eaten = new Part(
      head.bytes.slice(linear, linear + wanted),
      head.tags.splice(linear, wanted, ...new Array<null>(Math.min(wanted, inFrags)).fill(null)),
    );
    eaten.copied(this.lone ? head : null);
    let rest = wanted - Math.min(wanted, inFrags);
    while (rest > 0) {
      const member = this.parts[1] as Part;
      if (member.bytes.length <= rest) this.parts.splice(1, 1);
      const moved = member.take(rest);
      moved.copied(this.lone ? member : null);
      head.add(moved.bytes);
      rest -= moved.bytes.length;
    }
  }

  trim(n: number, dataLength: number): void {
    if (n === this.length) return;
    if (dataLength === 0 || n <= this.head.bytes.length) {
      this.head.cut(n);
      if (dataLength !== 0) this.parts.length = 1;
      return;
    }
    let rest = n - this.head.bytes.length;
    let i = 1;
    while ((this.parts[i] as Part).bytes.length < rest) {
      rest -= (this.parts[i] as Part).bytes.length;
      i++;
    }
    (this.parts[i] as Part).cut(rest);
    this.parts.length = i + 1;
  }

  /** Cuts one part; both sides having bytes of a ubuf that does not share makes it copy them. */
  static splitPart(part: Part, at: number): Part {
    const sides = [part.tags.slice(0, at), part.tags.slice(at)] as const;
    if (sides.every((tags) => tags.some((tag) => tag !== null && !tag.shares))) part.own(false);
    return part.cut(at);
  }

  split(at: number, linear: number, dataLength: number): ModelPacket {
    const head = this.head;
    const inFrags = head.bytes.length - linear;
    const rest = new ModelPacket([new Part()]);
    rest.meta = { ...this.meta, cb: [...this.meta.cb] };
    if (at <= head.bytes.length) rest.parts = [ModelPacket.splitPart(head, at)];
    if (dataLength !== 0) {
      let cut = Math.max(at - linear, 0);
      let i = 1;
      if (cut >= inFrags) {
        cut -= inFrags;
        while (i < this.parts.length && (this.parts[i] as Part).bytes.length <= cut) {
          cut -= (this.parts[i] as Part).bytes.length;
          i++;
        }
        if (i < this.parts.length && cut !== 0) {
          rest.parts.push(ModelPacket.splitPart(this.parts[i] as Part, cut));
          i++;
        }
      }
      rest.parts.push(...this.parts.splice(i));
    }
    this.lone = false;
    rest.lone = false;
    return rest;
  }

  /** A packet of `n` bytes from `at` on, which shares the frags; `linear` bytes are in the head. */
  extract(at: number, n: number, linear: number): ModelPacket {
    const shares = n > 0 && at + n > linear;
    if (shares) for (const part of this.parts) part.own(false);
    let start = at;
    let left = n;
    const parts: Part[] = [];
    for (const part of this.parts) {
      const some = part.copy().cut(Math.min(start, part.bytes.length)).take(left);
      start = Math.max(start - part.bytes.length, 0);
      left -= some.bytes.length;
      if (parts.length === 0 || some.bytes.length > 0) parts.push(some);
    }
    const extracted = new ModelPacket(parts);
    extracted.meta = { ...this.meta, cb: [...this.meta.cb] };
    if (shares) {
      this.lone = false;
      extracted.lone = false;
    }
    return extracted;
  }
}
