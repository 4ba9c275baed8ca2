// An index of the points: a square grid over [-1, 1], rows sorted by cell. Answers "what lies in this box".

export interface Box {
  u0: number;
  v0: number;
  u1: number;
  v1: number;
}

export class Cells {
  readonly side: number;
  private readonly start: Uint32Array; // first entry of each cell in `rows`
  private readonly rows: Uint32Array;
  private readonly sums: Uint32Array; // points in cells left of and below, (side + 1)^2

  constructor(
    readonly x: Float32Array,
    readonly y: Float32Array,
  ) {
    const n = x.length;
    const side = Math.max(1, Math.min(1024, Math.ceil(Math.sqrt(n / 4))));
    this.side = side;
    const count = new Uint32Array(side * side + 1);
    const cell = new Int32Array(n);
    for (let i = 0; i < n; i++) {
      const c = Number.isFinite(x[i]) && Number.isFinite(y[i]) ? this.at(y[i]!) * side + this.at(x[i]!) : -1;
      cell[i] = c;
      if (c >= 0) count[c + 1]!++;
    }
    for (let c = 0; c < side * side; c++) count[c + 1]! += count[c]!;
    this.start = count;
    const next = count.slice();
    this.rows = new Uint32Array(count[side * side]!);
    for (let i = 0; i < n; i++) if (cell[i]! >= 0) this.rows[next[cell[i]!]!++] = i;
    this.sums = new Uint32Array((side + 1) * (side + 1));
    for (let r = 0; r < side; r++)
      for (let c = 0, line = 0; c < side; c++) {
        line += count[r * side + c + 1]! - count[r * side + c]!;
        this.sums[(r + 1) * (side + 1) + c + 1] = this.sums[r * (side + 1) + c + 1]! + line;
      }
  }

  /** The box that holds all points but a few far ones: an outlier does not make the rest small. */
  extent(): Box {
    const ends = (values: Float32Array): [number, number] => {
      const step = Math.max(1, Math.floor(values.length / 20_000));
      const some: number[] = [];
      for (let i = 0; i < values.length; i += step) if (Number.isFinite(values[i])) some.push(values[i]!);
      if (!some.length) return [-1, 1];
      const sorted = Float64Array.from(some).sort();
      const at = (q: number) => sorted[Math.round(q * (sorted.length - 1))]!;
      const slack = (at(0.99) - at(0.01)) * 0.12;
      return [Math.max(sorted[0]!, at(0.005) - slack), Math.min(sorted[sorted.length - 1]!, at(0.995) + slack)];
    };
    const [u0, u1] = ends(this.x);
    const [v0, v1] = ends(this.y);
    return { u0, v0, u1, v1 };
  }

  /** How many points lie in the cells that a box touches: cheap, exact to a cell. */
  estimate(box: Box): number {
    if (box.u1 < -1 || box.v1 < -1 || box.u0 > 1 || box.v0 > 1) return 0;
    const [c0, c1, r0, r1] = [this.at(box.u0), this.at(box.u1) + 1, this.at(box.v0), this.at(box.v1) + 1];
    const w = this.side + 1;
    return this.sums[r1 * w + c1]! - this.sums[r0 * w + c1]! - this.sums[r1 * w + c0]! + this.sums[r0 * w + c0]!;
  }

  /** Call `visit` with each row whose point lies in the box. */
  each(box: Box, visit: (row: number) => void): void {
    if (box.u1 < -1 || box.v1 < -1 || box.u0 > 1 || box.v0 > 1) return;
    const [c0, c1, r0, r1] = [this.at(box.u0), this.at(box.u1), this.at(box.v0), this.at(box.v1)];
    for (let r = r0; r <= r1; r++)
      for (let k = this.start[r * this.side + c0]!; k < this.start[r * this.side + c1 + 1]!; k++) {
        const i = this.rows[k]!;
        const u = this.x[i]!;
        const v = this.y[i]!;
        if (u >= box.u0 && u <= box.u1 && v >= box.v0 && v <= box.v1) visit(i);
      }
  }

  /** The nearest row within `radius` that `wanted` admits, or -1. */
  nearest(u: number, v: number, radius: number, wanted?: (row: number) => boolean): number {
    let best = -1;
    let least = radius * radius;
    this.each({ u0: u - radius, v0: v - radius, u1: u + radius, v1: v + radius }, (i) => {
      const d = (this.x[i]! - u) ** 2 + (this.y[i]! - v) ** 2;
      if (d <= least && (!wanted || wanted(i))) {
        least = d;
        best = i;
      }
    });
    return best;
  }

  /** The `k` nearest rows, nearest first. */
  nearestK(u: number, v: number, k: number): number[] {
    for (let radius = 2 / this.side; ; radius *= 2) {
      const found: [number, number][] = [];
      this.each({ u0: u - radius, v0: v - radius, u1: u + radius, v1: v + radius }, (i) => {
        const d = (this.x[i]! - u) ** 2 + (this.y[i]! - v) ** 2;
        if (d <= radius * radius) found.push([d, i]);
      });
      if (found.length >= k || radius > 8) return found.sort((a, b) => a[0] - b[0]).slice(0, k).map((f) => f[1]);
    }
  }

  /** Points in the cell of a row: how crowded it is there. */
  crowd(row: number): number {
    const c = this.at(this.y[row]!) * this.side + this.at(this.x[row]!);
    return this.start[c + 1]! - this.start[c]!;
  }

  private at(value: number): number {
    return Math.max(0, Math.min(this.side - 1, Math.floor(((value + 1) / 2) * this.side)));
  }
}

/** Is (u, v) inside the polygon (even-odd)? `ring` holds u, v in turn. */
export function inPolygon(u: number, v: number, ring: ArrayLike<number>): boolean {
  let inside = false;
  for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
    const [ui, vi, uj, vj] = [ring[i]!, ring[i + 1]!, ring[j]!, ring[j + 1]!];
    if (vi > v !== vj > v && u < ((uj - ui) * (v - vi)) / (vj - vi) + ui) inside = !inside;
  }
  return inside;
}
