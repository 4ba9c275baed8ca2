// A map on the screen: points below, a canvas with everything else above, and the hand that moves it.

import { boxOf, fitView, flight, toMap, zoomAt, type Size, type View } from "./camera.ts";
import type { Box } from "./cells.ts";
import { create, densityOpacity, pointPixels, type Drawing, type Points } from "./draw.ts";
import { el, reducedMotion } from "./dom.ts";
import type { Table } from "./table.ts";

/** Something painted over the points in every frame. */
export interface Layer {
  paint(context: CanvasRenderingContext2D, stage: Stage): void;
  /** Take a click at this place of the screen, before the points see it. */
  click?(px: number, py: number, event: PointerEvent): boolean;
  /** What there is to say about this place, in full. */
  title?(px: number, py: number): string;
}

export interface Hand {
  hover(px: number, py: number): void;
  leave(): void;
  click(px: number, py: number, event: PointerEvent): void;
  /** Begin to draw a shape instead of moving the map: returns what follows the pointer, or null to pan. */
  shape(event: PointerEvent): Shape | null;
}

export interface Shape {
  move(px: number, py: number): void;
  end(): void;
  cancel(): void;
}

export class Stage {
  readonly element: HTMLElement;
  readonly layers: Layer[] = [];
  view: View;
  size: Size = { width: 1, height: 1 };
  drawing: Drawing | null = null;
  hand: Hand | null = null;
  /** Makes the points that are drawn in place of the table's: a replay, a morph. Nothing can be picked then. */
  guest: (() => Points) | null = null;
  /** Called after each move of the camera. */
  moved: (() => void) | null = null;
  /** Other stages that look at the same place. */
  linked: Stage[] = [];
  pointSize: number;
  private readonly basicSize: number; // diameter of a point at zoom 1, px
  background = "#14161b";
  private readonly canvas = el("canvas.points");
  private readonly overlay = el("canvas.overlay");
  private readonly context: CanvasRenderingContext2D;
  private frame = 0;
  private flying = 0;
  /** Where the last flight goes, or ended; null once the view was moved by hand. */
  heading: View | null = null;
  private travelling = false;
  private opacity = 0.5;
  private opacityTimer = 0;
  private points: Points | null = null;
  private own = false; // one point a row of the table: rows can be selected and filtered
  private selected: Uint32Array = new Uint32Array();
  private filtered: Uint32Array | null = null;
  private inViewScale = 1;
  private hidden = false;
  private fitted = false; // the whole map is in view, and should stay so when panels open

  constructor(
    readonly table: Table,
    label: string,
    private readonly report: (problem: "context lost" | "context back") => void,
  ) {
    this.basicSize = table.n > 300_000 ? 2 : table.n > 40_000 ? 2.6 : table.n > 8_000 ? 3.4 : table.n > 1_500 ? 4.5 : 6.5;
    this.pointSize = this.basicSize;
    this.element = el("div.stage", { tabindex: 0, role: "application", "aria-label": label }, this.canvas, this.overlay);
    this.context = this.overlay.getContext("2d")!;
    this.view = { u: 0, v: 0, d: 1.08 };
    this.listen();
  }

  /** Make the drawing; the element must be in the page. */
  async start(view: View | null): Promise<void> {
    this.measure();
    this.view = view ?? fitView(this.size, this.whole());
    this.fitted = view === null;
    this.setOpacity();
    await this.renew();
    new ResizeObserver(() => this.resized()).observe(this.element);
  }

  /** Make the drawing anew, for example after the context was lost. */
  async renew(): Promise<void> {
    this.drawing?.destroy();
    const look = { pointSize: this.pointSize, opacity: this.opacity, background: this.background };
    this.drawing = await create(this.canvas, this.size, look, () => this.paint(), (back) => this.report(back ? "context back" : "context lost"));
    this.drawing.camera(this.view, this.size);
    this.own = false;
    if (this.points) await this.draw(this.points);
  }

