// The encoder of an exported file: a dropped image is placed by the page itself (docs/explorer-page.md).

import * as ort from "onnxruntime-web/wasm";
import type { Meta, Placement } from "./contract.ts";
import { decode, type Preprocessing } from "./decode.ts";
import type { Pixels } from "./resize.ts";
import type { Placer, Source } from "./source.ts";

const K = 15;

interface About extends Preprocessing {
  /** What turns a position into two coordinates, one row an axis of the map. */
  axes: [number, number][];
}

(globalThis as { augmapPlacer?: (source: Source, meta: Meta) => Placer }).augmapPlacer = (source, meta) => {
  let loading: Promise<Encoder> | null = null;
  return {
    async place(bytes) {
      loading ??= load(source);
      loading.catch(() => (loading = null)); // so that the next image tries again
      const { session, about, u, v } = await loading;
      const { pixels, size } = await decode(bytes, about);
      const position = await run(session, pixels);
      const at = scaled(position, about.axes, meta);
      const placed: Placement = { ...at, spread: null, views: [], neighbours: { map: nearest(at.u, at.v, u, v), features: null }, distance: null, out_of_map: null, size, thumb: picture(pixels) };
      return position.length === 2 ? { ...placed, x: position[0]!, y: position[1]! } : placed;
    },
  };
};

interface Encoder {
  session: ort.InferenceSession;
  about: About;
  u: Float32Array;
  v: Float32Array;
}

async function load(source: Source): Promise<Encoder> {
  const [about, model, program, x, y] = await Promise.all([source.json<About>("place.json"), source.blob("encoder.onnx"), source.blob("ort.wasm"), source.column("x"), source.column("y")]);
  ort.env.wasm.numThreads = 1; // no worker, no isolated page
  ort.env.wasm.wasmBinary = program; // nothing is fetched
  const session = await ort.InferenceSession.create(new Uint8Array(model), { executionProviders: ["wasm"] });
  return { session, about, u: new Float32Array(x), v: new Float32Array(y) };
}

async function run(session: ort.InferenceSession, pixels: Pixels): Promise<Float32Array> {
  const { width, height, channels, data } = pixels;
  const values = new Float32Array(data.length);
  const area = width * height;
  for (let c = 0; c < channels; c++) for (let i = 0; i < area; i++) values[c * area + i] = data[i * channels + c]! / 255;
  const { xy } = await session.run({ image: new ort.Tensor("float32", values, [1, channels, height, width]) }, ["xy"]);
  return xy!.data as Float32Array;
}

function scaled(position: Float32Array, axes: [number, number][], meta: Meta): { u: number; v: number } {
  const { centre, factor } = meta.scale;
  const on = (k: 0 | 1) => axes.reduce((total, axis, i) => total + axis[k] * position[i]!, 0);
  return { u: (on(0) - centre[0]) * factor, v: (on(1) - centre[1]) * factor };
}

/** Rows of the nearest images on the map, nearest first. */
export function nearest(u: number, v: number, us: Float32Array, vs: Float32Array): number[] {
  const found: { row: number; d: number }[] = [];
  for (let row = 0; row < us.length; row++) {
    const d = (us[row]! - u) ** 2 + (vs[row]! - v) ** 2;
    if (found.length === K && d >= found[K - 1]!.d) continue;
    let at = found.length;
    while (at > 0 && found[at - 1]!.d > d) at--;
    found.splice(at, 0, { row, d });
    if (found.length > K) found.pop();
  }
  return found.map((f) => f.row);
}

/** What the encoder sees, as a picture. */
function picture({ data, width, height, channels }: Pixels): string {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d")!;
  const shown = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) shown.data[4 * i + c] = data[i * channels + (channels === 1 ? 0 : c)]!;
    shown.data[4 * i + 3] = 255;
  }
  context.putImageData(shown, 0, 0);
  return canvas.toDataURL();
}
