// Which thumbnails to show: one per free cell of a grid that is fixed to the map, the most typical image first.

/**
 * Choose rows whose thumbnails do not overlap.
 *
 * The choice of an image depends on the images within two cells of it alone, never on what is in view: panning
 * changes nothing among those that stay in sight. `edge` is the size of a thumbnail in map units.
 *
 * `rows` are candidates (in view and two cells around), `rank` orders them: smaller is more typical.
 */
export function declutter(
  rows: ArrayLike<number>,
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  rank: (row: number) => number,
  edge: number,
): number[] {
  const winners = new Map<number, number>();
  for (let k = 0; k < rows.length; k++) {
    const i = rows[k]!;
    const key = cellKey(Math.floor(x[i]! / edge), Math.floor(y[i]! / edge));
    const there = winners.get(key);
    if (there === undefined || before(i, there, rank)) winners.set(key, i);
  }
  const shown: number[] = [];
  for (const i of winners.values()) {
    const c = Math.floor(x[i]! / edge);
    const r = Math.floor(y[i]! / edge);
    let free = true;
    for (let dr = -1; dr <= 1 && free; dr++)
      for (let dc = -1; dc <= 1 && free; dc++) {
        const other = dr || dc ? winners.get(cellKey(c + dc, r + dr)) : undefined;
        if (other === undefined) continue;
        const overlap = Math.abs(x[other]! - x[i]!) < edge && Math.abs(y[other]! - y[i]!) < edge;
        if (overlap && before(other, i, rank)) free = false;
      }
    if (free) shown.push(i);
  }
  return shown.sort((a, b) => a - b);
}

function before(a: number, b: number, rank: (row: number) => number): boolean {
  const [ra, rb] = [rank(a), rank(b)];
  return ra < rb || (ra === rb && a < b);
}

function cellKey(c: number, r: number): number {
  return (c + 0x200000) * 0x400000 + (r + 0x200000);
}