  async draw(points: Points, seconds = 0): Promise<void> {
    this.points = points;
    this.own &&= points.x.length === this.table.n;
    const time = reducedMotion() ? 0 : seconds;
    this.setOpacity();
    this.travelling = time > 0;
    await this.drawing?.draw(points, time);
    this.travelling = false;
    if (this.points === points && !this.own && points.x.length === this.table.n) {
      this.own = true;
      this.drawing?.filter(this.filtered);
      this.drawing?.select(this.selected);
    }
    this.repaint();
  }

  select(rows: Uint32Array): void {
    this.selected = rows;
    if (this.own) this.drawing?.select(rows);
    this.repaint();
  }

  filter(rows: Uint32Array | null): void {
    this.filtered = rows;
    this.inViewScale = rows ? rows.length / Math.max(1, this.table.n) : 1;
    this.setOpacity();
    if (this.own) this.drawing?.filter(rows);
  }

  setBackground(colour: string): void {
    this.background = colour;
    this.look();
    this.repaint();
  }

  /** True while points are on their way to other places, or are not where the table says. */
  get moving(): boolean {
    return this.travelling || this.guest !== null;
  }

  lookAt(view: View, follow = true): void {
    this.fitted = false;
    this.heading = null;
    this.place(view, follow);
  }

  private place(view: View, follow: boolean): void {
    this.view = view;
    this.drawing?.camera(view, this.size);
    this.repaint();
    this.moved?.();
    clearTimeout(this.opacityTimer);
    this.opacityTimer = window.setTimeout(() => this.setOpacity(), 140);
    if (follow) for (const other of this.linked) other.lookAt(view, false);
  }

  /** Move smoothly; at once for those who want no motion. */
  fly(to: View, fitted = false): void {
    // a panel may just have opened: who flies to an image means the middle of the place that is left
    if (!fitted) for (const stage of [this, ...this.linked]) stage.resized();
    cancelAnimationFrame(this.flying);
    this.fitted = fitted;
    this.heading = to;
    if (reducedMotion()) return this.place(to, true);
    const path = flight(this.view, to);
    const began = performance.now();
    const step = (now: number) => {
      const t = path.seconds > 0 ? Math.max(0, Math.min(1, (now - began) / 1000 / path.seconds)) : 1;
      const eased = t < 0.5 ? 2 * t * t : 1 - 2 * (1 - t) * (1 - t);
      this.place(t >= 1 ? to : path.at(eased), true);
      if (t < 1) this.flying = requestAnimationFrame(step);
    };
    this.flying = requestAnimationFrame(step);
  }

  fit(box?: Box): void {
    this.fly(fitView(this.size, box ?? this.whole()), box === undefined);
  }

  flyToRow(row: number): void {
    const [u, v] = [this.table.x[row]!, this.table.y[row]!];
    if (!Number.isFinite(u) || !Number.isFinite(v)) return;
    this.fly({ u, v, d: Math.min(this.view.d, this.closeUp(u, v)) });
  }

  /** A distance from which pictures are seen around a place: about 250 points in view. */
  closeUp(u: number, v: number): number {
    for (let d = 0.7; d > 4e-4; d *= 0.8) if (this.table.cells.estimate(boxOf({ u, v, d }, this.size)) <= 250) return d;
    return 4e-4;
  }

  zoom(factor: number, px = this.size.width / 2, py = this.size.height / 2): void {
    cancelAnimationFrame(this.flying);
    this.lookAt(zoomAt(this.view, this.size, px, py, factor));
  }

  pan(dx: number, dy: number): void {
    const scale = this.view.d / (this.size.height / 2);
    this.lookAt({ ...this.view, u: this.view.u - dx * scale, v: this.view.v + dy * scale });
  }

  screen(row: number): [number, number] {
    const scale = this.size.height / 2 / this.view.d;
    return [
      this.size.width / 2 + (this.table.x[row]! - this.view.u) * scale,
      this.size.height / 2 - (this.table.y[row]! - this.view.v) * scale,
    ];
  }

