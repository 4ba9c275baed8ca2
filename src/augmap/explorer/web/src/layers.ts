// What is painted over the points: contours, thumbnails, regions, rings, threads.

import { boxOf } from "./camera.ts";
import type { App } from "./app.ts";
import { contour, levels, type Grid } from "./contours.ts";
import type { Region } from "./contract.ts";
import { declutter, REACH } from "./declutter.ts";
import { Mask } from "./mask.ts";
import { shorten } from "./names.ts";
import type { Layer, Stage } from "./stage.ts";

/** Colours that a canvas needs, out of the style sheet. */
export interface Ink {
  ink: string;
  muted: string;
  paper: string;
  accent: string;
  line: string;
  rule: string;
  font: string;
}

export function readInk(): Ink {
  const style = getComputedStyle(document.documentElement);
  const get = (name: string) => style.getPropertyValue(name).trim();
  return { ink: get("--ink"), muted: get("--muted"), paper: get("--paper"), accent: get("--accent"), line: get("--contour"), rule: get("--line"), font: get("--font") };
}

export const SHOW_BELOW = 600; // points in view
const HIDE_ABOVE = 750;

export function contourLayer(app: App, ink: () => Ink): Layer {
  let lines: Path2D[] | null = null;
  let asked = false;
  const load = async (stage: Stage) => {
    asked = true;
    const spec = app.meta.density;
    if (!spec) return;
    const values = new Float32Array(await app.source.column(spec.id));
    if (values.length !== spec.width * spec.height) return;
    const grid: Grid = { ...spec, values };
    lines = levels(spec.max).map((level) => {
      const path = new Path2D();
      const segments = contour(grid, level);
      for (let k = 0; k < segments.length; k += 4) {
        path.moveTo(segments[k]!, segments[k + 1]!);
        path.lineTo(segments[k + 2]!, segments[k + 3]!);
      }
      return path;
    });
    stage.repaint();
  };
  return {
    paint(context, stage) {
      if (app.meta.live || !app.state.contours || stage.moving) return;
      if (!asked) void load(stage);
      if (!lines) return;
      const scale = stage.size.height / 2 / stage.view.d;
      context.translate(stage.size.width / 2, stage.size.height / 2);
      context.scale(scale, -scale);
      context.translate(-stage.view.u, -stage.view.v);
      context.lineWidth = 1 / scale;
      context.strokeStyle = ink().line;
      lines.forEach((path, k) => {
        context.globalAlpha = 0.25 + (0.55 * k) / lines!.length;
        context.stroke(path);
      });
    },
  };
}

/** Points turn into pictures when few are in view. */
export interface PictureLayer extends Layer {
  /** Pictures are shown now. */
  on: boolean;
  /** Middle and edge of the picture of a row, px, where it is shown. */
  place(row: number): [number, number, number] | null;
  /** The row whose picture lies here, or -1. */
  at(px: number, py: number): number;
}

export function pictureLayer(app: App, ink: () => Ink): PictureLayer {
  let rank: ((row: number) => number) | null = null;
  let edge = 40;
  const since = new Map<number, number>(); // row -> when it appeared
  let placed: [number, number, number][] = []; // row and the middle of its picture
  const layer: PictureLayer = {
    on: false,
    place(row) {
      const found = layer.on && placed.find(([i]) => i === row);
      return found ? [found[1], found[2], edge] : null;
    },
    at(px, py) {
      const hit = layer.on && placed.find(([, x, y]) => Math.abs(x - px) <= edge / 2 && Math.abs(y - py) <= edge / 2);
      return hit ? hit[0] : -1;
    },
    paint(context: CanvasRenderingContext2D, stage: Stage) {
      const was = layer.on;
      layer.on = false;
      placed = [];
      if (!app.state.pictures || !app.sprites.there || stage.moving) return;
      const inside = boxOf(stage.view, stage.size);
      const limit = was ? HIDE_ABOVE : SHOW_BELOW;
      if (stage.table.cells.estimate(inside) > 8 * limit && !app.visible) return since.clear();
      let count = 0;
      stage.table.cells.each(inside, (i) => {
        if (app.isVisible(i)) count++;
      });
      if (count > limit) return since.clear();
      layer.on = true;
      edge = pictureSize(count, was ? edge : 0);
      rank ??= typicality(app);
      const unit = stage.view.d / (stage.size.height / 2);
      // the grid keeps its size while the zoom changes a little, so that the choice stays
      const level = 2 ** (Math.ceil(Math.log2(unit) * 2) / 2);
      const candidates: number[] = [];
      stage.table.cells.each(boxOf(stage.view, stage.size, (edge + 4) * REACH), (i) => {
        if (app.isVisible(i)) candidates.push(i);
      });
      const shown = declutter(candidates, stage.table.x, stage.table.y, (i) => (i === app.state.current ? -Infinity : rank!(i)), (edge + 4) * level);
      const now = performance.now();
      let fading = false;
      const alive = new Set(shown);
      for (const row of since.keys()) if (!alive.has(row)) since.delete(row);
      const dim = app.state.selection.count > 0;
      for (const row of shown) {
        const [px, py] = stage.screen(row);
        if (px < -edge || py < -edge || px > stage.size.width + edge || py > stage.size.height + edge) continue;
        placed.push([row, px, py]);
        if (!since.has(row)) since.set(row, now);
        const age = Math.min(1, (now - since.get(row)!) / 140);
        if (age < 1) fading = true;
        context.globalAlpha = age * (dim && !app.state.selection.has(row) ? 0.28 : 1);
        paintPicture(context, app, row, px, py, edge, ink());
      }
      if (fading) stage.repaint();
    },
  };
  return layer;
}

