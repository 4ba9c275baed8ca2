// The selection as a grid of pictures: sorted, tagged, taken out as a file, walked through with the arrow keys.

import type { App } from "./app.ts";
import { el, fill, iconButton, number, plural } from "./dom.ts";
import { exportButtons } from "./export.ts";
import { Mask } from "./mask.ts";

const EDGE = 46;
const GAP = 4;

export function selectionPanel(app: App, go: (row: number) => void, say: (text: string) => void): HTMLElement {
  const title = el("h2", {}, "Selection");
  const count = el("span.count-live", { role: "status", "aria-live": "polite" });
  const sort = el("select", { "aria-label": "Sort by" });
  const actions = el("div.actions");
  const scroller = el("div.grid", { role: "listbox", "aria-label": "Selected images", tabindex: 0 });
  const inner = el("div.grid-inner");
  scroller.append(inner);
  const tag = tagField(app, say);
  const element = el(
    "section.panel-section.selection", { "aria-label": "Selection", hidden: true },
    el("div.section-head", {}, el("div.title", {}, title, count), el("div.tools", {}, iconButton("close", "Clear the selection", () => app.select(new Mask(app.table.n)), "Esc"))),
    el("div.sort", {}, el("label", { for: "sort-by" }, "Sort"), sort),
    scroller, actions, tag,
  );
  sort.id = "sort-by";
  let rows: number[] = [];
  let active = 0;
  let columns = 1;
  let drawn = "";

  const sorts = () => {
    const old = sort.value;
    fill(sort, el("option", { value: "map" }, "along the map"), el("option", { value: "name" }, "name"));
    for (const c of app.table.labels) sort.append(el("option", { value: c.id }, c.name));
    for (const c of app.table.scores)
      if (c.ready !== false) sort.append(el("option", { value: `${c.id}-` }, `${c.name}, highest first`), el("option", { value: c.id }, `${c.name}, lowest first`));
    sort.value = old && [...sort.options].some((o) => o.value === old) ? old : "map";
  };

  const arrange = async () => {
    rows = Array.from(app.state.selection.rows());
    await sortRows(app, rows, sort.value);
  };

  const update = async () => {
    const chosen = app.state.selection.count;
    element.hidden = chosen === 0;
    count.textContent = chosen ? `${number(chosen)} of ${number(app.table.n)}` : "Nothing is selected";
    if (!chosen) {
      rows = [];
      fill(inner);
      drawn = "";
      return;
    }
    fill(actions, ...exportButtons(app, () => rows, say), keepButton(app));
    active = 0;
    scroller.scrollTop = 0;
    await arrange();
    drawn = "";
    layOut();
  };

  /** Only the rows in sight have elements: a selection may hold a million. */
  const layOut = () => {
    const width = scroller.clientWidth - 2;
    columns = Math.max(1, Math.floor((width + GAP) / (EDGE + GAP)));
    const lines = Math.ceil(rows.length / columns);
    const step = EDGE + GAP;
    inner.style.height = `${Math.min(lines * step, 8_000_000)}px`;
    const first = Math.max(0, Math.floor(scroller.scrollTop / step) - 2);
    const last = Math.min(lines, Math.ceil((scroller.scrollTop + scroller.clientHeight) / step) + 2);
    const key = `${first} ${last} ${columns} ${rows.length} ${active} ${rows[0]} ${app.state.current}`;
    if (key === drawn) return;
    drawn = key;
    const cells: HTMLElement[] = [];
    for (let k = first * columns; k < Math.min(rows.length, last * columns); k++) {
      const row = rows[k]!;
      const name = app.table.name(row);
      const cell = el(k === active ? "div.cell.active" : "div.cell", {
        role: "option", id: `cell-${k}`, title: name, "aria-label": name, "aria-selected": String(row === app.state.current),
        onclick: () => { active = k; go(row); }, onmouseenter: () => app.hover(row), onmouseleave: () => app.hover(-1),
      }, app.sprites.there ? app.sprites.element(row, EDGE, "") : el("span.file", {}, name.split("/").pop() ?? name));
      cell.style.transform = `translate(${(k % columns) * step}px, ${Math.floor(k / columns) * step}px)`;
      cell.style.setProperty("--colour", app.colourOf(row));
      cells.push(cell);
    }
    fill(inner, ...cells);
    scroller.setAttribute("aria-activedescendant", rows.length ? `cell-${active}` : "");
  };

  scroller.addEventListener("scroll", layOut, { passive: true });
  new ResizeObserver(layOut).observe(scroller);
  scroller.addEventListener("keydown", (e) => {
    const page = Math.max(1, Math.floor(scroller.clientHeight / (EDGE + GAP))) * columns;
    const steps: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 };
    if (e.key === "Enter" || e.key === " ") {
      e.preventDefault();
      if (rows[active] !== undefined) go(rows[active]!);
      return;
    }
    const step = steps[e.key];
    if (step === undefined) return;
    e.preventDefault();
    active = Math.max(0, Math.min(rows.length - 1, active + step));
    const top = Math.floor(active / columns) * (EDGE + GAP);
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + EDGE > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + EDGE - scroller.clientHeight;
    app.hover(rows[active]!);
    layOut();
  });
  sort.addEventListener("change", () => void arrange().then(() => ((drawn = ""), layOut())));
  app.on("selection", () => void update());
  app.on(["current", "colour"], () => ((drawn = ""), layOut()));
  app.on("table", () => (sorts(), void update()));
  sorts();
  return element;
}

export async function sortRows(app: App, rows: number[], by: string): Promise<void> {
  if (by === "map") return void rows.sort((a, b) => app.table.along(a) - app.table.along(b));
  if (by === "name") return void rows.sort((a, b) => NAMES.compare(app.table.name(a), app.table.name(b)));
  const id = by.replace(/-$/, "");
  const values = await app.table.load(id);
  const sign = by.endsWith("-") ? -1 : 1;
  rows.sort((a, b) => {
    const [p, q] = [values[a]!, values[b]!];
    if (Number.isNaN(p) || Number.isNaN(q)) return Number(Number.isNaN(p)) - Number(Number.isNaN(q)) || a - b;
    return sign * (p - q) || a - b;
  });
}

const NAMES = new Intl.Collator("en", { numeric: true });

function keepButton(app: App): HTMLElement {
  return app.state.kept
    ? el("button", { type: "button", onclick: () => app.unfilter() }, "Show all")
    : el("button", { type: "button", title: "Use the selection as a filter", onclick: () => { app.state.kept = app.state.selection; app.refilter(); app.emit("selection"); } }, "Show only these");
}

function tagField(app: App, say: (text: string) => void): HTMLElement {
  const input = el("input", { type: "text", placeholder: "Tag these images", "aria-label": "Tag the selection", maxlength: 60, list: "known-tags" });
  const known = el("datalist", { id: "known-tags" });
  const form = el("form.tag", {}, input, known, el("button", { type: "submit" }, "Tag"));
  form.addEventListener("submit", (e) => {
    e.preventDefault();
    const tag = input.value.trim();
    if (!tag) return;
    app.tag(tag);
    input.value = "";
    say(`${plural(app.state.selection.count, "image")} tagged “${tag}”. Tags end with this page: CSV and JSON keep them.`);
  });
  addEventListener("beforeunload", (e) => {
    if (app.unsaved.count) e.preventDefault();
  });
  app.on("tags", () => fill(known, ...[...app.tags.keys()].map((t) => el("option", { value: t }))));
  return form;
}
