// Names as the plots have them: in natural order, and cut where they are written on a map.

const LONGEST = 28; // characters

/** A name on one line, cut with an ellipsis after 28 characters (augmap.plots.names.shorten). */
export function shorten(name: string): string {
  const letters = [...name.trim().replace(/\s+/g, " ")];
  return letters.length <= LONGEST ? letters.join("") : `${letters.slice(0, LONGEST - 1).join("").trimEnd()}…`;
}
