// The tools that float over the map, and the switches for what is painted on it.

import type { App, Tool } from "./app.ts";
import { el, iconButton, type IconName } from "./dom.ts";
import { sentence } from "./panel.ts";

export interface ToolActions {
  fit(): void;
  zoom(factor: number): void;
}

export function toolbar(app: App, actions: ToolActions): HTMLElement {
  const tools = ([["pan", "Move the map", "pan", ""], ["lasso", "Lasso", "lasso", "L"], ["box", "Box", "box", "B"]] as [Tool, string, IconName, string][]).map(([tool, label, name, key]) => {
    const button = iconButton(name, label, () => app.set("tool", tool, "tool"), key || undefined);
    const show = () => button.setAttribute("aria-pressed", String(app.state.tool === tool));
    app.on("tool", show);
    show();
    return button;
  });
  return el(
    "div.toolbar", { role: "toolbar", "aria-label": "Map tools" },
    el("div.tool-group", {}, ...tools),
    el("div.tool-group", {}, iconButton("plus", "Zoom in", () => actions.zoom(1.5), "+"), iconButton("minus", "Zoom out", () => actions.zoom(1 / 1.5), "-"), iconButton("fit", "Fit the map", actions.fit, "F")),
  );
}

/** Contours, regions, pictures: on or off, and why one cannot be on. */
export function layerSwitches(app: App): HTMLElement {
  const list = el("div.switches");
  const section = el("section.panel-section.layers", { "aria-label": "Layers" }, el("h2.caption", {}, "Show"), list);
  const flat = "all images lie at one place";
  const later = app.meta.live ? "They come with the finished map." : null;
  const one = (key: "contours" | "regions" | "pictures", text: string, title: string, missing: string | null) => {
    const box = el("input", { type: "checkbox", disabled: missing !== null });
    box.checked = app.state[key] && missing === null;
    box.addEventListener("change", () => app.set(key, box.checked, "layers"));
    list.append(el(missing === null ? "label.check" : "label.check.off", { title: missing ?? title }, box, text));
    if (missing && missing !== later) list.append(el("p.hint", {}, sentence(missing)));
  };
  const { meta } = app;
  const render = () => {
    list.replaceChildren();
    one("regions", "Region names", "The largest regions with their most typical image", meta.regions ? null : (later ?? meta.reasons.regions ?? (!app.source.offline && meta.pending?.includes("regions") ? "Regions are being found …" : meta.density ? "No regions were found." : `No regions: ${flat}.`)));
    one("contours", "Contours", "Lines of equal density (C)", later ?? (meta.density ? null : `No contours: ${flat}.`));
    if (later) list.append(el("p.hint", {}, later));
    one("pictures", "Pictures up close", "Points become pictures when fewer than about 600 are in view", meta.thumbs ? null : "This map has no thumbnails.");
  };
  app.on("layers", render);
  render();
  return section;
}

