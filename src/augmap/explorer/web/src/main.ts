// The page: opens the map, puts the parts together, and wires them.

import { columnOf, layersOf, readAddress, restore, saveAddress, themeChosen } from "./address.ts";
import { App } from "./app.ts";
import { takeTagsUp } from "./carry.ts";
import type { Theme } from "./colours.ts";
import { checkMeta } from "./columns.ts";
import type { Meta } from "./contract.ts";
import { el, fill, icon, iconButton, number, plural } from "./dom.ts";
import { selectionPanel } from "./grid.ts";
import type { Saved } from "./hash.ts";
import { hoverCard } from "./hover.ts";
import { help, listen, type Keys } from "./keys.ts";
import { contourLayer, pictureLayer, readInk, regionLayer, ringLayer, threadLayer, type Ink } from "./layers.ts";
import { legend } from "./legend.ts";
import { Mask } from "./mask.ts";
import { notices, type Notices } from "./notices.ts";
import { placing } from "./place.ts";
import { replayer } from "./replay.ts";
import { reviewPanel } from "./review.ts";
import { watch } from "./watch.ts";
import { compare } from "./compare.ts";
import { imagePanel } from "./panel.ts";
import { searchField } from "./search.ts";
import { shapeTool } from "./shapes.ts";
import { fileSource, reasonOf, serverSource, type Source } from "./source.ts";
import { Stage } from "./stage.ts";
import { Table } from "./table.ts";
import { Sprites } from "./thumbs.ts";
import { layerSwitches, toolbar } from "./toolbar.ts";

async function main(): Promise<void> {
  const started = performance.now();
  const source = document.getElementById("meta.json") ? fileSource() : serverSource();
  const notes = notices();
  try {
    const meta = await source.meta();
    checkMeta(meta);
    document.title = `${meta.title} – augmap`;
    const table = await Table.open(meta, source);
    await open(meta, source, table, notes, started);
  } catch (e) {
    const root = document.getElementById("app")!;
    fill(root, el("main.failed", {}, el("h1", {}, "This map cannot be shown"), el("p", {}, reasonOf(e))));
    document.documentElement.dataset.state = "failed";
  }
}

