// The keyboard: one letter, one action. Keys do nothing while a text field has the focus.

import { el, iconButton } from "./dom.ts";

export type Keys = Record<string, () => void>;

export const TABLE: [string, string][] = [
  ["/", "search"],
  ["L", "lasso on and off"],
  ["B", "box on and off"],
  ["Esc", "clear selection, close card"],
  ["F", "fit the map"],
  ["+  −", "zoom; arrow keys pan when the map has the focus"],
  ["N", "neighbours of the current image"],
  ["C", "contours on and off"],
  ["T", "dark or light"],
  ["[  ]", "previous and next in the review queue"],
  ["K  D", "keep, drop"],
  ["Space", "play or pause the replay"],
  ["?", "this table"],
];

// held down, these go on; any other key acts once, and nobody decides about images that flew past
const GO_ON = new Set(["+", "-", "[", "]"]);

export function listen(keys: Keys): void {
  // a ring around the map only for those who came with the keyboard
  document.addEventListener("keydown", (e) => e.key === "Tab" && (document.documentElement.dataset.keyboard = ""), true);
  document.addEventListener("pointerdown", () => delete document.documentElement.dataset.keyboard, true);
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || isText(e.target)) return;
    if (document.querySelector("dialog[open]") && e.key !== "?") return; // the browser closes it at Esc
    const action = keys[e.key] ?? keys[e.key.toLowerCase()];
    if (!action || (e.key === " " && e.target instanceof HTMLElement && e.target.matches("button, a, [role=option], [role=listbox], summary, select"))) return;
    e.preventDefault();
    if (!e.repeat || GO_ON.has(e.key)) action();
  });
}

function isText(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.matches("textarea, select")) return true;
  return target instanceof HTMLInputElement && !["checkbox", "radio", "button", "range"].includes(target.type);
}

export function help(about: [string, string][], quality: HTMLElement | null): HTMLDialogElement {
  const dialog = el(
    "dialog.help", { "aria-label": "Help" },
    el("div.section-head", {}, el("h2", {}, "Keyboard"), iconButton("close", "Close", () => dialog.close(), "Esc")),
    el("dl.keys", {}, ...TABLE.flatMap(([key, what]) => [el("dt", {}, ...key.split("  ").flatMap((k, i) => [i ? " " : null, el("kbd", {}, k)])), el("dd", {}, what)])),
    el("p.hint", {}, "Drag moves the map, the wheel zooms. Shift-drag draws a lasso that adds to the selection, Alt-drag one that subtracts. Drop or paste an image anywhere to see where it lands."),
    quality,
    el("h2", {}, "This map"),
    el("dl.facts", {}, ...about.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
  );
  dialog.addEventListener("click", (e) => {
    if (e.target === dialog) dialog.close();
  });
  return dialog;
}
