// Two maps of the same images: side by side with one hand and one selection, or one turning into the other.

import type { App } from "./app.ts";
import { checkMeta } from "./columns.ts";
import { el, number, plural } from "./dom.ts";
import { serverSource, fileSource } from "./source.ts";
import { Stage } from "./stage.ts";
import { Table } from "./table.ts";

export interface Comparison {
  table: Table;
  stage: Stage;
  pane: HTMLElement;
  strip: HTMLElement;
}

/** Open the second map and link the two stages. */
export async function compare(app: App, first: Stage, report: (p: "context lost" | "context back") => void): Promise<Comparison> {
  const source = app.source.offline ? fileSource("b/") : serverSource("b/");
  const meta = await source.meta();
  checkMeta(meta);
  if (meta.n !== app.table.n) throw new Error(`the second map has ${number(meta.n)} rows, not ${number(app.table.n)}`);
  const table = await Table.open(meta, source);
  const stage = new Stage(table, `Second map, ${meta.title}`, report);
  stage.background = first.background;
  const pane = el("div.pane", {}, stage.element, el("p.pane-title", {}, meta.title.replace(/\.map$/, "")));
  first.linked.push(stage);
  stage.linked.push(first);

  const slider = el("input", { type: "range", min: 0, max: 100, value: 0, "aria-label": "From the first map to the second" });
  let wanted = false;
  const side = el("button", { type: "button", "aria-pressed": "true" }, "Side by side");
  const morph = el("button", { type: "button", "aria-pressed": "false" }, "Morph");
  const names = [app.meta.title, meta.title].map((t) => t.replace(/\.map$/, ""));
  const track = el("div.morph-track", { hidden: true }, el("span", {}, names[0]!), slider, el("span", {}, names[1]!));
  const u = meta.unmatched;
  const note = u && u.only_here + u.only_there ? `${plural(u.only_here, "image")} only in ${names[0]}, ${number(u.only_there)} only in ${names[1]}: not drawn in the other.` : "";
  const strip = el("section.strip-below.compare", { "aria-label": "Compare" }, el("div.tool-group", {}, side, morph), track, el("p.hint", {}, note));

  const between = () => {
    const { x, y } = lerp(app.table, table, Number(slider.value) / 100);
    return { x, y, codes: app.coding.codes, palette: app.coding.palette };
  };
  /** Draw what the slider says. */
  const draw = (seconds: number) => {
    first.guest = Number(slider.value) > 0 ? between : null;
    return first.draw(between(), seconds);
  };
  const mode = (one: boolean) => {
    side.setAttribute("aria-pressed", String(!one));
    morph.setAttribute("aria-pressed", String(one));
    pane.hidden = one;
    track.hidden = !one;
    if (!one && Number(slider.value) > 0) {
      slider.value = "0";
      void draw(0.8);
    }
  };
  side.addEventListener("click", () => mode(false));
  morph.addEventListener("click", () => {
    mode(true);
    slider.value = Number(slider.value) < 50 ? "100" : "0";
    void draw(1.4).then(() => first.repaint());
  });
  slider.addEventListener("input", () => {
    if (wanted) return;
    wanted = true; // one drawing a frame: of places that come faster the last one wins
    requestAnimationFrame(() => {
      wanted = false;
      void draw(0);
    });
  });
  return { table, stage, pane, strip };
}

/** Places between two maps; an image that one of them lacks has none. */
export function lerp(a: { x: Float32Array; y: Float32Array }, b: { x: Float32Array; y: Float32Array }, t: number): { x: Float32Array; y: Float32Array } {
  const mix = (p: Float32Array, q: Float32Array) => {
    if (t <= 0) return p;
    if (t >= 1) return q;
    const out = new Float32Array(p.length);
    for (let i = 0; i < out.length; i++) out[i] = p[i]! * (1 - t) + q[i]! * t;
    return out;
  };
  return { x: mix(a.x, b.x), y: mix(a.y, b.y) };
}

