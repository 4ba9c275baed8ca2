// One image, large: its data, its neighbours in feature space and on the map, and where the two disagree.

import type { App } from "./app.ts";
import { el, fill, iconButton, number, score } from "./dom.ts";
import { neighboursOf, type Neighbours } from "./near.ts";
import { reasonOf } from "./source.ts";

export interface ImagePanel {
  element: HTMLElement;
  /** Neighbours of the current image, once they are here. */
  neighbours(): { features: number[]; map: Set<number> } | null;
  focusNeighbours(): void;
}

const STRIP = 12;

export function imagePanel(app: App, go: (row: number) => void, changed: () => void): ImagePanel {
  const element = el("section.panel-section.image", { "aria-label": "Image", hidden: true });
  let near: { row: number; features: number[]; map: Set<number> } | null = null;

  const render = async () => {
    const row = app.state.current;
    const walking = element.querySelector(".strips")?.contains(document.activeElement);
    near = null;
    element.hidden = row < 0;
    changed();
    if (row < 0) return;
    const strips = el("div.strips", {}, el("p.hint", {}, "Looking up neighbours …"));
    fill(
      element,
      el("div.section-head", {}, el("h2", {}, "Image"), el("div.tools", {}, iconButton("fly", "Fly to this image", () => go(row)), iconButton("close", "Close", () => app.show(-1), "Esc"))),
      picture(app, row),
      facts(app, row),
      strips,
    );
    try {
      const found = await neighboursOf(app, row);
      if (app.state.current !== row) return; // another was chosen meanwhile
      near = { row, features: found.features.slice(0, STRIP), map: new Set(found.map) };
      fill(strips, ...strip(app, found, go));
      if (walking) focusNeighbours();
    } catch (e) {
      fill(strips, el("p.hint", {}, `No neighbours: ${reasonOf(e)}.`));
    }
    changed();
  };
  const focusNeighbours = () => element.querySelector<HTMLElement>(".strip button")?.focus();
  app.on("current", () => void render());
  app.on("table", () => void render());
  return {
    element,
    neighbours: () => (near && near.row === app.state.current ? near : null),
    focusNeighbours,
  };
}

/** The original; where it is gone, the thumbnail and a sentence. */
function picture(app: App, row: number): HTMLElement {
  const name = app.table.name(row);
  const frame = el("div.large");
  const note = el("p.hint.fault", { hidden: true });
  const small = app.sprites.there ? app.sprites.element(row, 240, name) : null;
  if (small) frame.append(small);
  const address = app.meta.capabilities.originals === false ? null : app.source.image(row);
  const fault = async () => {
    note.textContent = sentence(await app.source.imageFault(row));
    note.hidden = false;
  };
  if (address) {
    const image = el("img", { alt: name, src: address });
    image.addEventListener("load", () => {
      if (image.naturalWidth < 160) image.classList.add("pixels");
      frame.replaceChildren(image);
    });
    image.addEventListener("error", () => void fault());
  } else if (app.source.offline) void fault();
  else {
    note.textContent = sentence(app.meta.reasons.originals ?? "the originals are not there; thumbnails are shown");
    note.hidden = false;
  }
  return el("figure", {}, frame, note);
}

function facts(app: App, row: number): HTMLElement {
  const list = el("dl.facts");
  const add = (name: string, value: string, colour?: string, about?: string) => {
    const dd = el("dd", {}, value);
    if (colour) {
      const dot = el("span.dot");
      dot.style.setProperty("--colour", colour);
      dd.prepend(dot);
    }
    list.append(el("dt", { title: about ?? "" }, name), dd);
  };
  const name = app.table.name(row);
  list.append(el("dt", {}, "name"), el("dd.path", { title: name }, name));
  for (const c of app.table.labels) {
    const value = app.table.category(c.id, row);
    if (value || c.name === "label") add(c.name, value || "not known", c.id === app.state.colour ? app.colourOf(row) : undefined, c.about);
  }
  for (const c of app.table.scores) {
    const values = app.table.get(c.id);
    if (values && !Number.isNaN(values[row])) add(c.name, score(values[row]!), c.id === app.state.colour ? app.colourOf(row) : undefined, c.about);
  }
  const { centre, factor } = app.meta.scale;
  add("position", `${score(app.table.x[row]! / factor + centre[0])}, ${score(app.table.y[row]! / factor + centre[1])}`);
  const tags = [...app.tags].filter(([, mask]) => mask.has(row)).map(([tag]) => tag);
  if (tags.length) add("tags", tags.join(", "));
  return list;
}

/** Two strips of neighbours; those in one of them only are dashed. */
export function strip(app: App, found: Neighbours, go: (row: number) => void): HTMLElement[] {
  const [features, map] = [new Set(found.features), new Set(found.map)];
  const shared = found.features.filter((i) => map.has(i)).length;
  const label = app.table.label;
  const row = (title: string, rows: number[], other: Set<number>, missing: string) =>
    el(
      "div.strip", { role: "group", "aria-label": title },
      el("h3", {}, title),
      el("div.strip-row", {}, ...rows.slice(0, STRIP).map((i) => {
        const only = other.size > 0 && !other.has(i);
        const name = label ? app.table.category(label.id, i) || app.table.name(i) : app.table.name(i);
        const button = el(only ? "button.neighbour.apart" : "button.neighbour", {
          type: "button", title: only ? `${name}: ${missing}` : name, "aria-label": only ? `${name}, ${missing}` : name, onclick: () => go(i),
          onmouseenter: () => app.hover(i), onmouseleave: () => app.hover(-1), onfocus: () => app.hover(i),
        }, app.sprites.there ? app.sprites.element(i, 44, name) : el("span.file", {}, name.split("/").pop() ?? name));
        button.style.setProperty("--colour", app.colourOf(i));
        return button;
      })),
    );
  const out: HTMLElement[] = [];
  if (found.features.length) out.push(row("Nearest in feature space", found.features, map, "not among the nearest on the map"));
  else if (found.reason) out.push(el("p.hint", {}, `No neighbours in feature space: ${found.reason}.`));
  out.push(row("Nearest on the map", found.map, features, "not among the nearest in feature space"));
  if (found.features.length)
    out.push(
      el("div.agreement", {},
        el("span", {}, `${number(shared)} of ${number(found.features.length)} in both · dashed: in one only`),
        el("label.check", {}, threadSwitch(app), "threads")),
    );
  return out;
}

function threadSwitch(app: App): HTMLInputElement {
  const box = el("input", { type: "checkbox", checked: app.state.threads });
  box.addEventListener("change", () => app.set("threads", box.checked, "layers"));
  return box;
}

/** Begins with a capital and ends with a full stop. */
export function sentence(text: string): string {
  const t = text.trim();
  return t ? t[0]!.toUpperCase() + t.slice(1) + (/[.!?]$/.test(t) ? "" : ".") : "";
}

