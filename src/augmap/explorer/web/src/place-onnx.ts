// The encoder of an exported file: a dropped image is placed by the page itself (docs/explorer-page.md).

import * as ort from "onnxruntime-web/wasm";
import type { Cloud, Meta, Placement } from "./contract.ts";
import { decode, type Preprocessing } from "./decode.ts";
import { spread } from "./spread.ts";
import type { Pixels } from "./resize.ts";
import type { Placer, Source } from "./source.ts";

const K = 15;
/** Views that the encoder takes at a time. */
const BATCH = 8;

interface About extends Preprocessing {
  /** What turns a position into two coordinates, one row an axis of the map. */
  axes: [number, number][];
  /** Whether views.onnx is in the file. */
  views: boolean;
}

(globalThis as { augmapPlacer?: (source: Source, meta: Meta) => Placer }).augmapPlacer = (source, meta) => {
  let loading: Promise<Encoder> | null = null;
  return {
    async place(bytes) {
      loading ??= load(source);
      loading.catch(() => (loading = null)); // so that the next image tries again
      const { session, views, about, u, v } = await loading;
      const { pixels, size } = await decode(bytes, about);
      const image = tensor(pixels);
      const position = await run(session, image);
      const at = scaled(position, about.axes, meta);
      const placed: Placement = { ...at, spread: null, views: [], neighbours: { map: nearest(at.u, at.v, u, v), features: null }, distance: null, out_of_map: null, size, thumb: picture(pixels) };
      if (position.length === 2) Object.assign(placed, { x: position[0]!, y: position[1]! });
      if (views) {
        let found: Promise<Cloud> | null = null;
        placed.cloud = () => (found ??= cloud(session, views, image, about.axes, meta));
      }
      return placed;
    },
  };
};

interface Encoder {
  session: ort.InferenceSession;
  /** Makes the views of an image; null in a file that cannot. */
  views: ort.InferenceSession | null;
  about: About;
  u: Float32Array;
  v: Float32Array;
}

async function load(source: Source): Promise<Encoder> {
  const [about, model, program, x, y] = await Promise.all([source.json<About>("place.json"), source.blob("encoder.onnx"), source.blob("ort.wasm"), source.column("x"), source.column("y")]);
  ort.env.wasm.numThreads = 1; // no worker, no isolated page
  ort.env.wasm.wasmBinary = program; // nothing is fetched
  const open = (bytes: ArrayBuffer) => ort.InferenceSession.create(new Uint8Array(bytes), { executionProviders: ["wasm"] });
  const session = await open(model);
  const views = about.views ? await open(await source.blob("views.onnx")) : null;
  return { session, views, about, u: new Float32Array(x), v: new Float32Array(y) };
}

function tensor({ width, height, channels, data }: Pixels): ort.Tensor {
  const values = new Float32Array(data.length);
  const area = width * height;
  for (let c = 0; c < channels; c++) for (let i = 0; i < area; i++) values[c * area + i] = data[i * channels + c]! / 255;
  return new ort.Tensor("float32", values, [1, channels, height, width]);
}

/** Positions of images, one after another. */
async function run(session: ort.InferenceSession, image: ort.Tensor): Promise<Float32Array> {
  const { xy } = await session.run({ image }, ["xy"]);
  return xy!.data as Float32Array;
}

/** The views of an image, placed a few at a time, so that the page answers in between. */
async function cloud(session: ort.InferenceSession, maker: ort.InferenceSession, image: ort.Tensor, axes: [number, number][], meta: Meta): Promise<Cloud> {
  await breath();
  const { views } = await maker.run({ image }, ["views"]);
  const [count, ...shape] = views!.dims as [number, number, number, number];
  const values = views!.data as Float32Array;
  const length = values.length / count;
  const found: [number, number][] = [];
  for (let i = 0; i < count; i += BATCH) {
    await breath();
    const n = Math.min(BATCH, count - i);
    const positions = await run(session, new ort.Tensor("float32", values.subarray(i * length, (i + n) * length), [n, ...shape]));
    for (let k = 0; k < n; k++) {
      const { u, v } = scaled(positions.subarray(k * axes.length, (k + 1) * axes.length), axes, meta);
      found.push([u, v]);
    }
  }
  return spread(found);
}

/** Lets the page draw. */
const breath = () => new Promise((go) => setTimeout(go));

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
