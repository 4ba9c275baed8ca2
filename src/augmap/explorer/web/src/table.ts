// The columns of a map, fetched once and kept.

import { Cells } from "./cells.ts";
import { decodeNumbers, Texts, type Numbers } from "./columns.ts";
import type { ColumnSpec, Meta } from "./contract.ts";
import { Refusal, type Source } from "./source.ts";

export class Table {
  readonly n: number;
  x: Float32Array;
  y: Float32Array;
  cells: Cells;
  private readonly specs: Map<string, ColumnSpec>;
  private readonly asked = new Map<string, Promise<Numbers>>();
  private readonly here = new Map<string, Numbers>();
  private texts: Texts | null = null;
  /** File names are still on their way. */
  awaitsNames: boolean;
  private folded: string[] | null = null;
  private positionOfRow: Uint32Array | null = null;

  constructor(
    readonly meta: Meta,
    readonly source: Source,
    x: Float32Array,
    y: Float32Array,
  ) {
    this.n = meta.n;
    this.specs = new Map(meta.columns.map((c) => [c.id, c]));
    this.awaitsNames = this.specs.has("name");
    this.x = x;
    this.y = y;
    this.cells = new Cells(x, y);
  }

  static async open(meta: Meta, source: Source): Promise<Table> {
    const spec = (id: string) => meta.columns.find((c) => c.id === id)!;
    const [x, y] = await Promise.all(
      ["x", "y"].map(async (id) => decodeNumbers(await source.column(id), spec(id), meta.n) as Float32Array),
    );
    return new Table(meta, source, x!, y!);
  }

  /** Other places for the same rows: a frame of the training. */
  move(x: Float32Array, y: Float32Array): void {
    this.x = x;
    this.y = y;
    this.cells = new Cells(x, y);
  }

  /** Take over what meta.json says now: columns that were being computed may be ready. */
  update(meta: Meta): void {
    for (const column of meta.columns) {
      const there = this.specs.get(column.id);
      if (there) Object.assign(there, column);
      else {
        this.specs.set(column.id, column);
        this.meta.columns.push(column);
      }
    }
    Object.assign(this.meta, { regions: meta.regions, pending: meta.pending, neighbors: meta.neighbors, reasons: meta.reasons, quality: meta.quality, capabilities: meta.capabilities });
  }

  spec(id: string): ColumnSpec | undefined {
    return this.specs.get(id);
  }

  /** Columns that can colour the map. */
  get colours(): ColumnSpec[] {
    return this.meta.columns.filter((c) => c.kind === "category" || c.kind === "score");
  }

  get scores(): ColumnSpec[] {
    return this.meta.columns.filter((c) => c.kind === "score");
  }

  /** Label columns and the split: categories that are not regions. */
  get labels(): ColumnSpec[] {
    return this.meta.columns.filter((c) => c.kind === "category" && !/^r\d+$/.test(c.id));
  }

  /** The column of the majority's labels, if there are labels at all. */
  get label(): ColumnSpec | undefined {
    return this.labels.find((c) => c.name === "label") ?? this.labels.find((c) => c.name !== "split");
  }

  load(id: string): Promise<Numbers> {
    let column = this.asked.get(id);
    if (!column) {
      column = this.fetch(id);
      column.catch(() => this.asked.delete(id)); // a column that is not ready may be asked for again
      this.asked.set(id, column);
    }
    return column;
  }

  /** A column that has arrived. */
  get(id: string): Numbers | undefined {
    return this.here.get(id);
  }

  has(id: string): boolean {
    return this.specs.has(id);
  }

  async loadNames(): Promise<void> {
    try {
      if (!this.texts && this.specs.has("name")) this.texts = new Texts(await this.source.column("name"), this.n, "name");
    } finally {
      this.awaitsNames = false;
    }
  }

  name(row: number): string {
    return this.texts?.at(row) ?? `image ${row}`;
  }

  /** All names in small letters, for searching; none until they are here. */
  foldedNames(): string[] {
    const { texts } = this;
    if (!texts) return [];
    return (this.folded ??= Array.from({ length: this.n }, (_, i) => texts.at(i).toLowerCase()));
  }

  /** The label of a row, or "" where it is not known. */
  category(id: string, row: number): string {
    const values = this.here.get(id);
    return values ? (this.specs.get(id)?.categories?.[values[row]!] ?? "") : "";
  }

  /** Rows along the Hilbert curve; null until it is here. */
  get order(): Uint32Array | null {
    return (this.here.get("hilbert") as Uint32Array | undefined) ?? null;
  }

  /** Place of each row along the Hilbert curve. */
  along(row: number): number {
    const order = this.order;
    if (!order) return row;
    if (!this.positionOfRow) {
      this.positionOfRow = new Uint32Array(this.n);
      for (let i = 0; i < this.n; i++) this.positionOfRow[order[i]!] = i;
    }
    return this.positionOfRow[row]!;
  }

  private async fetch(id: string): Promise<Numbers> {
    const spec = this.specs.get(id);
    if (!spec) throw new Refusal(`this map has no column “${id}”`);
    const values = decodeNumbers(await this.source.column(id), spec, this.n);
    this.here.set(id, values);
    return values;
  }
}
