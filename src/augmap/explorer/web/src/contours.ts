// Lines of equal density: marching squares on the density grid.

export interface Grid {
  values: Float32Array;
  width: number;
  height: number;
  extent: [number, number];
  max: number;
}

/** Line segments u0, v0, u1, v1 at one level. */
export function contour(grid: Grid, level: number): Float32Array {
  const { values, width, height } = grid;
  const [from, to] = grid.extent;
  const out: number[] = [];
  const u = (c: number) => from + ((c + 0.5) / width) * (to - from);
  const v = (r: number) => from + ((r + 0.5) / height) * (to - from);
  for (let r = 0; r + 1 < height; r++)
    for (let c = 0; c + 1 < width; c++) {
      const a = values[r * width + c]!;
      const b = values[r * width + c + 1]!;
      const d = values[(r + 1) * width + c]!;
      const e = values[(r + 1) * width + c + 1]!;
      const which = Number(a > level) | (Number(b > level) << 1) | (Number(e > level) << 2) | (Number(d > level) << 3);
      if (which === 0 || which === 15) continue;
      const share = (p: number, q: number) => (level - p) / (q - p);
      const bottom = (): [number, number] => [u(c + share(a, b)), v(r)];
      const top = (): [number, number] => [u(c + share(d, e)), v(r + 1)];
      const left = (): [number, number] => [u(c), v(r + share(a, d))];
      const right = (): [number, number] => [u(c + 1), v(r + share(b, e))];
      for (const [p, q] of SIDES[which]!) {
        const sides = [bottom, right, top, left];
        out.push(...sides[p]!(), ...sides[q]!());
      }
    }
  return Float32Array.from(out);
}

/** Levels from sparse to dense, each twice the one before. */
export function levels(max: number): number[] {
  return [32, 16, 8, 4, 2, 1.25].map((k) => max / k);
}

// by corner bits (bottom left, bottom right, top right, top left): pairs of sides (0 bottom, 1 right, 2 top, 3 left)
const SIDES: [number, number][][] = [
  [], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], [[3, 0], [1, 2]], [[0, 2]], [[3, 2]],
  [[2, 3]], [[2, 0]], [[0, 1], [2, 3]], [[2, 1]], [[1, 3]], [[1, 0]], [[0, 3]], [],
];
