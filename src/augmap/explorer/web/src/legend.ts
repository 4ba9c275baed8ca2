// The left panel: what the colours mean, how many of each, and what is hidden.

import type { App } from "./app.ts";
import { viridis } from "./colours.ts";
import type { ColumnSpec } from "./contract.ts";
import { el, fill, icon, number, score } from "./dom.ts";
import { Mask } from "./mask.ts";
import { inOrder } from "./names.ts";
import { reasonOf } from "./source.ts";

const SHOWN = 400; // rows of a long legend; the search field finds the others

export function legend(app: App, say: (text: string) => void): HTMLElement {
  const choice = el("select.colour-by", { id: "colour-by", "aria-label": "Colour by" });
  const body = el("div.legend-body");
  const status = el("div.legend-status");
  let query = "";
  let listed = ""; // what the list of classes shows

  const options = () => {
    const groups: [string, ColumnSpec[]][] = [
      ["Labels", app.table.labels],
      ["Regions", app.table.colours.filter((c) => c.kind === "category" && !app.table.labels.includes(c))],
      ["Scores", app.table.scores],
    ];
    fill(choice, el("option", { value: "" }, "one colour"));
    for (const [name, columns] of groups) {
      if (!columns.length) continue;
      const group = el("optgroup", { label: name });
      for (const c of columns)
        group.append(el("option", { value: c.id, title: c.about ?? "", disabled: c.ready === false }, c.ready === false ? `${c.name} (being computed)` : c.name));
      choice.append(group);
    }
    choice.value = app.state.colour ?? "";
  };
  choice.addEventListener("change", () => {
    query = "";
    app.colourBy(choice.value || null).catch((e) => say(`Cannot colour by this column: ${reasonOf(e)}.`));
  });

  const render = () => {
    const [at, before] = [body.querySelector(".classes")?.scrollTop ?? 0, listed];
    choice.value = app.state.colour ?? "";
    listed = `${choice.value} ${query}`;
    const spec = app.state.colour === null ? undefined : app.table.spec(app.state.colour);
    if (!spec) fill(body, el("p.hint", {}, app.table.colours.length ? "Choose a column to colour the map by." : "No labels or scores on this map yet: augmap evaluate and augmap review add some."));
    else if (spec.kind === "score") fill(body, scale(app, spec));
    else fill(body, ...classes(app, spec, query, (q) => {
      query = q;
      render();
      const field = body.querySelector<HTMLInputElement>("input[type=search]");
      field?.focus();
      field?.setSelectionRange(q.length, q.length);
    }));
    if (listed === before) body.querySelector(".classes")?.scrollTo(0, at); // the same list, drawn anew
    count();
  };
  const count = () => {
    const { n } = app.table;
    const seen = app.visible ? app.visible.count : n;
    if (seen === n) fill(status);
    else
      fill(
        status,
        el("span", {}, seen === 0 ? `0 of ${number(n)} match` : `${number(seen)} of ${number(n)} shown`),
        el("button.link", { type: "button", onclick: () => app.unfilter() }, "Show all"),
      );
  };
  /** Draw anew without taking the focus from who works in the list. */
  const again = () => {
    const controls = () => [...body.querySelectorAll<HTMLElement>("button, input")];
    const at = controls().indexOf(document.activeElement as HTMLElement);
    const spec = app.state.colour === null ? undefined : app.table.spec(app.state.colour);
    // a slider that is being moved stays the slider that it is
    if (spec?.kind === "score" && at >= 0 && app.state.range) return count();
    render();
    if (at >= 0) controls()[at]?.focus();
  };
  app.on("colour", render);
  app.on(["filter", "selection"], again);
  app.on("table", () => {
    options();
    render();
  });
  options();
  render();
  return el("section.panel-section.legend", { "aria-label": "Colours" }, el("label.caption", { for: "colour-by" }, "Colour by"), choice, body, status);
}

