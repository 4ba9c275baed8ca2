// What the parts of the page share: the map, what is chosen, and who wants to know when it changes.

import type { Coding, Theme } from "./colours.ts";
import { byCategory, byScore, single } from "./colours.ts";
import type { Meta } from "./contract.ts";
import { Mask } from "./mask.ts";
import type { Source } from "./source.ts";
import type { Table } from "./table.ts";
import type { Sprites } from "./thumbs.ts";

export type Tool = "pan" | "lasso" | "box";

/** What may change: listeners are called with nothing and read the state. */
export type Topic = "colour" | "filter" | "selection" | "current" | "hover" | "view" | "theme" | "tool" | "layers" | "tags" | "table";

export interface State {
  /** Column that colours the map; null is one colour for all. */
  colour: string | null;
  /** Codes of the colour column that are hidden. */
  hidden: Set<number>;
  /** Range of the colour column outside which rows are hidden. */
  range: [number, number] | null;
  /** Rows kept by "show only these". */
  kept: Mask | null;
  selection: Mask;
  /** The image that the panel shows, or -1. */
  current: number;
  hovered: number;
  theme: Theme;
  tool: Tool;
  contours: boolean;
  regions: boolean;
  pictures: boolean;
  threads: boolean;
  /** Categories that the reader gave a colour, where there are more than 20. */
  pinned: number[];
}

export class App {
  readonly state: State;
  readonly tags = new Map<string, Mask>();
  /** Tagged images whose tags no export holds yet: they end with the page. */
  unsaved: Mask;
  coding: Coding;
  /** The rows that may be seen, or null for all. */
  visible: Mask | null = null;
  private readonly listeners = new Map<Topic, (() => void)[]>();

  constructor(
    readonly meta: Meta,
    readonly source: Source,
    readonly table: Table,
    readonly sprites: Sprites,
    theme: Theme,
  ) {
    this.state = {
      colour: null, hidden: new Set(), range: null, kept: null, selection: new Mask(table.n), current: -1, hovered: -1,
      theme, tool: "pan", contours: false, regions: true, pictures: true, threads: true, pinned: [],
    };
    this.coding = single(table.n, theme);
    this.unsaved = new Mask(table.n);
  }

  on(topic: Topic | Topic[], listener: () => void): void {
    for (const t of [topic].flat()) this.listeners.set(t, [...(this.listeners.get(t) ?? []), listener]);
  }

  emit(...topics: Topic[]): void {
    for (const t of topics) for (const listener of this.listeners.get(t) ?? []) listener();
  }

  /** Colour by a column; what was hidden by the column before is shown again. */
  async colourBy(id: string | null): Promise<void> {
    if (id !== null) await this.table.load(id);
    this.state.colour = id;
    this.state.hidden.clear();
    this.state.range = null;
    this.state.pinned = [];
    this.recolour();
    this.refilter();
  }

  recolour(): void {
    const { colour, theme, pinned } = this.state;
    const spec = colour === null ? undefined : this.table.spec(colour);
    const values = colour === null ? undefined : this.table.get(colour);
    if (!spec || !values) this.coding = single(this.table.n, theme);
    else this.coding = spec.kind === "category" ? byCategory(spec, values, theme, pinned) : byScore(values, theme);
    this.emit("colour");
  }

  /** Work out again which rows may be seen. */
  refilter(): void {
    const { colour, hidden, range, kept } = this.state;
    const values = colour === null ? undefined : this.table.get(colour);
    let mask: Mask | null = null;
    if (values && (hidden.size || range)) {
      mask = new Mask(this.table.n);
      for (let i = 0; i < values.length; i++) {
        const v = values[i]!;
        if (range ? v >= range[0] && v <= range[1] : !hidden.has(v)) mask.add(i);
      }
    }
    this.visible = mask && kept ? mask.and(kept) : (mask ?? kept);
    this.emit("filter");
  }

  /** Everything visible again. */
  unfilter(): void {
    this.state.hidden.clear();
    this.state.range = null;
    this.state.kept = null;
    this.refilter();
  }

  select(mask: Mask, mode: "replace" | "add" | "subtract" = "replace"): void {
    const seen = this.visible ? mask.and(this.visible) : mask;
    const before = this.state.selection;
    this.state.selection = mode === "add" ? before.or(seen) : mode === "subtract" ? before.without(seen) : seen;
    this.emit("selection");
  }

  /** Tag what is selected. */
  tag(name: string): void {
    const { selection } = this.state;
    this.tags.set(name, (this.tags.get(name) ?? new Mask(this.table.n)).or(selection));
    this.unsaved = this.unsaved.or(selection);
    this.emit("tags");
  }

  /** An export holds these rows and their tags. */
  saved(rows: Iterable<number>): void {
    this.unsaved = this.unsaved.without(Mask.of(this.table.n, rows));
  }

  show(row: number): void {
    if (this.state.current === row) return;
    this.state.current = row;
    this.emit("current");
  }

  hover(row: number): void {
    if (this.state.hovered === row) return;
    this.state.hovered = row;
    this.emit("hover");
  }

  isVisible(row: number): boolean {
    return this.visible === null || this.visible.has(row);
  }

  /** Colour of a row as it is drawn. */
  colourOf(row: number): string {
    return this.coding.palette[this.coding.codes[row]!] ?? this.coding.palette[0]!;
  }

  set<K extends keyof State>(key: K, value: State[K], topic: Topic): void {
    this.state[key] = value;
    this.emit(topic);
  }
}
