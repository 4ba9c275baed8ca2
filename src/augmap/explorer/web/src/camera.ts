// Where one looks: a centre and half the height in map units. Screen y grows downwards, map v upwards.

import type { Box } from "./cells.ts";

export interface View {
  u: number;
  v: number;
  d: number;
}

export interface Size {
  width: number;
  height: number;
}

export const NEAREST = 1e-5;
export const FARTHEST = 8;

export function fitView(size: Size, box: Box = { u0: -1, v0: -1, u1: 1, v1: 1 }, margin = 1.08): View {
  const aspect = Math.max(1, size.width) / Math.max(1, size.height);
  const d = Math.max((box.v1 - box.v0) / 2, (box.u1 - box.u0) / 2 / aspect, 1e-4) * margin;
  return { u: (box.u0 + box.u1) / 2, v: (box.v0 + box.v1) / 2, d };
}

export function toScreen(view: View, size: Size, u: number, v: number): [number, number] {
  const scale = size.height / 2 / view.d;
  return [size.width / 2 + (u - view.u) * scale, size.height / 2 - (v - view.v) * scale];
}

export function toMap(view: View, size: Size, px: number, py: number): [number, number] {
  const scale = view.d / (size.height / 2);
  return [view.u + (px - size.width / 2) * scale, view.v - (py - size.height / 2) * scale];
}

export function boxOf(view: View, size: Size, margin = 0): Box {
  const [u0, v1] = toMap(view, size, -margin, -margin);
  const [u1, v0] = toMap(view, size, size.width + margin, size.height + margin);
  return { u0, v0, u1, v1 };
}

/** Zoom by `factor` (above 1: closer) so that the point under the pointer stays there. */
export function zoomAt(view: View, size: Size, px: number, py: number, factor: number): View {
  const [u, v] = toMap(view, size, px, py);
  const d = Math.max(NEAREST, Math.min(FARTHEST, view.d / factor));
  const k = d / view.d;
  return { u: u + (view.u - u) * k, v: v + (view.v - v) * k, d };
}

/**
 * A smooth flight from one view to another: zooms out, travels, zooms in.
 * van Wijk & Nuij, Smooth and efficient zooming and panning, InfoVis 2003.
 */
export function flight(from: View, to: View): { at: (t: number) => View; seconds: number } {
  const rho = 1.3;
  const [w0, w1] = [from.d * 2, to.d * 2];
  const [du, dv] = [to.u - from.u, to.v - from.v];
  const distance = Math.hypot(du, dv);
  if (distance < 1e-9 * w0) {
    const s = Math.log(w1 / w0) / rho;
    return {
      at: (t) => ({ u: from.u + du * t, v: from.v + dv * t, d: from.d * Math.exp(rho * s * t) }),
      seconds: Math.abs(s) * 0.25,
    };
  }
  const b = (end: number) =>
    (w1 * w1 - w0 * w0 + (end ? -1 : 1) * rho ** 4 * distance ** 2) / (2 * (end ? w1 : w0) * rho * rho * distance);
  const r = (x: number) => Math.log(Math.sqrt(x * x + 1) - x);
  const [r0, r1] = [r(b(0)), r(b(1))];
  const s = (r1 - r0) / rho;
  return {
    at: (t) => {
      if (t >= 1) return to;
      const k = t * s;
      const share = (w0 / (rho * rho * distance)) * (Math.cosh(r0) * Math.tanh(rho * k + r0) - Math.sinh(r0));
      return { u: from.u + share * du, v: from.v + share * dv, d: (w0 * Math.cosh(r0)) / Math.cosh(rho * k + r0) / 2 };
    },
    seconds: Math.min(1.2, Math.max(0.25, s * 0.28)),
  };
}
