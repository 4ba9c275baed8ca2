// Drawing the points, behind six functions: create, draw, select, filter, camera, destroy.
// Nothing else in the page knows regl-scatterplot, so that another renderer can take its place.

import createScatterplot, { createRenderer, createSpatialIndex } from "regl-scatterplot";
import type { Size, View } from "./camera.ts";
import { drawPlain } from "./plain.ts";

export interface Points {
  x: Float32Array;
  y: Float32Array;
  codes: Uint8Array | Uint16Array;
  palette: string[];
}

export interface Look {
  pointSize: number;
  opacity: number;
  background: string;
}

export interface Drawing {
  /** Draw these points; with `seconds` they travel there from where they were. */
  draw(points: Points, seconds?: number): Promise<void>;
  /** Lift these rows out of the rest; an empty list lifts none. */
  select(rows: Uint32Array): void;
  /** Show these rows only, or all. */
  filter(rows: Uint32Array | null): void;
  camera(view: View, size: Size): void;
  look(look: Look): void;
  destroy(): void;
  /** Null for the plain drawing without WebGL. */
  readonly gl: WebGLRenderingContext | null;
}

/** Does this browser draw with WebGL? The constructor of regl-scatterplot 1.16.0 throws without a context. */
export function webgl(): boolean {
  const context = document.createElement("canvas").getContext("webgl");
  if (!context || !context.getExtension("OES_texture_float")) return false;
  context.getExtension("WEBGL_lose_context")?.loseContext(); // browsers keep few contexts alive
  return true;
}

/** `drawn` runs in the frame in which points were drawn, `lost` when the context goes and comes back. */
export async function create(
  canvas: HTMLCanvasElement,
  size: Size,
  look: Look,
  drawn: () => void,
  lost: (back: boolean) => void,
): Promise<Drawing> {
  if (!webgl()) return drawPlain(canvas, size, look, drawn);
  const inner = document.createElement("canvas");
  const renderer = createRenderer({ canvas: inner });
  renderer.resize(size.width, size.height);
  const plot = createScatterplot({
    canvas,
    renderer,
    width: size.width,
    height: size.height,
    pointSize: look.pointSize,
    opacity: look.opacity,
    colorBy: "category",
    backgroundColor: look.background,
    pointColor: ["#888888"],
    pointSizeSelected: 1,
    pointOutlineWidth: 0,
    pointScaleMode: "constant", // stage.ts lets points grow with the zoom, more gently
    opacityInactiveMax: 0.5,
    opacityInactiveScale: 0.22,
    cameraIsFixed: true, // the page moves the camera itself: camera.ts
    deselectOnEscape: false,
    deselectOnDblClick: false,
    lassoInitiator: false,
    lassoOnLongPress: false,
    actionKeyMap: {},
  } as unknown as Parameters<typeof createScatterplot>[0]);
  plot.subscribe("drawing" as "draw", drawn);
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    plot.destroy();
    renderer.destroy();
  };
  const onLost = (e: Event) => {
    e.preventDefault();
    end(); // the library would go on drawing into nothing, and throw; all is drawn anew when the context is back
    lost(false);
  };
  const onBack = () => lost(true);
  inner.addEventListener("webglcontextlost", onLost);
  inner.addEventListener("webglcontextrestored", onBack);

  // Picking is our own (cells.ts), so the library gets an index of one far point: no build, and no worker at 1,000,000.
  const spatialIndex = await createSpatialIndex([[9, 9]] as number[][], false);
  let rows: number[][] = [];
  let palette = "";
  let selected: number[] = [];
  let filtered: number[] | null = null;
  let width = size.width;
  let height = size.height;
  let now = look;
  let queue: Promise<void> = Promise.resolve();
  let looked: Promise<void> = Promise.resolve(); // until the last look is in place: the library draws one frame later
  let waiting: { points: Points; seconds: number } | null = null;

  const paint = async (points: Points, seconds: number) => {
    const n = points.x.length;
    const same = rows.length === n;
    // A new array each time: the library keeps the old one for the transition.
    rows = Array.from({ length: n }, (_, i) => {
      const u = points.x[i]!;
      return [u === u ? u : 9, points.y[i] === points.y[i] ? points.y[i]! : 9, points.codes[i]!];
    });
    const key = points.palette.join();
    if (key !== palette) {
      palette = key;
      void plot.set({ pointColor: points.palette, pointColorActive: points.palette, pointColorHover: points.palette } as never);
    }
    if (!n) return void (await plot.clear());
    if (!same) [filtered, selected] = [null, []];
    const travel = same && seconds > 0 ? { transition: true, transitionDuration: seconds * 1000 } : {};
    await plot.draw(rows, { spatialIndex, preventFilterReset: same, zDataType: "categorical", ...travel } as never);
  };

  const gl = inner.getContext("webgl")!;
  const gone = () => ended || gl.isContextLost();
  return {
    gl,
    draw(points, seconds = 0) {
      waiting = { points, seconds };
      queue = queue.then(async () => {
        const next = waiting;
        waiting = null; // frames that came while drawing: the last one wins
        if (next && !gone()) await paint(next.points, next.seconds);
      });
      return queue;
    },
    select(chosen) {
      selected = Array.from(chosen);
      if (gone()) return;
      if (!selected.length) plot.deselect({ preventEvent: true });
      else plot.select(selected, { preventEvent: true });
    },
    filter(chosen) {
      if (!chosen && !filtered) return;
      filtered = chosen ? Array.from(chosen) : null;
      // in the frame that a new look takes anyway: a second one would show the same
      void looked.then(() => {
        if (gone()) return;
        if (filtered) void plot.filter(filtered, { preventEvent: true });
        else void plot.unfilter({ preventEvent: true });
        if (selected.length) plot.select(selected, { preventEvent: true });
      });
    },
    camera(view, sized) {
      if (gone()) return;
      if (sized.width !== width || sized.height !== height) {
        width = sized.width;
        height = sized.height;
        renderer.resize(width, height);
        void plot.set({ width, height });
      }
      const s = 1 / view.d;
      plot.view(new Float32Array([s, 0, 0, 0, 0, s, 0, 0, 0, 0, 1, 0, -view.u * s, -view.v * s, 0, 1]) as never);
    },
    look(next) {
      if (gone()) return;
      if (next.background !== now.background || next.opacity !== now.opacity || next.pointSize !== now.pointSize)
        looked = plot.set({ backgroundColor: next.background, opacity: next.opacity, pointSize: next.pointSize } as never) as unknown as Promise<void>;
      now = next;
    },
    destroy() {
      inner.removeEventListener("webglcontextlost", onLost);
      inner.removeEventListener("webglcontextrestored", onBack);
      end();
    },
  };
}

/** Diameter of a point, CSS px: twice as large at a zoom of 16. */
export function pointPixels(pointSize: number, view: View): number {
  return Math.max(1.2, pointSize * Math.max(0.5, 1 / view.d) ** 0.25);
}

/** Opacity at which the points in view cover a set share of it: opaque where few, light where many. */
export function densityOpacity(inView: number, view: View, size: Size, pixels: number): number {
  const area = size.width * size.height * Math.min(1, 1 / (view.d * view.d));
  return Math.max(0.04, Math.min(0.95, (COVER * area) / (Math.max(1, inView) * pixels * pixels * 0.785)));
}

const COVER = 0.5; // chosen by eye on 20,000 to 1,000,000 points: dense cores keep their inner structure
