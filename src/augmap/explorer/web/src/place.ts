// An image dropped or pasted anywhere lands on the map: with the cloud of its views, its ellipse and its neighbours.

import type { App } from "./app.ts";
import { fitView, toScreen, type View } from "./camera.ts";
import type { Cloud, Meta, Placement } from "./contract.ts";
import { el, fill, iconButton, number, plural, score } from "./dom.ts";
import { ellipseOf } from "./ellipse.ts";
import type { Ink } from "./layers.ts";
import { sentence, strip } from "./panel.ts";
import { Refusal, reasonOf, type Placer } from "./source.ts";
import type { Layer, Stage } from "./stage.ts";

export const MAX_BYTES = 20_000_000;

export interface Placed {
  name: string;
  place: Placement;
  picture: HTMLImageElement;
}

interface Work {
  done: number;
  total: number;
  faults: string[];
  stop: boolean;
}

export interface Placing {
  element: HTMLElement;
  layer: Layer;
  /** The image that is shown, if one is. */
  current(): Placed | null;
  close(): boolean;
}

export function placing(app: App, stage: Stage, ink: () => Ink, go: (row: number) => void, say: (text: string) => void, opened: () => void): Placing {
  const element = el("section.panel-section.placed", { "aria-label": "New images", hidden: true });
  const target = el("div.drop", { hidden: true }, el("p", {}, ""));
  document.body.append(target);
  const all: Placed[] = [];
  let shown: Placed | null = null;
  let placer: Promise<Placer | null> | null = null;
  let work: Work | null = null;

  const refusal = why(app.meta, app.source.offline);
  const render = () => {
    element.hidden = all.length === 0 && !work;
    if (element.hidden) return;
    fill(
      element,
      el("div.section-head", {}, el("div.title", {}, el("h2", {}, all.length > 1 ? "New images" : "New image"), all.length > 1 ? el("span.count-live", {}, number(all.length)) : null), el("div.tools", {}, iconButton("close", "Take the new images off the map", () => close(true), "Esc"))),
      work ? el("div.progress-line", {}, el("progress", { max: work.total, value: work.done, "aria-label": "Images placed" }), el("span", { role: "status" }, `${number(work.done)} of ${number(work.total)} files`), el("button.link", { type: "button", onclick: () => work && (work.stop = true) }, "Stop")) : null,
      all.length > 1 ? list() : null,
      ...(shown ? details(app, shown, go) : []),
    );
  };
  const list = () => {
    const known = all.some((p) => outOfMap(p.place));
    const sorted = [...all].sort((a, b) => (b.place.out_of_map ?? 0) - (a.place.out_of_map ?? 0)).slice(0, 200);
    return el("div", {}, known ? el("p.hint", {}, "Least like this map first") : null, el("div.placed-list", {}, ...sorted.map((p) => {
      const button = el("button.placed-item", { type: "button", title: [p.name, outOfMap(p.place)].filter(Boolean).join(": "), "aria-pressed": String(p === shown), onclick: () => show(p, true) }, p.picture.cloneNode() as HTMLImageElement);
      return button;
    })));
  };
  const show = (placed: Placed, fly: boolean) => {
    shown = placed;
    app.show(-1);
    render();
    opened();
    if (fly) flyTo(placed.place);
    stage.repaint();
    if (placed.place.cloud) void addCloud(placed, placed.place.cloud, fly ? stage.heading : null);
  };
  /** The image and its whole cloud, from no farther than that and no nearer than a few neighbours. */
  const flyTo = ({ u, v, spread, views }: Placement) => {
    const [mu, mv] = views.length ? middleOf(views) : [u, v];
    const reach = spread ? 2 * ellipseOf(spread.cov).a : 0;
    const whole = fitView(stage.size, { u0: Math.min(u, mu - reach), u1: Math.max(u, mu + reach), v0: Math.min(v, mv - reach), v1: Math.max(v, mv + reach) });
    stage.fly({ ...whole, d: Math.max(whole.d, Math.min(stage.view.d, stage.closeUp(u, v) * 1.6)) });
  };
  /** The cloud of an image that is shown without it meanwhile; the view takes it in unless it was moved since. */
  const addCloud = async (placed: Placed, find: () => Promise<Cloud>, heading: View | null) => {
    try {
      Object.assign(placed.place, await find(), { cloud: undefined });
    } catch (e) {
      return say(sentence(`no cloud: ${reasonOf(e)}`));
    }
    if (shown !== placed) return;
    render();
    if (heading && stage.heading === heading) flyTo(placed.place);
    stage.repaint();
  };
  const close = (everything: boolean): boolean => {
    const there = shown !== null || work !== null || (everything && all.length > 0);
    shown = null;
    if (everything) {
      all.length = pending.length = 0;
      work = null; // what is on its way is not shown any more
    }
    render();
    opened();
    stage.repaint();
    return there;
  };

  const take = async (files: File[]) => {
    if (refusal) return say(refusal);
    if (!files.length) return say("No images in this folder.");
    placer ??= app.source.placer(app.meta);
    let ready: Placer | null = null;
    try {
      ready = await placer;
    } catch (e) {
      placer = null;
      return say(sentence(`No image can be placed: ${reasonOf(e)}`));
    }
    if (!ready) return say(NO_ENCODER);
    if (work) {
      work.total += files.length;
      pending.push(...files);
      return;
    }
    pending.push(...files);
    const mine: Work = { done: 0, total: files.length, faults: [], stop: false };
    work = mine;
    if (files.length > 1) {
      all.length = 0;
      shown = null;
    }
    say(files.length === 1 ? `Placing ${files[0]!.name || "the image"} …` : `Placing ${plural(files.length, "file")} …`);
    render();
    opened();
    while (pending.length && !mine.stop) {
      const file = pending.shift()!;
      let placed: Placed | null = null;
      try {
        placed = await placeOne(ready, file);
      } catch (e) {
        mine.faults.push(`${file.name || "the pasted image"}: ${reasonOf(e)}`);
        if (e instanceof Refusal && e.status === 0) mine.stop = true;
      }
      if (work !== mine) return;
      mine.done++;
      if (placed) all.push(placed);
      if (placed && mine.total === 1) show(placed, true);
      else render();
      stage.repaint();
    }
    pending.length = 0;
    work = null;
    say(result(mine.done, mine.faults, mine.total === 1 ? all[all.length - 1] : undefined));
    render();
    opened();
  };
  const pending: File[] = [];

  wire(target, refusal, (files) => void take(files));
  return {
    element,
    layer: placedLayer(stage, ink, all, () => shown, (p) => show(p, false)),
    current: () => shown,
    close: () => close(true),
  };
}

