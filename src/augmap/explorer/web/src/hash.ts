// The address holds the view: camera, colour, what is hidden, the selection, the image. A link shows the same.

import type { View } from "./camera.ts";

export interface Saved {
  view?: View;
  /** Name of the colour column; "" is one colour. */
  colour?: string;
  /** Hidden categories, by code. */
  hidden?: number[];
  range?: [number, number];
  /** Packed masks, see mask.ts. */
  selection?: string;
  kept?: string;
  /** Name of the image that is shown. */
  image?: string;
  contours?: boolean;
  regions?: boolean;
  pictures?: boolean;
  theme?: "dark" | "light";
}

export const LONGEST = 16_000; // characters; longer addresses are cut by mail programs and some servers

export function encode(saved: Saved): string {
  const out = new URLSearchParams();
  const round = (x: number) => String(Number(x.toPrecision(5)));
  if (saved.view) out.set("at", [saved.view.u, saved.view.v, saved.view.d].map(round).join(","));
  if (saved.colour !== undefined) out.set("colour", saved.colour);
  if (saved.hidden?.length) out.set("hide", saved.hidden.join("."));
  if (saved.range) out.set("range", saved.range.map((v) => String(Number(v.toPrecision(7)))).join(","));
  if (saved.kept) out.set("only", saved.kept);
  if (saved.selection) out.set("select", saved.selection);
  if (saved.image !== undefined) out.set("image", saved.image);
  for (const key of ["contours", "regions", "pictures"] as const) if (saved[key] !== undefined) out.set(key, saved[key] ? "1" : "0");
  if (saved.theme) out.set("theme", saved.theme);
  return out.toString();
}

/** Read an address written by `encode`, or by hand: what makes no sense is left out. */
export function decode(hash: string): Saved {
  const from = new URLSearchParams(hash.replace(/^#/, ""));
  const saved: Saved = {};
  const numbers = (name: string, k: number): number[] | null => {
    const parts = (from.get(name) ?? "").split(",").map((p) => (p.trim() === "" ? NaN : Number(p)));
    return parts.length === k && parts.every(Number.isFinite) ? parts : null;
  };
  const at = numbers("at", 3);
  if (at && Math.abs(at[0]!) < 10 && Math.abs(at[1]!) < 10 && at[2]! > 1e-6 && at[2]! < 10) saved.view = { u: at[0]!, v: at[1]!, d: at[2]! };
  const colour = from.get("colour");
  if (colour !== null) saved.colour = colour;
  const hidden = (from.get("hide") ?? "").split(".").filter((p) => /^\d+$/.test(p)).map(Number);
  if (hidden.length) saved.hidden = hidden;
  const range = numbers("range", 2);
  if (range && range[0]! <= range[1]!) saved.range = [range[0]!, range[1]!];
  for (const [key, name] of [["selection", "select"], ["kept", "only"], ["image", "image"]] as const) {
    const value = from.get(name);
    if (value) saved[key] = value;
  }
  for (const key of ["contours", "regions", "pictures"] as const) {
    const value = from.get(key);
    if (value === "0" || value === "1") saved[key] = value === "1";
  }
  const theme = from.get("theme");
  if (theme === "dark" || theme === "light") saved.theme = theme;
  return saved;
}
