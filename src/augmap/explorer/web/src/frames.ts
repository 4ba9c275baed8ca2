// Frames of a map that forms: u16 pairs, and the loss as a line.

/** u16 pairs to u and v in [-1, 1]. */
export function frameOf(xy: Uint16Array): { x: Float32Array; y: Float32Array } {
  const n = xy.length >> 1;
  const x = new Float32Array(n);
  const y = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    x[i] = (xy[2 * i]! / 65535) * 2 - 1;
    y[i] = (xy[2 * i + 1]! / 65535) * 2 - 1;
  }
  return { x, y };
}

export function fromBase64(text: string): Uint16Array {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Uint16Array(bytes.buffer, 0, bytes.length >> 1);
}

/** "1 h 20 min", "3 min 5 s", "12 s". */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${Math.round((s % 3600) / 60)} min`;
  return s >= 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s} s`;
}

export interface LossPoint {
  seconds: number;
  loss: number;
  stage: number;
}

/** The loss over time, each stage with a scale of its own: stages have different losses. */
export function paintLoss(canvas: HTMLCanvasElement, points: LossPoint[], at: number | null): void {
  const ratio = devicePixelRatio || 1;
  const [w, h] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = w * ratio;
  canvas.height = h * ratio;
  const context = canvas.getContext("2d")!;
  context.scale(ratio, ratio);
  const style = getComputedStyle(canvas);
  const [line, accent, muted] = ["--line", "--accent", "--muted"].map((v) => style.getPropertyValue(v).trim());
  if (!points.length) return;
  const [from, to] = [points[0]!.seconds, Math.max(points[points.length - 1]!.seconds, points[0]!.seconds + 1)];
  const px = (s: number) => 1 + ((s - from) / (to - from)) * (w - 2);
  for (const stage of new Set(points.map((p) => p.stage))) {
    const some = points.filter((p) => p.stage === stage && Number.isFinite(p.loss));
    if (!some.length) continue;
    const values = some.map((p) => p.loss).sort((a, b) => a - b);
    const low = values[0]!;
    const high = values[Math.floor(0.98 * (values.length - 1))]!;
    const py = (v: number) => h - 4 - (Math.min(1, (v - low) / (high - low || 1)) * (h - 8));
    context.strokeStyle = line!;
    context.beginPath();
    context.moveTo(px(some[0]!.seconds), 0);
    context.lineTo(px(some[0]!.seconds), h);
    context.stroke();
    context.strokeStyle = muted!;
    context.lineWidth = 1.4;
    context.beginPath();
    for (const p of some) context.lineTo(px(p.seconds), py(p.loss));
    context.stroke();
  }
  if (at !== null) {
    context.strokeStyle = accent!;
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(px(at), 0);
    context.lineTo(px(at), h);
    context.stroke();
  }
}