const NO_ENCODER = "This file holds no encoder, so it cannot place new images: augmap export MAP --to html --with-encoder puts one in.";

/** Why this page cannot place images, or null. */
function why(meta: Meta, offline: boolean): string | null {
  if (offline) return (globalThis as { augmapPlacer?: unknown }).augmapPlacer ? null : NO_ENCODER;
  return meta.capabilities.embed ? null : sentence(`new images cannot be placed: ${meta.reasons.embed ?? "this map has no encoder"}`);
}

async function placeOne(placer: Placer, file: File): Promise<Placed> {
  if (file.size > MAX_BYTES) throw new Refusal(`${number(file.size)} bytes are too many; the limit is ${number(MAX_BYTES)}`, 413);
  const bytes = new Uint8Array(await file.arrayBuffer());
  const place = await placer.place(bytes, file.name);
  const picture = new Image();
  picture.alt = file.name;
  if (place.thumb) picture.src = place.thumb;
  return { name: file.name || "pasted image", place, picture };
}

/** What came of some files, in a sentence. */
function result(done: number, faults: string[], only: Placed | undefined): string {
  if (done === 1 && faults.length) return `${faults[0]}.`;
  if (only) return `${sentence(["placed", outOfMap(only.place)].filter(Boolean).join(": "))}`;
  const placed = `${plural(done - faults.length, "image")} placed`;
  return faults.length > 1 ? `${placed}; ${number(faults.length)} files could not be, first ${faults[0]}.` : `${[placed, ...faults].join("; ")}.`;
}