async function open(meta: Meta, source: Source, table: Table, notes: Notices, started: number): Promise<void> {
  const root = document.getElementById("app")!;
  const saved = readAddress();
  const theme: Theme = saved.theme ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
  if (saved.theme) themeChosen();
  document.documentElement.dataset.theme = theme;
  let ink: Ink = readInk();
  let stage: Stage;
  const sprites = new Sprites(table, () => stage.repaint());
  const app = new App(meta, source, table, sprites, theme);
  stage = new Stage(table, `Map of ${plural(table.n, "image")}`, (problem) => contextProblem(problem, stage, notes));
  stage.background = ink.paper;
  Object.assign(app.state, layersOf(saved));

  const show = (row: number) => {
    app.show(row);
    app.hover(-1);
  };
  const go = (row: number) => {
    show(row);
    stage.flyToRow(row);
  };
  const image = imagePanel(app, go, () => stage.repaint());
  const pick = (at: Stage, px: number, py: number) => {
    const row = pictures.at(px, py);
    return row >= 0 ? row : at.pick(px, py, (i) => app.isVisible(i));
  };
  const card = hoverCard(app, pick);
  const shapes = shapeTool(app, () => ink);
  const pictures = pictureLayer(app, () => ink);
  stage.layers.push(
    contourLayer(app, () => ink),
    threadLayer(app, () => ink, image.neighbours),
    pictures,
    regionLayer(app, () => ink, pictures),
    ringLayer(app, () => ink, pictures),
    shapes,
  );
  const sides = () => root.classList.toggle("right-open", app.state.current >= 0 || app.state.selection.count > 0 || !placed.element.hidden);
  const placed = placing(app, stage, () => ink, go, notes.say, () => sides());
  stage.layers.push(placed.layer);
  const redraw = () => void stage.draw(stage.guest?.() ?? { x: table.x, y: table.y, codes: app.coding.codes, palette: app.coding.palette });
  const review = reviewPanel(app, go, notes, () => undefined);
  const replay = replayer(app, stage, notes, () => undefined, () => {
    redraw();
    app.emit("filter", "selection");
    stage.fit();
  });
  stage.hand = {
    hover: (px, py) => card.over(stage, px, py),
    leave: card.leave,
    click: (px, py) => {
      const row = pick(stage, px, py);
      card.leave();
      app.show(row);
    },
    shape: (event) => shapes.begin(event, stage),
  };

  const search = searchField(app, go, () => stage.element.focus({ preventScroll: true }));
  const address = saveAddress(app, stage);
  const setTheme = (next: Theme) => {
    themeChosen();
    document.documentElement.dataset.theme = next;
    ink = readInk();
    app.state.theme = next;
    app.recolour();
    stage.setBackground(ink.paper);
    app.emit("theme");
  };
  /** The legend lies over the map where there is no place beside it; false if it was not open. */
  const closeDrawer = () => {
    const open = root.classList.contains("left-open");
    root.classList.remove("left-open");
    return open;
  };
  const dialog = help(meta.info, quality(meta));
  const clear = () => {
    if (shapes.cancel()) return;
    card.leave();
    if (closeDrawer() || replay.close()) return;
    if (app.state.current >= 0) app.show(-1);
    else if (placed.close()) return;
    else if (app.state.selection.count) app.select(new Mask(table.n));
    else if (app.state.tool !== "pan") app.set("tool", "pan", "tool");
  };
  const toggleTool = (tool: "lasso" | "box") => app.set("tool", app.state.tool === tool ? "pan" : tool, "tool");
  const keys: Keys = {
    "/": () => search.input.focus(),
    l: () => toggleTool("lasso"),
    b: () => toggleTool("box"),
    escape: clear,
    f: () => stage.fit(),
    "+": () => stage.zoom(1.4),
    "-": () => stage.zoom(1 / 1.4),
    n: () => image.focusNeighbours(),
    c: () => app.set("contours", !app.state.contours, "layers"),
    t: () => setTheme(app.state.theme === "dark" ? "light" : "dark"),
    "[": () => review.step(-1),
    "]": () => review.step(1),
    k: () => review.decide("keep"),
    d: () => review.decide("drop"),
    " ": () => replay.toggle(),
    "?": () => (dialog.open ? dialog.close() : dialog.showModal()),
  };
  listen(keys);

  const copyLink = async () => {
    const { url, complete } = address.now();
    const left = complete ? "" : " The selection is too scattered for an address and was left out: export it instead.";
    try {
      await navigator.clipboard.writeText(url);
      notes.say(`The link to this view is copied.${left}`);
    } catch {
      notes.say(`The address line holds the link to this view.${left}`);
    }
  };
  const left = el("aside.left", { id: "left", "aria-label": "Legend and layers" }, legend(app, notes.say), layerSwitches(app), review.section,
    meta.capabilities.replay && !meta.live ? el("section.panel-section", {}, el("button.wide", { type: "button", onclick: () => void replay.open() }, icon("play"), "Replay the training")) : null);
  const right = el("aside.right", { id: "right", "aria-label": "Selection and image" }, selectionPanel(app, go, notes.say), placed.element, image.element);
  const maps = el("div.maps", { onpointerdown: () => closeDrawer() }, el("div.pane", {}, stage.element));
  fill(
    root,
    el("header.top", {},
      el("button.skip", { type: "button", onclick: () => stage.element.focus() }, "Skip to the map"),
      iconButton("menu", "Legend", () => root.classList.toggle("left-open")),
      el("h1", { title: meta.title }, meta.title.replace(/\.map$/, "")),
      el("span.count-all", {}, `${plural(table.n, "image")}`),
      search.element,
      el("div.tools", {},
        top === self ? iconButton("link", "Copy a link to this view", () => void copyLink()) : null, // a frame in a notebook has no address
        iconButton("sun", "Dark or light", () => setTheme(app.state.theme === "dark" ? "light" : "dark"), "T"),
        iconButton("help", "Help", () => dialog.showModal(), "?")),
    ),
    left,
    el("main.middle", {},
      el("div.map-area", {}, maps, toolbar(app, { fit: () => stage.fit(), zoom: (f) => stage.zoom(f) }), notes.banners),
      review.strip, replay.strip, meta.live ? watch(app, stage, notes) : null),
    right,
    card.element, notes.element, dialog,
  );
  app.on(["selection", "current"], sides);

  // what changes the drawing
  app.on("colour", redraw);
  app.on("filter", () => {
    stage.filter(app.visible ? app.visible.rows() : null);
    if (stage.guest) redraw();
    if (app.visible && app.state.selection.count) app.select(app.state.selection);
    stage.repaint();
  });
  app.on("selection", () => stage.select(app.state.selection.rows()));
  app.on(["current", "hover", "layers"], () => stage.repaint());
  app.on("tool", () => (stage.element.dataset.tool = app.state.tool));
  stage.moved = () => {
    card.leave();
    app.emit("view");
  };

  /** The second map of the same images, with the same hand, colours and selection. */
  async function second(): Promise<void> {
    try {
      const other = await compare(app, stage, (problem) => contextProblem(problem, other.stage, notes));
      maps.firstElementChild!.append(el("p.pane-title", {}, meta.title.replace(/\.map$/, "")));
      maps.append(other.pane);
      maps.parentElement!.after(other.strip);
      const more = pictureLayer(app, () => ink);
      other.stage.layers.push(more, ringLayer(app, () => ink, more), shapes);
      const pickOther = (px: number, py: number) => (more.at(px, py) >= 0 ? more.at(px, py) : other.stage.pick(px, py, (i) => app.isVisible(i)));
      other.stage.hand = {
        hover: (px, py) => card.over(other.stage, px, py),
        leave: card.leave,
        click: (px, py) => app.show(pickOther(px, py)),
        shape: (event) => shapes.begin(event, other.stage),
      };
      await other.stage.start(stage.view);
      if (!saved.view) stage.fit(); // both of them
      const { x, y } = other.table;
      const paint = () => void other.stage.draw({ x, y, codes: app.coding.codes, palette: app.coding.palette });
      paint();
      app.on("colour", paint);
      app.on("filter", () => other.stage.filter(app.visible ? app.visible.rows() : null));
      app.on("selection", () => other.stage.select(app.state.selection.rows()));
      app.on(["current", "hover", "layers"], () => other.stage.repaint());
      app.on("tool", () => (other.stage.element.dataset.tool = app.state.tool));
      app.on("theme", () => other.stage.setBackground(ink.paper));
    } catch (e) {
      notes.banner("compare", `The second map cannot be shown: ${reasonOf(e)}.`);
    }
  }

  // a handle for the console and for tests; the page itself does not use it
  Object.assign(globalThis, { augmapPage: { app, stage, pictures } });

  await stage.start(saved.view ?? null);
  app.state.colour = meta.color_by !== null && table.has(meta.color_by) ? meta.color_by : null;
  const first = columnOf(app, saved);
  if (first !== undefined) app.state.colour = first;
  if (app.state.colour !== null) await table.load(app.state.colour);
  app.recolour();
  app.emit("filter");
  await new Promise(requestAnimationFrame);
  document.documentElement.dataset.state = "drawn";
  document.documentElement.dataset.drawn = String(Math.round(performance.now() - started));
  if (!stage.drawing?.gl)
    notes.banner("no-webgl", "This browser offers no WebGL, so the map is a plain picture: slower, but the grid, legend, search and export all work.");
  if (table.n > meta.points_tested)
    notes.banner("many", `${number(table.n)} points: more than the ${number(meta.points_tested)} this page was tested with. All are drawn.`);
  if (meta.capabilities.compare) await second();
  await later(app, notes);
  takeTagsUp(app);
  const arrive = async (link: Saved) => {
    await restore(app, link);
    if (!link.view) return;
    // panels may have opened: what the link shows is what was seen beside them
    for (let k = 0; k < 2; k++) await new Promise(requestAnimationFrame);
    stage.lookAt(link.view);
  };
  if (Object.keys(saved).length) await arrive(saved);
  addEventListener("hashchange", () => {
    const link = readAddress();
    if (link.theme && link.theme !== app.state.theme) setTheme(link.theme);
    arrive(link).catch((e) => notes.say(`This link cannot be shown in full: ${reasonOf(e)}.`));
  });
  app.emit("table", "tags");
  stage.repaint();
  document.documentElement.dataset.state = "ready";
  void awaitColumns(app);
}

