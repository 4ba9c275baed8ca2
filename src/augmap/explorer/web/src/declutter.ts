// Which thumbnails to show: one per free cell of a grid that is fixed to the map, the most typical image first.

const ROUNDS = 2;
/** Candidates are needed this many thumbnails around what is in view, so that its edge changes nothing inside. */
export const REACH = 2 * ROUNDS + 1;

/**
 * Choose rows whose thumbnails do not overlap.
 *
 * The choice of an image depends on those within REACH thumbnails of it alone, never on what is in view: panning
 * changes nothing among those that stay in sight. `edge` is the size of a thumbnail in map units; `rank` orders the
 * rows, smaller is more typical.
 */
export function declutter(rows: ArrayLike<number>, x: ArrayLike<number>, y: ArrayLike<number>, rank: (row: number) => number, edge: number): number[] {
  const key = (c: number, r: number) => (c + 0x200000) * 0x400000 + (r + 0x200000);
  const column = (i: number) => Math.floor(x[i]! / edge);
  const line = (i: number) => Math.floor(y[i]! / edge);
  const overlap = (i: number, j: number) => Math.abs(x[j]! - x[i]!) < edge && Math.abs(y[j]! - y[i]!) < edge;
  /** Does `test` hold for one of the rows in the nine cells around row i? */
  const around = (cells: Map<number, number>, i: number, test: (j: number) => boolean): boolean => {
    for (let dr = -1; dr <= 1; dr++)
      for (let dc = -1; dc <= 1; dc++) {
        const j = cells.get(key(column(i) + dc, line(i) + dr));
        if (j !== undefined && j !== i && test(j)) return true;
      }
    return false;
  };

  const shown = new Map<number, number>();
  let left = Array.from(rows);
  for (let round = 0; round < ROUNDS; round++) {
    const best = new Map<number, number>(); // the most typical of each cell
    for (const i of left) {
      const k = key(column(i), line(i));
      const there = best.get(k);
      if (there === undefined || before(i, there, rank)) best.set(k, i);
    }
    const won = [...best].filter(([, i]) => !around(best, i, (j) => overlap(i, j) && before(j, i, rank)));
    for (const [k, i] of won) shown.set(k, i);
    left = left.filter((i) => !shown.has(key(column(i), line(i))) && !around(shown, i, (j) => overlap(i, j)));
  }
  return [...shown.values()].sort((a, b) => a - b);
}

function before(a: number, b: number, rank: (row: number) => number): boolean {
  const [ra, rb] = [rank(a), rank(b)];
  return ra < rb || (ra === rb && a < b);
}
