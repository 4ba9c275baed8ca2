// Writes the address as the view changes, and restores a view from it.

import type { App } from "./app.ts";
import { decode, encode, LONGEST, type Saved } from "./hash.ts";
import { packMask, unpackMask } from "./mask.ts";
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

/** What needs the columns: colour, filter, selection, image. */
export async function restore(app: App, saved: Saved): Promise<void> {
  if (saved.colour !== undefined) {
    const spec = app.table.colours.find((c) => c.name === saved.colour);
    const id = saved.colour === "" ? null : spec?.id;
    if (id !== undefined && id !== app.state.colour) await app.colourBy(id);
  }
  if (saved.hidden || saved.range || saved.kept) {
    app.state.hidden = new Set(saved.hidden ?? []);
    app.state.range = saved.range ?? null;
    app.state.kept = saved.kept ? unpackMask(saved.kept, app.table.n, app.table.order) : null;
    app.refilter();
  }
  const mask = saved.selection ? unpackMask(saved.selection, app.table.n, app.table.order) : null;
  if (mask) app.select(mask);
  if (saved.image !== undefined) {
    for (let i = 0; i < app.table.n; i++)
      if (app.table.name(i) === saved.image) {
        app.show(i);
        break;
      }
  }
}

let chosen = false;

/** The theme was chosen by hand, so it is part of the view. */
export function themeChosen(): void {
  chosen = true;
}

function localTheme(): boolean {
  return chosen;
}
