// Which point has which colour: a code a point and a list of colours. The palette is that of `augmap plot`.

import type { ColumnSpec } from "./contract.ts";
import type { Numbers } from "./columns.ts";
import { inOrder } from "./names.ts";

/** Told apart by protanopes and deuteranopes as well (augmap.plots.colours has the distances). */
export const PALETTE = [
  "#1e4fb7", "#fab01f", "#26e1a1", "#852883", "#52bafd", "#a2520a", "#ee6ea1", "#839f0d", "#8d70d4", "#1d7660",
  "#bd458b", "#39a28c", "#9c1b38", "#ba96cf", "#2878ac", "#c37765", "#a6b577", "#8d7b2f", "#6ecdc9", "#7692fe",
];

// The darkest of the palette vanish on a dark page: the same hues, lifted to an OKLab lightness of 0.56 at least.
const LIFTED: Record<string, string> = {
  "#1e4fb7": "#4a78e8", "#852883": "#b257b0", "#a2520a": "#bd6a26", "#1d7660": "#2b8d74", "#9c1b38": "#cf4a60",
  "#2878ac": "#3787be",
};

export type Theme = "dark" | "light";

export const MISSING: Record<Theme, string> = { dark: "#555b66", light: "#b9bec6" };
export const SINGLE: Record<Theme, string> = { dark: "#7fb7dc", light: "#2f6690" };
const STEPS = 254;

export interface Coding {
  /** Index into `palette` for each row; 0 means not known, or one of the grey rest. */
  codes: Uint8Array | Uint16Array;
  palette: string[];
  /** Colour of each category code, or null when it is one of the grey rest. */
  byCode: (string | null)[] | null;
  /** Ends of the ramp of a score: its 1st and 99th percentile. */
  ramp: [number, number] | null;
}

/** Everything in one colour. */
export function single(n: number, theme: Theme): Coding {
  return { codes: new Uint8Array(n), palette: [SINGLE[theme]], byCode: null, ramp: null };
}

/** Colours of a category column. Above 20 names the most frequent (and `pinned` ones) have a colour, the rest is grey. */
export function byCategory(spec: ColumnSpec, values: Numbers, theme: Theme, pinned: number[] = []): Coding {
  const names = spec.categories ?? [];
  const chosen = colouredCodes(names, spec.counts ?? [], pinned);
  const slot = new Uint8Array(names.length);
  const palette = [MISSING[theme]];
  const byCode: (string | null)[] = names.map(() => null);
  byCode[0] = MISSING[theme];
  chosen.forEach((code, k) => {
    const colour = lift(PALETTE[k % PALETTE.length]!, theme);
    slot[code] = palette.length;
    palette.push(colour);
    byCode[code] = colour;
  });
  const codes = new Uint8Array(values.length);
  for (let i = 0; i < codes.length; i++) codes[i] = slot[values[i]!]!;
  return { codes, palette, byCode, ramp: null };
}

/** The codes that get a colour, in natural order of their names, so that two maps of the same labels agree. */
export function colouredCodes(names: string[], counts: number[], pinned: number[]): number[] {
  let codes = names.map((_, c) => c).filter((c) => c > 0);
  if (codes.length > PALETTE.length) {
    const first = new Set(pinned.slice(-PALETTE.length));
    const order = [...codes].sort((a, b) => Number(first.has(b)) - Number(first.has(a)) || (counts[b] ?? 0) - (counts[a] ?? 0));
    codes = order.slice(0, PALETTE.length);
  }
  return inOrder(codes, names);
}

/** Colours of a score, between its 1st and 99th percentile. */
export function byScore(values: Numbers, theme: Theme): Coding {
  const ramp = percentiles(values, 0.01, 0.99);
  const palette = [MISSING[theme], ...viridis(theme, STEPS)];
  const codes = new Uint8Array(values.length);
  const [low, high] = ramp ?? [0, 1];
  const span = high > low ? high - low : 1;
  for (let i = 0; i < codes.length; i++) {
    const v = values[i]!;
    if (!Number.isNaN(v)) codes[i] = 1 + Math.round(Math.max(0, Math.min(1, (v - low) / span)) * (STEPS - 1));
  }
  return { codes, palette, byCode: null, ramp };
}

/** Two quantiles of the finite values, or null where there is none. */
export function percentiles(values: Numbers, a: number, b: number): [number, number] | null {
  const step = Math.max(1, Math.floor(values.length / 50_000)); // a sample is enough for the ends of a ramp
  const some: number[] = [];
  for (let i = 0; i < values.length; i += step) if (Number.isFinite(values[i])) some.push(values[i]!);
  if (!some.length) return null;
  const sorted = Float64Array.from(some).sort();
  const at = (q: number) => sorted[Math.round(q * (sorted.length - 1))]!;
  const ends: [number, number] = [at(a), at(b)];
  return ends[0] < ends[1] ? ends : [sorted[0]!, sorted[sorted.length - 1]!];
}

/** viridis without the end that would vanish in the background. */
export function viridis(theme: Theme, steps: number): string[] {
  const [from, to] = theme === "light" ? [0, 0.94] : [0.16, 1];
  return Array.from({ length: steps }, (_, k) => {
    const t = from + ((to - from) * k) / Math.max(1, steps - 1);
    // polynomial fit of matplotlib's table, off by at most 4 of 255 where it is tested
    const channel = (c: number[]) => c.reduceRight((sum, v) => sum * t + v, 0);
    return hex([channel(VIRIDIS[0]!), channel(VIRIDIS[1]!), channel(VIRIDIS[2]!)]);
  });
}

const VIRIDIS = [
  [0.2777273272, 0.1050930431, -0.3308618287, -4.6342304989, 6.2282699363, 4.7763849977, -5.4354558559],
  [0.0054073445, 1.4046135299, 0.2148475595, -5.7991009734, 14.1799333668, -13.7451453777, 4.6458526122],
  [0.3340998053, 1.3845901626, 0.095095163, -19.3324409563, 56.6905526007, -65.3530326334, 26.3124352496],
];

function lift(colour: string, theme: Theme): string {
  return theme === "dark" ? (LIFTED[colour] ?? colour) : colour;
}

function hex(rgb: [number, number, number]): string {
  return `#${rgb.map((c) => Math.round(Math.max(0, Math.min(1, c)) * 255).toString(16).padStart(2, "0")).join("")}`;
}
