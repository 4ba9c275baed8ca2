// Raw bytes to columns, checked: a blob of the wrong length is refused with a sentence.

import type { ColumnSpec, Meta } from "./contract.ts";
import { Refusal } from "./source.ts";

export type Numbers = Float32Array | Uint8Array | Uint16Array | Uint32Array;

const MAKE = { f32: Float32Array, u8: Uint8Array, u16: Uint16Array, u32: Uint32Array } as const;

/** Text of n rows: n + 1 offsets (u32), then UTF-8. Decoded on demand. */
export class Texts {
  private readonly offsets: Uint32Array;
  private readonly bytes: Uint8Array;
  private readonly decoder = new TextDecoder();

  constructor(blob: ArrayBuffer, n: number, name: string) {
    const head = 4 * (n + 1);
    if (blob.byteLength < head)
      throw new Refusal(`column ${quote(name)} has ${blob.byteLength} bytes, but ${n} rows of text need at least ${head}`);
    this.offsets = new Uint32Array(blob, 0, n + 1);
    this.bytes = new Uint8Array(blob, head);
    for (let i = 0; i < n; i++)
      if (this.offsets[i]! > this.offsets[i + 1]!) throw new Refusal(`column ${quote(name)}: row ${i} ends before it starts`);
    if (this.offsets[0] !== 0 || this.offsets[n] !== this.bytes.length)
      throw new Refusal(`column ${quote(name)} has ${this.bytes.length} bytes of text, but says ${this.offsets[n]}`);
  }

  at(row: number): string {
    return this.decoder.decode(this.bytes.subarray(this.offsets[row]!, this.offsets[row + 1]!));
  }
}

/** Check a column's length (and the range of its codes) and give it its type. */
export function decodeNumbers(blob: ArrayBuffer, spec: ColumnSpec, n: number): Numbers {
  if (spec.dtype === "utf8") throw new Refusal(`column ${quote(spec.name)} is text`);
  const make = MAKE[spec.dtype];
  if (!make) throw new Refusal(`column ${quote(spec.name)} has the unknown type ${quote(String(spec.dtype))}`);
  const want = n * spec.k * make.BYTES_PER_ELEMENT;
  if (blob.byteLength !== want)
    throw new Refusal(
      `column ${quote(spec.name)} has ${blob.byteLength.toLocaleString("en")} bytes, but ${n.toLocaleString("en")} rows need ${want.toLocaleString("en")}: the map folder is damaged or was changed`,
    );
  const values = new make(blob);
  if (spec.kind === "category") {
    const most = spec.categories?.length ?? 0;
    for (let i = 0; i < values.length; i++)
      if (values[i]! >= most) throw new Refusal(`column ${quote(spec.name)}: row ${i} has code ${values[i]}, but there are ${most} names`);
  }
  if (spec.kind === "slot" || spec.kind === "order") return values;
  return values;
}

/** Refuse a meta.json that the page cannot work with. */
export function checkMeta(meta: Meta): void {
  if (meta.format !== 1) throw new Refusal(`this map is written in format ${meta.format}; this page reads format 1: update augmap`);
  if (!Number.isInteger(meta.n) || meta.n < 0) throw new Refusal(`meta.json says n = ${String(meta.n)}`);
  if (!Array.isArray(meta.columns)) throw new Refusal("meta.json has no list of columns");
  for (const id of ["x", "y"]) if (!meta.columns.some((c) => c.id === id)) throw new Refusal(`meta.json has no column ${quote(id)}`);
  const t = meta.thumbs;
  if (t && !(t.size >= 1 && t.size <= 4096 && t.columns >= 1 && t.columns <= 512 && t.pages >= 0))
    throw new Refusal(`thumbnails of ${t.size} px in ${t.columns} columns on ${t.pages} pages cannot be shown`);
}

function quote(text: string): string {
  return `“${text}”`;
}
