// Names as the plots have them: in natural order, and cut where they are written on a map.

const LONGEST = 28; // characters

/** Codes in the natural order of their names: digits count as numbers, all else goes by code point (augmap.plots.colours.natural). */
export function inOrder(codes: number[], names: string[]): number[] {
  const keys = new Map(codes.map((c) => [c, key(names[c]!)]));
  return codes.sort((a, b) => compare(keys.get(a)!, keys.get(b)!) || (names[a]! < names[b]! ? -1 : 1));
}

/** Code points, from 1; a number is 0, how many digits it has, and these, so that it comes before any letter. */
function key(name: string): number[] {
  return name.split(/([0-9]+)/).flatMap((part, k) => {
    const points = Array.from(k % 2 ? part.replace(/^0+/, "") : part, (c) => c.codePointAt(0)! + 1);
    return k % 2 ? [0, points.length, ...points] : points;
  });
}

function compare(a: number[], b: number[]): number {
  const k = a.findIndex((v, i) => v !== b[i]);
  return k < 0 ? a.length - b.length : a[k]! - (b[k] ?? -1);
}

/** A name on one line, cut with an ellipsis after 28 characters (augmap.plots.names.shorten). */
export function shorten(name: string): string {
  const letters = [...name.trim().replace(/\s+/g, " ")];
  return letters.length <= LONGEST ? letters.join("") : `${letters.slice(0, LONGEST - 1).join("").trimEnd()}…`;
}