/** What the out-of-map score says, in words; nothing where it is not known. */
export function outOfMap(place: Placement): string {
  const s = place.out_of_map;
  if (s === null || s === undefined) return "";
  const share = `${(s * 100).toFixed(s > 0.995 ? 1 : 0)} %`;
  if (s > 0.99) return `nothing on this map is like it (stranger than ${share} of the map's own images)`;
  if (s > 0.9) return `unusual for this map (stranger than ${share} of its images)`;
  return `at home on this map (stranger than ${share} of its images)`;
}

function details(app: App, shown: Placed, go: (row: number) => void): HTMLElement[] {
  const { place, picture, name } = shown;
  const large = picture.cloneNode() as HTMLImageElement;
  large.classList.add("pixels");
  const facts = el("dl.facts", {}, el("dt", {}, "name"), el("dd.path", { title: name }, name));
  const add = (key: string, value: string, title = "") => facts.append(el("dt", { title }, key), el("dd", {}, value));
  if (place.size) add("size", `${place.size[0]} × ${place.size[1]} px`);
  if (outOfMap(place)) add("out of map", sentence(outOfMap(place)));
  if (place.distance !== null && place.distance !== undefined) add("distance", score(place.distance), "Cosine distance to the nearest image in feature space");
  if (place.spread) add("spread", score(place.spread.rms / app.meta.scale.factor), "Root mean square distance of its 32 augmented views from their mean, in map units");
  if (place.x !== undefined && place.y !== undefined) add("position", `${score(place.x)}, ${score(place.y)}`);
  const near = { features: place.neighbours.features ?? [], map: place.neighbours.map, reason: place.neighbours.features ? null : "this file holds no features" };
  const strips = strip(app, near, go);
  return [el("div.large.small", {}, large), facts, ...strips.slice(0, 2)];
}

function placedLayer(stage: Stage, ink: () => Ink, all: Placed[], shown: () => Placed | null, open: (p: Placed) => void): Layer {
  const EDGE = 44;
  const at = (p: Placed, s: Stage) => toScreen(s.view, s.size, p.place.u, p.place.v);
  return {
    paint(context, s) {
      if (s !== stage || s.moving) return;
      const { accent, paper } = ink();
      for (const p of all) {
        const [px, py] = at(p, s);
        context.beginPath();
        context.arc(px, py, 5, 0, 2 * Math.PI);
        context.fillStyle = accent;
        context.fill();
        context.lineWidth = 1.5;
        context.strokeStyle = paper;
        context.stroke();
      }
      const one = shown();
      if (!one) return;
      cloud(context, s, one, ink());
      const [px, py] = at(one, s);
      const [x, y] = [px - EDGE / 2, py - EDGE - 16];
      context.beginPath();
      context.roundRect(x - 3, y - 3, EDGE + 6, EDGE + 6, 7);
      context.moveTo(px - 6, y + EDGE + 3);
      context.lineTo(px, y + EDGE + 10);
      context.lineTo(px + 6, y + EDGE + 3);
      context.fillStyle = accent;
      context.fill();
      if (one.picture.complete && one.picture.naturalWidth) {
        context.imageSmoothingEnabled = one.picture.naturalWidth > EDGE;
        context.drawImage(one.picture, x, y, EDGE, EDGE);
      }
    },
    click(px, py) {
      const hit = all.find((p) => {
        const [x, y] = at(p, stage);
        return Math.hypot(x - px, y - py) < 9;
      });
      if (hit) open(hit);
      return hit !== undefined;
    },
  };
}