function paintPicture(context: CanvasRenderingContext2D, app: App, row: number, px: number, py: number, edge: number, ink: Ink): void {
  const [x, y] = [Math.round(px - edge / 2), Math.round(py - edge / 2)];
  context.save();
  context.beginPath();
  context.roundRect(x, y, edge, edge, 4);
  context.fillStyle = ink.paper;
  context.fill();
  context.clip();
  context.imageSmoothingEnabled = edge * devicePixelRatio < app.sprites.size * 2;
  app.sprites.paint(context, row, x, y, edge);
  context.restore();
  context.beginPath();
  context.roundRect(x - 0.75, y - 0.75, edge + 1.5, edge + 1.5, 4.75);
  context.lineWidth = 1.5;
  context.strokeStyle = app.colourOf(row);
  context.stroke();
}

/** Edge of a thumbnail, px, by the number of points in view; it changes only when the number has clearly changed. */
export function pictureSize(count: number, now: number): number {
  const fit = (c: number) => (c > 220 ? 40 : c > 60 ? 52 : c > 16 ? 68 : 92);
  const [low, high] = [fit(count * 1.25), fit(count / 1.25)];
  return now && now >= low && now <= high ? now : fit(count);
}

/** Smaller is more typical: the outlier score where there is one, else the crowd around. */
function typicality(app: App): (row: number) => number {
  const spec = app.table.scores.find((c) => /^(outlier|spread)$/.test(c.name) && app.table.get(c.id));
  const values = spec && app.table.get(spec.id);
  if (values) return (i) => (Number.isNaN(values[i]!) ? 1e9 : values[i]!);
  return (i) => -app.table.cells.crowd(i);
}

interface Label {
  region: Region;
  text: string;
  level: number;
  x: number;
  y: number;
  w: number;
  h: number;
}

/** Names of regions, or the picture of their medoid, largest first and never on top of each other. */
export function regionLayer(app: App, ink: () => Ink, pictures: { on: boolean }): Layer {
  let placed: Label[] = [];
  const seen = codesInSight(app);
  const at = (px: number, py: number) => placed.find((p) => px >= p.x && px <= p.x + p.w && py >= p.y && py <= p.y + p.h);
  return {
    paint(context, stage) {
      placed = [];
      const all = app.meta.regions?.levels;
      if (!app.state.regions || !all?.length || pictures.on || stage.moving) return;
      const depth = stage.view.d > 0.55 ? 0 : stage.view.d > 0.22 ? 1 : 2;
      // a division into a few parts says nothing of a whole map
      const first = Math.max(0, all.findIndex((l) => l.regions.length >= 5));
      const level = Math.min(first + depth, all.length - 1);
      context.font = `600 12px ${ink().font}`;
      context.textBaseline = "middle";
      const shown = seen(all[level]!.id, stage);
      const order = all[level]!.regions.filter((r) => !shown || shown.has(r.code)).sort((a, b) => b.size - a.size);
      for (const region of order) {
        if (placed.length >= MOST_NAMES) break;
        const label = layOut(context, stage, region, level);
        if (!label || placed.some((p) => p.x < label.x + label.w + 6 && label.x < p.x + p.w + 6 && p.y < label.y + label.h + 4 && label.y < p.y + p.h + 4)) continue;
        placed.push(label);
        paintLabel(context, app, label, ink());
      }
    },
    click(px, py, event) {
      const hit = at(px, py);
      if (!hit) return false;
      void selectRegion(app, hit.level, hit.region.code, event.shiftKey ? "add" : event.altKey ? "subtract" : "replace");
      return true;
    },
    title(px, py) {
      const hit = at(px, py);
      return hit?.region.name && hit.region.name !== hit.text ? hit.region.name : "";
    },
  };
}

/** Finds the regions of a division that have an image in sight; null where nothing is hidden, or not known yet. */
function codesInSight(app: App): (id: string, stage: Stage) => Set<number> | null {
  let known: { id: string; visible: Mask; codes: Set<number> } | null = null;
  const asked = new Set<string>();
  return (id, stage) => {
    const { visible } = app;
    if (!visible) return null;
    if (known?.id === id && known.visible === visible) return known.codes;
    const column = app.table.get(id);
    if (column) known = { id, visible, codes: new Set(Array.from(visible.rows(), (row) => column[row]!)) };
    else if (!asked.has(id)) {
      asked.add(id);
      void app.table.load(id).then(() => stage.repaint(), () => undefined);
    }
    return column ? known!.codes : null;
  };
}

