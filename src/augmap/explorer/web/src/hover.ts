// The ring follows the pointer at once, the card waits for a dwell of 125 ms, and nothing is tested twice in 50 ms.

import type { App } from "./app.ts";
import { el, fill, score } from "./dom.ts";
import type { Stage } from "./stage.ts";

const DWELL = 125;
const EVERY = 50;
const SCORES = 3;

export function hoverCard(app: App, pick: (stage: Stage, px: number, py: number) => number): { element: HTMLElement; over(stage: Stage, px: number, py: number): void; leave(): void } {
  const element = el("div.card", { role: "tooltip", hidden: true });
  let dwell = 0;
  let tested = 0;
  let later = 0;
  let at: { stage: Stage; px: number; py: number } | null = null;

  const hide = () => {
    clearTimeout(dwell);
    element.hidden = true;
  };
  const test = () => {
    tested = performance.now();
    if (!at) return;
    const row = pick(at.stage, at.px, at.py);
    if (row === app.state.hovered) return;
    hide();
    app.hover(row);
    if (row >= 0) dwell = window.setTimeout(() => open(row), DWELL);
  };
  const open = (row: number) => {
    if (!at) return;
    fill(element, app.sprites.there ? app.sprites.element(row, 96, "") : null, describe(app, row));
    element.hidden = false;
    const host = at.stage.element.getBoundingClientRect();
    const [px, py] = at.stage.screen(row);
    const [w, h] = [element.offsetWidth, element.offsetHeight];
    const x = host.left + px + 18 + w > innerWidth - 8 ? host.left + px - w - 18 : host.left + px + 18;
    const y = Math.max(8, Math.min(innerHeight - h - 8, host.top + py - h / 2));
    element.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
  };
  return {
    element,
    over(stage, px, py) {
      at = { stage, px, py };
      clearTimeout(later);
      const wait = EVERY - (performance.now() - tested);
      if (wait <= 0) test();
      else later = window.setTimeout(test, wait);
    },
    leave() {
      at = null;
      clearTimeout(later);
      hide();
      app.hover(-1);
    },
  };
}

function describe(app: App, row: number): HTMLElement {
  const label = app.table.label;
  const name = app.table.name(row);
  const colour = app.state.colour === null ? undefined : app.table.spec(app.state.colour);
  const text = el("div.card-text", {}, label ? el("strong", {}, app.table.category(label.id, row) || "not known") : null, el("span.file", {}, name.split("/").pop() ?? name));
  const scores = app.table.scores.filter((c) => app.table.get(c.id));
  scores.sort((a, b) => Number(b.id === colour?.id) - Number(a.id === colour?.id));
  if (scores.length)
    text.append(el("dl", {}, ...scores.slice(0, SCORES).flatMap((c) => [el("dt", {}, c.name), el("dd", {}, score(app.table.get(c.id)![row]!))])));
  return text;
}