/** Columns that are still being computed: ask again until they are there, more and more rarely. */
async function awaitColumns(app: App): Promise<void> {
  if (app.source.offline || app.meta.live) return;
  const open = () => app.meta.columns.some((c) => c.ready === false) || Boolean(app.meta.pending?.length);
  for (let wait = 1500; open(); wait = Math.min(20_000, wait * 1.3)) {
    await new Promise((r) => setTimeout(r, wait));
    const regions = app.meta.regions;
    const waiting = app.meta.columns.filter((c) => c.ready === false).map((c) => c.id);
    try {
      app.table.update(await app.source.meta());
      const now = waiting.filter((id) => app.table.spec(id)?.ready !== false && app.table.spec(id)?.kind === "score");
      if (app.meta.regions !== regions || waiting.some((id) => app.table.spec(id)?.ready !== false)) {
        await Promise.all(now.map((id) => app.table.load(id)));
        app.emit("table");
        app.emit("layers");
      }
    } catch {
      continue; // the server is away for a moment, or for good: what is here stays
    }
  }
}

/** What the first sight does not need: names, thumbnails, order, labels and scores. */
async function later(app: App, notes: Notices): Promise<void> {
  const { table } = app;
  const wanted = ["thumb", "hilbert"].filter((id) => table.has(id));
  const results = await Promise.allSettled([...wanted.map((id) => table.load(id)), table.loadNames(), ...table.labels.map((c) => table.load(c.id)), ...table.scores.filter((c) => c.ready !== false).map((c) => table.load(c.id))]);
  const failed = results.find((r) => r.status === "rejected") as PromiseRejectedResult | undefined;
  if (failed) notes.banner("columns", `Part of this map cannot be read: ${reasonOf(failed.reason)}.`);
}

function contextProblem(problem: "context lost" | "context back", stage: Stage, notes: Notices): void {
  if (problem === "context lost") notes.banner("context", "The graphics context was lost; the map comes back when the system gives it back. Selection and panels are safe.", undefined, true);
  else void stage.renew().then(() => notes.banner("context", ""));
}

/** Quality figures, each beside its controls. */
function quality(meta: Meta): HTMLElement | null {
  if (!meta.quality.length) return null;
  const list = el("dl.quality", {});
  for (const q of meta.quality) {
    const controls = Object.entries(q.controls).map(([name, value]) => `${name} ${(value * 100).toFixed(1)} %`);
    list.append(el("dt", { title: q.note }, q.name), el("dd", {}, el("strong", {}, `${(q.value * 100).toFixed(1)} %`), controls.length ? ` against ${controls.join(", ")}` : ""));
  }
  return el("div", {}, el("h2", {}, "How good is it"), list);
}

void main();