  /** The row under the pointer, within 14 CSS px, or -1. */
  pick(px: number, py: number, wanted?: (row: number) => boolean, reach = 14): number {
    if (this.guest) return -1;
    const [u, v] = toMap(this.view, this.size, px, py);
    return this.table.cells.nearest(u, v, (reach * this.view.d) / (this.size.height / 2), wanted);
  }

  get box(): Box {
    return boxOf(this.view, this.size);
  }

  /** Paint the upper canvas in the next frame. */
  repaint(): void {
    this.frame ||= requestAnimationFrame(() => this.paint());
  }

  /** Points and everything above them as one picture. */
  picture(): HTMLCanvasElement {
    const out = document.createElement("canvas");
    out.width = this.overlay.width;
    out.height = this.overlay.height;
    const context = out.getContext("2d")!;
    context.fillStyle = this.background;
    context.fillRect(0, 0, out.width, out.height);
    context.drawImage(this.canvas, 0, 0, out.width, out.height);
    context.drawImage(this.overlay, 0, 0);
    return out;
  }

  /** The box around this map and those that look at the same place. */
  private whole(): Box {
    const all = [this, ...this.linked].map((s) => s.table.cells.extent());
    const [low, high] = [(key: keyof Box) => Math.min(...all.map((b) => b[key])), (key: keyof Box) => Math.max(...all.map((b) => b[key]))];
    return { u0: low("u0"), v0: low("v0"), u1: high("u1"), v1: high("v1") };
  }

  private paint(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const ratio = devicePixelRatio || 1;
    const [w, h] = [Math.round(this.size.width * ratio), Math.round(this.size.height * ratio)];
    if (this.overlay.width !== w || this.overlay.height !== h) {
      this.overlay.width = w;
      this.overlay.height = h;
    }
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.clearRect(0, 0, this.size.width, this.size.height);
    for (const layer of this.layers) {
      this.context.save();
      layer.paint(this.context, this);
      this.context.restore();
    }
  }

  private setOpacity(): void {
    const inView = this.table.cells.estimate(this.box) * this.inViewScale;
    const pixels = pointPixels(this.basicSize, this.view);
    const opacity = densityOpacity(inView, this.view, this.size, pixels);
    if (Math.abs(opacity - this.opacity) < 0.06 * this.opacity && Math.abs(pixels - this.pointSize) < 0.06 * this.pointSize) return;
    this.opacity = opacity;
    this.pointSize = pixels;
    this.look();
  }

  private look(): void {
    this.drawing?.look({ pointSize: this.pointSize, opacity: this.opacity, background: this.background });
  }

  private measure(): void {
    const box = this.element.getBoundingClientRect();
    this.size = { width: Math.max(1, Math.round(box.width)), height: Math.max(1, Math.round(box.height)) };
    this.canvas.style.width = this.overlay.style.width = `${this.size.width}px`;
    this.canvas.style.height = this.overlay.style.height = `${this.size.height}px`;
  }

  /** A panel opened or closed: what one looks at stays where it is, counted from the left edge. */
  private resized(): void {
    const [before, was] = [this.size, this.hidden];
    this.hidden = !this.element.clientWidth || !this.element.clientHeight;
    if (this.hidden) return;
    this.measure();
    if (was) return this.lookAt(this.linked[0]?.view ?? this.view, false); // back beside another: at the same place
    if (before.width === this.size.width && before.height === this.size.height) return;
    if (this.fitted) {
      this.lookAt({ ...this.view, u: this.view.u + ((this.size.width - before.width) / 2) * (this.view.d / (before.height / 2)) }, false);
      return this.fit();
    }
    const scale = this.view.d / (before.height / 2);
    const u = this.view.u + ((this.size.width - before.width) / 2) * scale;
    this.lookAt({ ...this.view, u, d: this.view.d }, false);
  }