/** Select the images of a region that are in sight; where all of them are hidden, the selection stays. */
export async function selectRegion(app: App, level: number, code: number, mode: "replace" | "add" | "subtract"): Promise<void> {
  const id = app.meta.regions!.levels[level]!.id;
  const codes = await app.table.load(id);
  const mask = new Mask(app.table.n);
  for (let i = 0; i < codes.length; i++) if (codes[i] === code) mask.add(i);
  if (!app.visible || mask.and(app.visible).count) app.select(mask, mode);
}

const MOST_NAMES = 18; // more than these hide what they name
const PICTURE = 30;

function layOut(context: CanvasRenderingContext2D, stage: Stage, region: Region, level: number): Label | null {
  const scale = stage.size.height / 2 / stage.view.d;
  const px = stage.size.width / 2 + (region.u - stage.view.u) * scale;
  const py = stage.size.height / 2 - (region.v - stage.view.v) * scale;
  if (px < 0 || py < 0 || px > stage.size.width || py > stage.size.height) return null;
  const text = shorten(region.name ?? "");
  const w = PICTURE + (text ? context.measureText(text).width + 16 : 6);
  return { region, text, level, x: Math.round(px - w / 2), y: Math.round(py - PICTURE / 2 - 3), w, h: PICTURE + 6 };
}

function paintLabel(context: CanvasRenderingContext2D, app: App, label: Label, ink: Ink): void {
  const { x, y, w, h, region, text } = label;
  context.beginPath();
  context.roundRect(x, y, w, h, 7);
  context.globalAlpha = 0.86;
  context.fillStyle = ink.paper;
  context.fill();
  context.globalAlpha = 1;
  context.lineWidth = 1;
  context.strokeStyle = ink.rule;
  context.stroke();
  context.save();
  context.beginPath();
  context.roundRect(x + 3, y + 3, PICTURE, PICTURE, 5);
  context.clip();
  context.imageSmoothingEnabled = app.sprites.size > PICTURE / 1.5;
  if (!app.sprites.paint(context, region.medoid, x + 3, y + 3, PICTURE)) {
    context.fillStyle = app.colourOf(region.medoid);
    context.fillRect(x + 3, y + 3, PICTURE, PICTURE);
  }
  context.restore();
  if (text) {
    context.fillStyle = ink.ink;
    context.fillText(text, x + PICTURE + 10, y + h / 2 + 0.5);
  }
}

/** Rings on the image under the pointer and on the current one. */
export function ringLayer(app: App, ink: () => Ink, pictures: PictureLayer): Layer {
  return {
    paint(context, stage) {
      if (stage.moving) return;
      const radius = Math.max(6, stage.pointSize * 1.6 + 3);
      for (const [row, width] of [[app.state.current, 2.5], [app.state.hovered, 2]] as const) {
        if (row < 0 || row >= stage.table.n || !Number.isFinite(stage.table.x[row])) continue;
        const [px, py] = stage.screen(row);
        const picture = pictures.place(row);
        for (const [style, extra] of [[ink().paper, 2], [row === app.state.current ? ink().accent : ink().ink, 0]] as const) {
          context.beginPath();
          if (picture) context.roundRect(px - picture[2] / 2 - 2, py - picture[2] / 2 - 2, picture[2] + 4, picture[2] + 4, 6);
          else context.arc(px, py, radius, 0, 2 * Math.PI);
          context.lineWidth = width + extra;
          context.strokeStyle = style;
          context.stroke();
        }
      }
    },
  };
}

/** Lines from the current image to its neighbours in feature space: long ones are where the map disagrees. */
export function threadLayer(app: App, ink: () => Ink, neighbours: () => { features: number[]; map: Set<number> } | null): Layer {
  return {
    paint(context, stage) {
      const near = neighbours();
      const row = app.state.current;
      if (!app.state.threads || row < 0 || !near || stage.moving) return;
      const [px, py] = stage.screen(row);
      for (const other of near.features) {
        if (!Number.isFinite(stage.table.x[other])) continue;
        const [qx, qy] = stage.screen(other);
        const both = near.map.has(other);
        context.beginPath();
        context.moveTo(px, py);
        const bend = 0.12;
        context.quadraticCurveTo((px + qx) / 2 + (qy - py) * bend, (py + qy) / 2 - (qx - px) * bend, qx, qy);
        context.lineWidth = 1.25;
        context.strokeStyle = both ? ink().muted : ink().accent;
        context.globalAlpha = both ? 0.55 : 0.9;
        context.stroke();
        context.beginPath();
        context.arc(qx, qy, 3, 0, 2 * Math.PI);
        context.fillStyle = context.strokeStyle;
        context.fill();
      }
    },
  };
}