/** A row a class: colour, name, "47 / 412"; click hides or shows, "only" isolates. */
function classes(app: App, spec: ColumnSpec, query: string, search: (q: string) => void): (Node | null)[] {
  const names = spec.categories ?? [];
  const values = app.table.get(spec.id)!;
  const selected = new Uint32Array(names.length);
  const some = app.state.selection.count > 0;
  if (some) for (const row of app.state.selection.rows()) selected[values[row]!]!++;
  const counts = spec.counts ?? [];
  const codes = inOrder(names.map((_, c) => c).filter((c) => (counts[c] ?? 0) > 0), names);
  codes.sort((a, b) => Number(a === 0) - Number(b === 0));
  const many = codes.length > 21;
  const grey = app.coding.byCode ? codes.filter((c) => c > 0 && !app.coding.byCode![c]).length : 0;
  if (grey) codes.sort((a, b) => Number(!app.coding.byCode![a]) - Number(!app.coding.byCode![b]));
  const matching = query ? codes.filter((c) => (names[c] || "not known").toLowerCase().includes(query.toLowerCase())) : codes;
  const isolated = codes.length > 1 && app.state.hidden.size === codes.length - 1;
  const list = el("ul.classes", {});
  for (const code of matching.slice(0, SHOWN)) {
    const name = names[code] || "not known";
    const hidden = app.state.hidden.has(code);
    const toggle = () => {
      if (hidden) app.state.hidden.delete(code);
      else app.state.hidden.add(code);
      app.refilter();
    };
    const only = () => {
      app.state.hidden = isolated && !hidden ? new Set() : new Set(codes.filter((c) => c !== code));
      app.refilter();
    };
    const pick = (e: MouseEvent) => {
      const mask = new Mask(values.length);
      for (let i = 0; i < values.length; i++) if (values[i] === code) mask.add(i);
      app.select(mask, e.shiftKey ? "add" : e.altKey ? "subtract" : "replace");
    };
    const colour = app.coding.byCode?.[code] ?? null;
    const swatch = el("button.swatch", {
      type: "button", "aria-pressed": String(!hidden), title: hidden ? `Show ${name}` : `Hide ${name}`, "aria-label": `${hidden ? "Show" : "Hide"} ${name}`, onclick: toggle,
    });
    swatch.style.setProperty("--colour", colour ?? "var(--rest)");
    const count = some ? `${number(selected[code]!)} / ${number(counts[code] ?? 0)}` : number(counts[code] ?? 0);
    list.append(
      el(
        hidden ? "li.off" : "li",
        {},
        swatch,
        el("button.class-name", { type: "button", title: `Select all of ${name} (Shift adds, Alt subtracts)`, onclick: pick }, name),
        el("button.only", { type: "button", title: isolated && !hidden ? "Show all classes" : `Show only ${name}`, onclick: only }, isolated && !hidden ? "all" : "only"),
        colour === null && code > 0 ? el("button.only", { type: "button", title: `Give ${name} a colour`, onclick: () => { app.state.pinned.push(code); app.recolour(); } }, "colour") : null,
        el("span.count", {}, count),
      ),
    );
  }
  return [
    many ? el("div.field.small", {}, icon("search"), el("input", { type: "search", placeholder: `Find among ${number(codes.length)} classes`, "aria-label": "Find a class", value: query, oninput: (e: Event) => search((e.target as HTMLInputElement).value) })) : null,
    list,
    matching.length > SHOWN ? el("p.hint", {}, `and ${number(matching.length - SHOWN)} more: search for them`) : null,
    matching.length === 0 ? el("p.hint", {}, `0 of ${number(codes.length)} classes match`) : null,
    grey ? el("p.hint", {}, `The ${number(codes.length - grey)} largest classes have a colour; the other ${number(grey)} are grey.`) : null,
  ];
}

/** The ramp of a score with its histogram, and two sliders that hide what lies outside. */
function scale(app: App, spec: ColumnSpec): HTMLElement {
  const values = app.table.get(spec.id)!;
  const ramp = app.coding.ramp;
  if (!ramp || !spec.range) return el("p.hint", {}, `${spec.name} is not known for any image.`);
  const [low, high] = spec.range;
  const canvas = el("canvas.histogram", { width: 200, height: 44, "aria-hidden": "true" });
  histogram(canvas, app, values, ramp);
  const range = app.state.range ?? [low, high];
  const STEPS = 1000;
  const toSlider = (v: number) => Math.round(((v - ramp[0]) / (ramp[1] - ramp[0] || 1)) * STEPS);
  const from = el("input", { type: "range", min: 0, max: STEPS, value: Math.max(0, toSlider(range[0])), "aria-label": `Lowest ${spec.name} shown` });
  const to = el("input", { type: "range", min: 0, max: STEPS, value: Math.min(STEPS, toSlider(range[1])), "aria-label": `Highest ${spec.name} shown` });
  const value = (s: HTMLInputElement) => ramp[0] + (Number(s.value) / STEPS) * (ramp[1] - ramp[0]);
  const ends = el("div.ends", {}, el("span", {}, score(Math.max(range[0], low))), el("span", {}, score(Math.min(range[1], high))));
  let timer = 0;
  const change = () => {
    const a = Number(from.value) <= 0 ? low : value(from);
    const b = Number(to.value) >= STEPS ? high : value(to);
    ends.firstElementChild!.textContent = score(a);
    ends.lastElementChild!.textContent = score(b);
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      app.state.range = a <= low && b >= high ? null : [a, b];
      app.refilter();
    }, 200);
  };
  // neither end passes the other; where both lie at the right, the one that can still move lies above
  const raise = () => (from.style.zIndex = Number(from.value) > STEPS / 2 ? "1" : "");
  from.addEventListener("input", () => {
    if (Number(from.value) > Number(to.value)) from.value = to.value;
    raise();
    change();
  });
  to.addEventListener("input", () => {
    if (Number(to.value) < Number(from.value)) to.value = from.value;
    change();
  });
  raise();
  let unknown = 0;
  for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i])) unknown++;
  return el(
    "div.scale", {}, canvas, el("div.sliders", {}, from, to), ends,
    spec.about && spec.about !== spec.name ? el("p.hint", {}, spec.about) : null,
    unknown ? el("p.hint", {}, `not known for ${number(unknown)} of ${number(values.length)} images (grey)`) : null,
  );
}

function histogram(canvas: HTMLCanvasElement, app: App, values: ArrayLike<number>, [low, high]: [number, number]): void {
  const bins = 50;
  const count = new Uint32Array(bins);
  for (let i = 0; i < values.length; i++) {
    const k = Math.floor(((values[i]! - low) / (high - low || 1)) * bins);
    if (k >= 0 && k <= bins) count[Math.min(bins - 1, k)]!++;
  }
  const most = Math.max(1, ...count);
  const context = canvas.getContext("2d")!;
  const colours = viridis(app.state.theme, bins);
  for (let k = 0; k < bins; k++) {
    context.fillStyle = colours[k]!;
    const h = Math.max(1, (count[k]! / most) * (canvas.height - 6));
    context.fillRect(k * 4, canvas.height - 5 - h, 3.2, h);
    context.fillRect(k * 4, canvas.height - 4, 4, 4);
  }
}
