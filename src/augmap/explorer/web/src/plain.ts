// The points without WebGL: a canvas in two dimensions. Slower, but the map stays a map.

import { toScreen, type Size, type View } from "./camera.ts";
import type { Drawing, Look, Points } from "./draw.ts";

export function drawPlain(canvas: HTMLCanvasElement, size: Size, look: Look, drawn: () => void): Drawing {
  const context = canvas.getContext("2d")!;
  let points: Points | null = null;
  let selected: Set<number> | null = null;
  let shown: Uint32Array | null = null;
  let view: View = { u: 0, v: 0, d: 1.08 };
  let sized = size;
  let now = look;
  let asked = 0;

  const paint = () => {
    asked = 0;
    const ratio = devicePixelRatio;
    canvas.width = sized.width * ratio;
    canvas.height = sized.height * ratio;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, sized.width, sized.height);
    if (points) paintPoints(points);
    drawn();
  };

  const paintPoints = ({ x, y, codes, palette }: Points) => {
    const edge = Math.max(1.2, now.pointSize * 0.8);
    const order = shown ?? undefined;
    const count = order ? order.length : x.length;
    // one pass a colour: a change of fillStyle costs more than a rectangle
    for (let pass = 0; pass < (selected ? 2 : 1); pass++) {
      context.globalAlpha = selected && pass === 0 ? 0.15 : Math.max(0.25, now.opacity);
      for (let code = 0; code < palette.length; code++) {
        context.fillStyle = palette[code]!;
        for (let k = 0; k < count; k++) {
          const i = order ? order[k]! : k;
          if (codes[i] !== code || (pass === 1 && !selected!.has(i))) continue;
          const [px, py] = toScreen(view, sized, x[i]!, y[i]!);
          if (px > -4 && py > -4 && px < sized.width + 4 && py < sized.height + 4)
            context.fillRect(px - edge / 2, py - edge / 2, edge, edge);
        }
      }
    }
    context.globalAlpha = 1;
  };

  const ask = () => {
    asked ||= requestAnimationFrame(paint);
  };
  return {
    gl: null,
    async draw(next) {
      points = next;
      ask();
    },
    select(rows) {
      selected = rows.length ? new Set(rows) : null;
      ask();
    },
    filter(rows) {
      shown = rows;
      ask();
    },
    camera(next, nextSize) {
      view = next;
      sized = nextSize;
      ask();
    },
    look(next) {
      now = next;
      ask();
    },
    destroy() {
      cancelAnimationFrame(asked);
    },
  };
}