  private listen(): void {
    const fingers = new Map<number, [number, number]>();
    let shape: Shape | null = null;
    let began: [number, number] | null = null;
    let dragged = false;
    const place = (e: PointerEvent | WheelEvent): [number, number] => {
      const box = this.element.getBoundingClientRect();
      return [e.clientX - box.left, e.clientY - box.top];
    };
    this.element.addEventListener("pointerdown", (e) => {
      if (e.button !== 0) return;
      cancelAnimationFrame(this.flying);
      const at = place(e);
      this.element.setPointerCapture(e.pointerId);
      this.element.focus({ preventScroll: true });
      fingers.set(e.pointerId, at);
      began = at;
      dragged = false;
      if (fingers.size > 1) {
        shape?.cancel();
        shape = null;
      } else shape = this.hand?.shape(e) ?? null;
      shape?.move(...at);
    });
    this.element.addEventListener("pointermove", (e) => {
      const at = place(e);
      const before = fingers.get(e.pointerId);
      if (!before) {
        this.element.title = this.layers.map((l) => l.title?.(...at)).find(Boolean) ?? "";
        this.hand?.hover(...at);
        return;
      }
      if (began && Math.hypot(at[0] - began[0], at[1] - began[1]) > 4) dragged = true;
      if (fingers.size === 2) this.pinch(fingers, e.pointerId, at);
      else if (shape) shape.move(...at);
      else if (dragged) {
        this.element.classList.add("dragging");
        this.pan(at[0] - before[0], at[1] - before[1]);
      }
      if (dragged || shape) fingers.set(e.pointerId, at);
    });
    const up = (e: PointerEvent) => {
      if (!fingers.delete(e.pointerId)) return;
      this.element.classList.remove("dragging");
      const at = place(e);
      if (e.type === "pointercancel") shape?.cancel();
      else if (shape && dragged) shape.end();
      else {
        shape?.cancel();
        if (!dragged && fingers.size === 0 && !this.layers.some((l) => l.click?.(...at, e))) this.hand?.click(...at, e);
      }
      shape = null;
    };
    this.element.addEventListener("pointerup", up);
    this.element.addEventListener("pointercancel", up);
    this.element.addEventListener("pointerleave", () => this.hand?.leave());
    this.element.addEventListener("dblclick", (e) => {
      const [px, py] = place(e as unknown as PointerEvent);
      this.fly(zoomAt(this.view, this.size, px, py, 2));
    });
    this.element.addEventListener(
      "wheel",
      (e) => {
        e.preventDefault();
        const lines = e.deltaMode === 1 ? 16 : e.deltaMode === 2 ? 400 : 1;
        this.zoom(Math.exp(-Math.max(-240, Math.min(240, e.deltaY * lines)) * (e.ctrlKey ? 0.01 : 0.0022)), ...place(e));
      },
      { passive: false },
    );
    this.element.addEventListener("keydown", (e) => this.key(e));
  }

  private pinch(fingers: Map<number, [number, number]>, id: number, at: [number, number]): void {
    const other = [...fingers].find(([f]) => f !== id)![1];
    const before = fingers.get(id)!;
    const ratio = Math.hypot(at[0] - other[0], at[1] - other[1]) / Math.max(1, Math.hypot(before[0] - other[0], before[1] - other[1]));
    this.zoom(ratio, (at[0] + other[0]) / 2, (at[1] + other[1]) / 2);
    this.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
    fingers.set(id, at);
  }

  /** Arrow keys pan, plus and minus zoom. */
  private key(e: KeyboardEvent): void {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const step = e.shiftKey ? 160 : 60;
    const moves: Record<string, () => void> = {
      ArrowLeft: () => this.pan(step, 0),
      ArrowRight: () => this.pan(-step, 0),
      ArrowUp: () => this.pan(0, step),
      ArrowDown: () => this.pan(0, -step),
      "+": () => this.zoom(1.4),
      "=": () => this.zoom(1.4),
      "-": () => this.zoom(1 / 1.4),
    };
    const move = moves[e.key];
    if (!move) return;
    e.preventDefault();
    move();
  }
}
