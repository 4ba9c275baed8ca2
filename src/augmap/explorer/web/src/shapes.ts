// Lasso and box: what is drawn, how it closes, and which rows lie inside.

import type { App } from "./app.ts";
import { toMap } from "./camera.ts";
import { inPolygon } from "./cells.ts";
import type { Ink } from "./layers.ts";
import { Mask } from "./mask.ts";
import type { Layer, Shape, Stage } from "./stage.ts";

type Mode = "replace" | "add" | "subtract";

export interface ShapeTool extends Layer {
  begin(event: PointerEvent, stage: Stage): Shape | null;
  /** Give up the shape under way; false if there is none. */
  cancel(): boolean;
}

export function shapeTool(app: App, ink: () => Ink): ShapeTool {
  let ring: number[] = []; // screen px
  let box = false;
  let mode: Mode = "replace";
  let where: Stage | null = null;

  const clear = () => {
    ring = [];
    where?.repaint();
    where = null;
  };
  const tool: ShapeTool = {
    begin(event, stage) {
      const { tool: chosen } = app.state;
      if (chosen === "pan" && !event.shiftKey && !event.altKey) return null;
      box = chosen === "box";
      mode = event.shiftKey ? "add" : event.altKey ? "subtract" : "replace";
      where = stage;
      ring = [];
      return {
        move(px, py) {
          if (!where) return;
          const [lx, ly] = [ring[ring.length - 2] ?? Infinity, ring[ring.length - 1] ?? Infinity];
          if (box) ring = ring.length ? [ring[0]!, ring[1]!, px, py] : [px, py];
          else if (Math.hypot(px - lx, py - ly) > 2) ring.push(px, py);
          stage.repaint();
        },
        end() {
          if (where && ring.length >= 4) app.select(inside(stage, box ? corners(ring) : ring), mode);
          clear();
        },
        cancel: clear,
      };
    },
    cancel() {
      const there = where !== null;
      clear();
      return there;
    },
    paint(context, stage) {
      if (where !== stage || ring.length < 4) return;
      const path = box ? corners(ring) : ring;
      context.beginPath();
      for (let k = 0; k < path.length; k += 2) context.lineTo(path[k]!, path[k + 1]!);
      context.closePath();
      context.fillStyle = ink().accent;
      context.globalAlpha = 0.12;
      context.fill("evenodd");
      context.globalAlpha = 1;
      context.lineWidth = 1.5;
      context.strokeStyle = ink().accent;
      context.beginPath();
      for (let k = 0; k < path.length; k += 2) context.lineTo(path[k]!, path[k + 1]!);
      if (box) context.closePath();
      context.stroke();
      if (!box) {
        // how it would close if one let go now
        context.setLineDash([4, 4]);
        context.beginPath();
        context.moveTo(path[path.length - 2]!, path[path.length - 1]!);
        context.lineTo(path[0]!, path[1]!);
        context.stroke();
        context.setLineDash([]);
      }
      const sign = mode === "add" ? "+" : mode === "subtract" ? "−" : "";
      if (sign) {
        context.font = `600 16px ${ink().font}`;
        context.fillStyle = ink().accent;
        context.fillText(sign, path[path.length - 2]! + 10, path[path.length - 1]! - 8);
      }
    },
  };
  return tool;
}

function corners(ring: number[]): number[] {
  const [x0, y0, x1, y1] = ring as [number, number, number, number];
  return [x0, y0, x1, y0, x1, y1, x0, y1];
}

/** Rows whose points lie inside a ring of screen px. Every one counts, even a single one. */
export function inside(stage: Stage, ring: number[]): Mask {
  const map: number[] = [];
  let [u0, v0, u1, v1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let k = 0; k < ring.length; k += 2) {
    const [u, v] = toMap(stage.view, stage.size, ring[k]!, ring[k + 1]!);
    map.push(u, v);
    [u0, v0, u1, v1] = [Math.min(u0, u), Math.min(v0, v), Math.max(u1, u), Math.max(v1, v)];
  }
  const mask = new Mask(stage.table.n);
  const { x, y, cells } = stage.table;
  cells.each({ u0, v0, u1, v1 }, (i) => {
    if (inPolygon(x[i]!, y[i]!, map)) mask.add(i);
  });
  return mask;
}
