// Writes the address as the view changes, and restores a view from it.

import type { App } from "./app.ts";
import { decode, encode, LONGEST, type Saved } from "./hash.ts";
import { Mask, packMask, unpackMask } from "./mask.ts";
import type { Stage } from "./stage.ts";

export function saveAddress(app: App, stage: Stage): { now: () => { url: string; complete: boolean } } {
  let timer = 0;
  let packed: { mask: unknown; text: string } = { mask: null, text: "" };
  const build = (): { hash: string; complete: boolean } => {
    const s = app.state;
    const saved: Saved = { view: stage.view, colour: s.colour === null ? "" : (app.table.spec(s.colour)?.name ?? ""), hidden: [...s.hidden] };
    if (s.range) saved.range = s.range;
    if (s.current >= 0) saved.image = app.table.name(s.current);
    if (s.contours) saved.contours = true;
    if (!s.regions) saved.regions = false;
    if (!s.pictures) saved.pictures = false;
    if (localTheme()) saved.theme = s.theme;
    const order = app.table.order;
    if (packed.mask !== s.selection) packed = { mask: s.selection, text: s.selection.count ? packMask(s.selection, order) : "" };
    const kept = s.kept ? packMask(s.kept, order) : "";
    const complete = packed.text.length + kept.length <= LONGEST;
    if (packed.text && complete) saved.selection = packed.text;
    if (kept && complete) saved.kept = kept;
    return { hash: encode(saved), complete };
  };
  const write = () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      try {
        history.replaceState(null, "", `#${build().hash}`);
      } catch {
        // a sandboxed frame (a notebook) may not touch its address: the view is then not kept, nothing else changes
      }
    }, 250);
  };
  app.on(["colour", "filter", "selection", "current", "view", "theme", "layers"], write);
  return {
    now: () => {
      const { hash, complete } = build();
      return { url: `${location.href.split("#")[0]}#${hash}`, complete };
    },
  };
}

export const readAddress = (): Saved => decode(location.hash);

/** The column that an address colours by: null is one colour for all, undefined a column that is not there (yet). */
export function columnOf(app: App, saved: Saved): string | null | undefined {
  if (saved.colour === undefined) return app.state.colour;
  return saved.colour === "" ? null : app.table.colours.find((c) => c.name === saved.colour && c.ready !== false)?.id;
}

/** What is painted over the points, at the start and where an address does not say. */
export function layersOf(saved: Saved): Required<Pick<Saved, "contours" | "regions" | "pictures">> {
  return { contours: saved.contours ?? false, regions: saved.regions ?? true, pictures: saved.pictures ?? true };
}

/** Colour, filter, selection, image and layers of an address; what it does not hold is as on a page just opened. */
export async function restore(app: App, saved: Saved): Promise<void> {
  const { n, order } = app.table;
  const unpack = (text: string | undefined) => (text ? unpackMask(text, n, order) : null);
  const column = columnOf(app, saved);
  if (column !== undefined && column !== app.state.colour) await app.colourBy(column);
  // codes and values mean something in their own column alone
  app.state.hidden = new Set(column === undefined ? [] : saved.hidden);
  app.state.range = column === undefined ? null : (saved.range ?? null);
  app.state.kept = unpack(saved.kept);
  Object.assign(app.state, layersOf(saved));
  app.refilter();
  app.select(unpack(saved.selection) ?? new Mask(n));
  app.show(saved.image === undefined ? -1 : rowOf(app.table, saved.image));
  app.emit("layers");
}

/** The row of an image by its name, or -1. */
function rowOf(table: App["table"], name: string): number {
  for (let i = 0; i < table.n; i++) if (table.name(i) === name) return i;
  return -1;
}

let chosen = false;

/** The theme was chosen by hand, so it is part of the view. */
export function themeChosen(): void {
  chosen = true;
}

function localTheme(): boolean {
  return chosen;
}
