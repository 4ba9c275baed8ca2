// Pillow's resizing of 8-bit images, to the bit: two passes, horizontal then vertical, with integer coefficients.
// Source: src/libImaging/Resample.c of Pillow (MIT-CMU licence); held against Pillow by tests/unit/resize.test.mjs.

export type Filter = "box" | "bilinear" | "bicubic" | "lanczos";

/** Bytes of an image, `channels` a pixel, row by row. */
export interface Pixels {
  data: Uint8Array | Uint8ClampedArray;
  width: number;
  height: number;
  channels: number;
}

const BITS = 32 - 8 - 2; // of a coefficient behind the point: 8 for the pixel, 2 for sums above 1

const FILTERS: Record<Filter, { support: number; weight: (x: number) => number }> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => (Math.abs(x) < 1 ? 1 - Math.abs(x) : 0) },
  bicubic: { support: 2, weight: (x) => bicubic(Math.abs(x)) },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/**
 * Resize the square whose corner is (left, top) and whose edge is `side` to `size` x `size`.
 * The filter looks beyond the square where the image goes on there, as Pillow's does.
 */
export function resize(image: Pixels, left: number, top: number, side: number, size: number, filter: Filter): Pixels {
  if (side === size) return crop(image, left, top, side);
  const across = coefficients(image.width, left, side, size, filter);
  const down = coefficients(image.height, top, side, size, filter);
  const first = down.starts[0]!;
  const last = down.starts[size - 1]! + down.counts[size - 1]!;
  const { channels } = image;
  const middle = new Uint8Array((last - first) * size * channels);
  for (let y = first; y < last; y++) {
    for (let x = 0; x < size; x++) {
      const from = (y * image.width + across.starts[x]!) * channels;
      sum(image.data, from, channels, across, x, middle, ((y - first) * size + x) * channels, channels);
    }
  }
  const out = new Uint8Array(size * size * channels);
  const row = size * channels;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      sum(middle, (down.starts[y]! - first) * row + x * channels, row, down, y, out, (y * size + x) * channels, channels);
    }
  }
  return { data: out, width: size, height: size, channels };
}

/** How far beyond the square the filter looks, in pixels. */
export function reach(side: number, size: number, filter: Filter): number {
  return side === size ? 0 : Math.ceil(FILTERS[filter].support * Math.max(1, side / size)) + 1;
}

function crop(image: Pixels, left: number, top: number, side: number): Pixels {
  const { channels } = image;
  const out = new Uint8Array(side * side * channels);
  for (let y = 0; y < side; y++) {
    const from = ((top + y) * image.width + left) * channels;
    out.set(image.data.subarray(from, from + side * channels), y * side * channels);
  }
  return { data: out, width: side, height: side, channels };
}

interface Coefficients {
  starts: Int32Array;
  counts: Int32Array;
  most: number;
  values: Int32Array;
}

function coefficients(length: number, start: number, side: number, size: number, filter: Filter): Coefficients {
  const { support, weight } = FILTERS[filter];
  const scale = side / size;
  const stretch = Math.max(1, scale);
  const half = support * stretch;
  const most = Math.ceil(half) * 2 + 1;
  const made = { starts: new Int32Array(size), counts: new Int32Array(size), most, values: new Int32Array(size * most) };
  const row = new Float64Array(most);
  for (let i = 0; i < size; i++) {
    const centre = start + (i + 0.5) * scale;
    const from = Math.max(0, Math.trunc(centre - half + 0.5));
    const count = Math.min(length, Math.trunc(centre + half + 0.5)) - from;
    let total = 0;
    for (let k = 0; k < count; k++) {
      row[k] = weight((k + from - centre + 0.5) * (1 / stretch));
      total += row[k]!;
    }
    made.starts[i] = from;
    made.counts[i] = count;
    for (let k = 0; k < count; k++) {
      const share = total !== 0 ? row[k]! / total : row[k]!;
      made.values[i * most + k] = Math.trunc(share * 2 ** BITS + (share < 0 ? -0.5 : 0.5));
    }
  }
  return made;
}

/** One pixel: a weighted sum of pixels that lie `step` bytes apart, rounded and cut to a byte. */
function sum(data: Pixels["data"], from: number, step: number, by: Coefficients, i: number, out: Uint8Array, to: number, channels: number): void {
  const count = by.counts[i]!;
  const values = i * by.most;
  for (let c = 0; c < channels; c++) {
    let total = 1 << (BITS - 1);
    for (let k = 0; k < count; k++) total += data[from + k * step + c]! * by.values[values + k]!;
    const value = total >> BITS;
    out[to + c] = value < 0 ? 0 : value > 255 ? 255 : value;
  }
}

function bicubic(x: number): number {
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

function sinc(x: number): number {
  if (x === 0) return 1;
  const t = x * Math.PI;
  return Math.sin(t) / t;
}