/** Its augmented views as small dots, two standard deviations as an ellipse, lines to its 12 nearest. */
function cloud(context: CanvasRenderingContext2D, stage: Stage, placed: Placed, ink: Ink): void {
  const { place } = placed;
  const scale = stage.size.height / 2 / stage.view.d;
  const [px, py] = toScreen(stage.view, stage.size, place.u, place.v);
  context.lineWidth = 1.25;
  context.strokeStyle = ink.accent;
  context.globalAlpha = 0.5;
  for (const row of (place.neighbours.features ?? place.neighbours.map).slice(0, 12)) {
    const [qx, qy] = stage.screen(row);
    context.beginPath();
    context.moveTo(px, py);
    context.lineTo(qx, qy);
    context.stroke();
  }
  context.globalAlpha = 1;
  context.fillStyle = ink.accent;
  for (const [u, v] of place.views) {
    const [x, y] = toScreen(stage.view, stage.size, u, v);
    context.beginPath();
    context.arc(x, y, 2.2, 0, 2 * Math.PI);
    context.fill();
  }
  if (!place.spread || !place.views.length) return;
  const { a, b, angle } = ellipseOf(place.spread.cov);
  const [cx, cy] = toScreen(stage.view, stage.size, ...middleOf(place.views));
  context.beginPath();
  context.ellipse(cx, cy, Math.max(1, 2 * a * scale), Math.max(1, 2 * b * scale), -angle, 0, 2 * Math.PI);
  context.globalAlpha = 0.14;
  context.fill();
  context.globalAlpha = 1;
  context.lineWidth = 1.5;
  context.stroke();
}

function middleOf(views: [number, number][]): [number, number] {
  const mean = (k: 0 | 1) => views.reduce((total, view) => total + view[k], 0) / views.length;
  return [mean(0), mean(1)];
}

/** Drag, drop and paste anywhere on the page. */
function wire(target: HTMLElement, refusal: string | null, take: (files: File[]) => void): void {
  let depth = 0;
  const carriesFiles = (e: DragEvent) => e.dataTransfer?.types.includes("Files") ?? false;
  addEventListener("dragenter", (e) => {
    if (!carriesFiles(e)) return;
    depth++;
    target.firstElementChild!.textContent = refusal ?? "Drop images or a folder to see where they land";
    target.hidden = false;
  });
  addEventListener("dragleave", (e) => {
    if (carriesFiles(e) && --depth <= 0) target.hidden = true;
  });
  addEventListener("dragover", (e) => {
    if (carriesFiles(e)) e.preventDefault();
  });
  addEventListener("drop", (e) => {
    if (!carriesFiles(e)) return;
    e.preventDefault();
    depth = 0;
    target.hidden = true;
    const entries = [...e.dataTransfer!.items].map((i) => i.webkitGetAsEntry?.()).filter((x): x is FileSystemEntry => Boolean(x));
    const files = [...e.dataTransfer!.files];
    if (entries.some((x) => x.isDirectory)) void Promise.all(entries.map(walk)).then((found) => take(found.flat()));
    else take(files);
  });
  addEventListener("paste", (e) => {
    const files = [...(e.clipboardData?.files ?? [])];
    if (!files.length) return;
    e.preventDefault();
    take(files);
  });
}

const PICTURE_NAMES = /\.(jpe?g|png|webp|gif|bmp|tiff?|avif|heic|ppm|jp2)$/i;

/** All pictures below a dropped folder. */
async function walk(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) return PICTURE_NAMES.test(entry.name) ? [await new Promise<File>((ok, no) => (entry as FileSystemFileEntry).file(ok, no))] : [];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const out: File[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((ok, no) => reader.readEntries(ok, no)); // 100 at a time
    if (!some.length) return out;
    for (const e of some) out.push(...(await walk(e)));
  }
}
