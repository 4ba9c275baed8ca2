// Find by label, region, tag or file name.

import type { App } from "./app.ts";
import { el, fill, icon, number } from "./dom.ts";
import { selectRegion } from "./layers.ts";
import { Mask } from "./mask.ts";

interface Hit {
  kind: string;
  text: string;
  note: string;
  row: number;
  run: () => void;
}

interface Found {
  hits: Hit[];
  /** How many labels, tags and regions were left out. */
  more: number;
}

const NAMED = 14; // labels, tags and regions in the list
const NAMES = 30;

export function searchField(app: App, go: (row: number) => void, chosen: () => void): { element: HTMLElement; input: HTMLInputElement } {
  const input = el("input", {
    type: "search", id: "search", placeholder: "Find a label, tag or file", "aria-label": "Find a label, tag or file", autocomplete: "off", spellcheck: "false",
    role: "combobox", "aria-expanded": "false", "aria-controls": "search-hits",
  });
  const list = el("ul.hits", { id: "search-hits", role: "listbox", "aria-label": "Found", hidden: true });
  let hits: Hit[] = [];
  let more = 0;
  let active = 0;
  let timer = 0;

  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
  };
  const run = (k: number) => {
    const hit = hits[k];
    if (!hit) return;
    close();
    chosen(); // the keyboard goes on from there
    hit.run();
  };
  const render = () => {
    fill(
      list,
      ...hits.map((hit, k) =>
        el(k === active ? "li.active" : "li", { role: "option", id: `hit-${k}`, "aria-selected": String(k === active), onmousedown: (e: Event) => { e.preventDefault(); run(k); } },
          hit.row >= 0 && app.sprites.there ? app.sprites.element(hit.row, 26, "") : el("span.hit-mark", {}, hit.row >= 0 ? "" : "•"),
          el("span.hit-text", {}, hit.text), el("span.hit-note", {}, hit.note)),
      ),
      ...remarks().map((text) => el("li.none", { role: "presentation" }, text)),
    );
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    input.setAttribute("aria-activedescendant", hits.length ? `hit-${active}` : "");
  };
  /** What there is to say below the list. */
  const remarks = (): string[] => {
    const lines = more ? [`and ${number(more)} more labels, tags and regions: type more of the name`] : [];
    if (app.table.awaitsNames) lines.push("File names are still on their way.");
    else if (!hits.length) lines.push(`0 of ${number(app.table.n)} images match “${input.value.trim()}”`);
    return lines;
  };
  const search = () => {
    const query = input.value.trim().toLowerCase();
    if (!query) return close();
    ({ hits, more } = find(app, query, go));
    active = 0;
    render();
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = window.setTimeout(search, app.table.n > 200_000 ? 180 : 60);
  });
  input.addEventListener("focus", () => {
    if (input.value.trim()) search();
  });
  input.addEventListener("blur", close);
  app.on("table", () => {
    if (!list.hidden && active === 0) search(); // names may have come
  });
  input.addEventListener("keydown", (e) => {
    if (e.key === "Escape") {
      input.value = "";
      close();
      input.blur();
    } else if (e.key === "Enter") {
      e.preventDefault();
      clearTimeout(timer);
      if (list.hidden) search();
      else run(active);
    } else if ((e.key === "ArrowDown" || e.key === "ArrowUp") && hits.length) {
      e.preventDefault();
      active = (active + (e.key === "ArrowDown" ? 1 : hits.length - 1)) % hits.length;
      render();
      list.querySelector(".active")?.scrollIntoView({ block: "nearest" });
    }
  });
  return { element: el("div.search.field", { role: "search" }, icon("search"), input, el("kbd", { "aria-hidden": "true" }, "/"), list), input };
}

/** What a query finds: labels, tags and regions that contain it, the best first, then file names. */
export function find(app: App, query: string, go: (row: number) => void): Found {
  const { table } = app;
  const hits: Hit[] = [];
  for (const spec of table.labels)
    (spec.categories ?? []).forEach((name, code) => {
      const count = spec.counts?.[code] ?? 0;
      if (!code || !count || !name.toLowerCase().includes(query)) return;
      hits.push({
        kind: "label", text: name, note: `${spec.name} · ${number(count)}`, row: -1,
        run: () => void table.load(spec.id).then((values) => app.select(where(values, (v) => v === code))),
      });
    });
  for (const [tag, mask] of app.tags)
    if (tag.toLowerCase().includes(query)) hits.push({ kind: "tag", text: tag, note: `tag · ${number(mask.count)}`, row: -1, run: () => app.select(mask) });
  app.meta.regions?.levels.forEach((level, k) => {
    for (const region of level.regions)
      if (region.name?.toLowerCase().includes(query))
        hits.push({ kind: "region", text: region.name, note: `region · ${number(region.size)}`, row: region.medoid, run: () => void selectRegion(app, k, region.code, "replace") });
  });
  hits.sort((a, b) => rank(a, query) - rank(b, query));
  const more = hits.splice(NAMED).length;
  const names = table.foldedNames();
  const found = new Mask(table.n);
  let total = 0;
  const shown: number[] = [];
  for (let i = 0; i < names.length; i++)
    if (names[i]!.includes(query)) {
      found.add(i);
      total++;
      if (shown.length < NAMES) shown.push(i);
    }
  if (total > 1) hits.push({ kind: "all", text: `All ${number(total)} files with “${query}” in the name`, note: "select", row: -1, run: () => app.select(found) });
  for (const i of shown) hits.push({ kind: "file", text: table.name(i), note: table.label ? table.category(table.label.id, i) : "", row: i, run: () => go(i) });
  return { hits, more };
}

function rank(hit: Hit, query: string): number {
  const text = hit.text.toLowerCase();
  return (text === query ? 0 : text.startsWith(query) ? 1 : 2) + { label: 0, tag: 0.1, region: 0.2 }[hit.kind as "label"]!;
}

function where(values: ArrayLike<number>, wanted: (v: number) => boolean): Mask {
  const mask = new Mask(values.length);
  for (let i = 0; i < values.length; i++) if (wanted(values[i]!)) mask.add(i);
  return mask;
}
