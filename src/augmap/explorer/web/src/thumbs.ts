// Thumbnails out of sprite pages: on a canvas, or as an element.

import type { Table } from "./table.ts";

const KEPT = 32; // decoded pages; 4 MB each at 1,024 px
const AGAIN = 5000; // ms until a page that did not come may be asked for again

export class Sprites {
  /** A page, or that it is on its way, or from when on it may be asked for again. */
  private readonly pages = new Map<number, HTMLImageElement | "coming" | number>();
  readonly size: number;

  constructor(
    private readonly table: Table,
    private readonly arrived: () => void,
  ) {
    this.size = table.meta.thumbs?.size ?? 0;
  }

  get there(): boolean {
    return this.table.meta.thumbs !== null && this.table.get("thumb") !== undefined;
  }

  /** Draw the thumbnail of a row into a square; false while its page is on the way. */
  paint(context: CanvasRenderingContext2D, row: number, x: number, y: number, edge: number): boolean {
    const place = this.place(row);
    const page = place && this.page(place.page);
    if (!place || !page) return false;
    context.drawImage(page, place.x, place.y, this.size, this.size, x, y, edge, edge);
    return true;
  }

  /** An element that shows the thumbnail of a row. */
  element(row: number, edge: number, alt = ""): HTMLCanvasElement {
    const canvas = document.createElement("canvas");
    canvas.className = "thumb";
    const ratio = Math.min(2, devicePixelRatio || 1);
    canvas.width = canvas.height = Math.round(edge * ratio);
    canvas.style.width = canvas.style.height = `${edge}px`;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", alt);
    this.show(canvas, row);
    return canvas;
  }

  /** Draw a row into such an element, now or when its page comes. */
  show(canvas: HTMLCanvasElement, row: number): void {
    canvas.dataset.row = String(row);
    const context = canvas.getContext("2d")!;
    context.imageSmoothingEnabled = canvas.width < this.size * 2; // enlarged pixels stay crisp
    const done = this.paint(context, row, 0, 0, canvas.width);
    if (!done) {
      context.clearRect(0, 0, canvas.width, canvas.height);
      this.late.add(canvas);
    }
  }

  private readonly late = new Set<HTMLCanvasElement>();

  private place(row: number): { page: number; x: number; y: number } | null {
    const layout = this.table.meta.thumbs;
    const slot = this.table.get("thumb")?.[row];
    if (!layout || slot === undefined) return null;
    const cells = layout.columns * layout.columns;
    const cell = slot % cells;
    return {
      page: Math.floor(slot / cells),
      x: (cell % layout.columns) * layout.size,
      y: Math.floor(cell / layout.columns) * layout.size,
    };
  }

  private page(index: number): HTMLImageElement | null {
    const there = this.pages.get(index);
    if (there instanceof HTMLImageElement) {
      this.pages.delete(index); // most recently used last
      this.pages.set(index, there);
      return there;
    }
    if (there === undefined || (there !== "coming" && performance.now() >= there)) void this.fetch(index);
    return null;
  }

  private async fetch(index: number): Promise<void> {
    this.pages.set(index, "coming");
    const layout = this.table.meta.thumbs!;
    const image = new Image();
    try {
      image.src = await this.table.source.thumbs(index);
      await image.decode();
      const edge = layout.size * layout.columns;
      if (image.naturalWidth > edge || image.naturalHeight > edge) throw new Error(`page ${index} is larger than ${edge} px`);
      this.pages.set(index, image);
    } catch {
      this.pages.set(index, performance.now() + AGAIN); // its cells stay empty; the points are still there
    }
    for (const [page, there] of this.pages) {
      if (this.pages.size <= KEPT) break;
      if (there instanceof HTMLImageElement && page !== index) this.pages.delete(page);
    }
    for (const canvas of this.late) {
      if (!canvas.isConnected) this.late.delete(canvas);
      else if (this.paint(canvas.getContext("2d")!, Number(canvas.dataset.row), 0, 0, canvas.width)) this.late.delete(canvas);
    }
    this.arrived();
  }
}
