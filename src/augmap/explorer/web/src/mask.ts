// One bit a row. A selection is a mask; it travels in the address as run lengths along a curve over the map.

export class Mask {
  readonly bits: Uint32Array;

  constructor(
    readonly n: number,
    bits?: Uint32Array,
  ) {
    this.bits = bits ?? new Uint32Array((n + 31) >>> 5);
  }

  static of(n: number, rows: Iterable<number>): Mask {
    const mask = new Mask(n);
    for (const r of rows) mask.add(r);
    return mask;
  }

  has(row: number): boolean {
    return ((this.bits[row >>> 5]! >>> (row & 31)) & 1) === 1;
  }

  add(row: number): void {
    if (row >= 0 && row < this.n) this.bits[row >>> 5]! |= 1 << (row & 31);
  }

  remove(row: number): void {
    if (row >= 0 && row < this.n) this.bits[row >>> 5]! &= ~(1 << (row & 31));
  }

  or(other: Mask): Mask {
    return this.zip(other, (a, b) => a | b);
  }

  and(other: Mask): Mask {
    return this.zip(other, (a, b) => a & b);
  }

  without(other: Mask): Mask {
    return this.zip(other, (a, b) => a & ~b);
  }

  get count(): number {
    let total = 0;
    for (const word of this.bits) {
      let v = word - ((word >>> 1) & 0x55555555);
      v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
      total += (((v + (v >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
    }
    return total;
  }

  /** The rows in the mask, ascending. */
  rows(): Uint32Array {
    const out = new Uint32Array(this.count);
    let k = 0;
    for (let w = 0; w < this.bits.length; w++) {
      let word = this.bits[w]!;
      while (word) {
        const low = word & -word;
        out[k++] = (w << 5) + 31 - Math.clz32(low);
        word ^= low;
      }
    }
    return out;
  }

  private zip(other: Mask, f: (a: number, b: number) => number): Mask {
    const out = new Uint32Array(this.bits.length);
    for (let i = 0; i < out.length; i++) out[i] = f(this.bits[i]!, other.bits[i]!);
    return new Mask(this.n, out);
  }
}

/** Run lengths (out, in, out, ...) along `order`, as variable-length integers in base64url. */
export function packMask(mask: Mask, order: Uint32Array | null): string {
  const bytes: number[] = [];
  let inside = false;
  let run = 0;
  for (let i = 0; i < mask.n; i++) {
    if (mask.has(order ? order[i]! : i) === inside) run++;
    else {
      varint(run, bytes);
      inside = !inside;
      run = 1;
    }
  }
  if (inside) varint(run, bytes);
  return base64url(bytes);
}

/** The inverse of `packMask`; null for text that it did not write. */
export function unpackMask(text: string, n: number, order: Uint32Array | null): Mask | null {
  const bytes = fromBase64url(text);
  if (!bytes) return null;
  const mask = new Mask(n);
  let at = 0;
  let inside = false;
  for (let k = 0; k < bytes.length; ) {
    let run = 0;
    let shift = 0;
    for (;;) {
      const b = bytes[k++];
      if (b === undefined || shift > 28) return null;
      run += (b & 127) * 2 ** shift;
      if (b < 128) break;
      shift += 7;
    }
    if (at + run > n) return null;
    if (inside) for (let i = at; i < at + run; i++) mask.add(order ? order[i]! : i);
    at += run;
    inside = !inside;
  }
  return mask;
}

function varint(value: number, out: number[]): void {
  while (value > 127) {
    out.push((value & 127) | 128);
    value = Math.floor(value / 128);
  }
  out.push(value);
}

function base64url(bytes: number[]): string {
  let text = "";
  for (const b of bytes) text += String.fromCharCode(b);
  return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function fromBase64url(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) return null;
  try {
    return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  } catch {
    return null; // a length that base64 cannot have
  }
}
