// An image file -> the square of bytes that training would have made of it (src/augmap/images/decode.py).

import { reach, resize, type Filter, type Pixels } from "./resize.ts";

export interface Preprocessing {
  image_size: number;
  channels: number;
  resize: Filter;
}

export interface Decoded {
  pixels: Pixels;
  /** Of the file, upright. */
  size: [number, number];
}

const MAX_PIXELS = 50_000_000;

/** Decode an image file; a rejected promise carries a sentence. */
export async function decode(bytes: Uint8Array<ArrayBuffer>, at: Preprocessing): Promise<Decoded> {
  if (!bytes.length) throw new Error("empty: no image arrived");
  let bitmap: ImageBitmap;
  try {
    // the numbers of the file, upright (EXIF, once), neither converted to the screen's colours nor multiplied by alpha
    bitmap = await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: "none", premultiplyAlpha: "none", imageOrientation: "from-image" });
  } catch {
    throw new Error("not an image that this browser can read (JPEG, PNG, WebP, GIF, BMP, AVIF)");
  }
  try {
    const { width, height } = bitmap;
    if (width * height > MAX_PIXELS) throw new Error(`${width} × ${height} pixels, more than ${MAX_PIXELS / 1e6} million`);
    return { pixels: square(bitmap, isJpeg(bytes) ? jpegStep(width, height, at.image_size) : 1, at), size: [width, height] };
  } finally {
    bitmap.close();
  }
}

/** The central square, resized: of the picture or, for a large JPEG, of what its decoder makes of it at 1/`step`. */
function square(bitmap: ImageBitmap, step: number, at: Preprocessing): Pixels {
  const [width, height] = [Math.ceil(bitmap.width / step), Math.ceil(bitmap.height / step)];
  const side = Math.min(width, height);
  const [left, top] = [(width - side) >> 1, (height - side) >> 1];
  // no more of the picture than the filter sees
  const more = reach(side, at.image_size, at.resize);
  const [x0, y0] = [Math.max(0, left - more), Math.max(0, top - more)];
  const [x1, y1] = [Math.min(width, left + side + more), Math.min(height, top + side + more)];
  const [x, y] = [x0 * step, y0 * step];
  const seen = read(bitmap, x, y, Math.min(bitmap.width, x1 * step) - x, Math.min(bitmap.height, y1 * step) - y);
  const small = reduce(at.channels === 1 ? toGrey(seen) : seen, step);
  return resize(small, left - x0, top - y0, side, at.image_size, at.resize);
}

/** Part of a picture over white, three bytes a pixel. */
function read(bitmap: ImageBitmap, x: number, y: number, width: number, height: number): Pixels {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, -x, -y);
  const rgba = context.getImageData(0, 0, width, height).data;
  const data = new Uint8Array(width * height * 3);
  for (let i = 0, k = 0; i < rgba.length; i += 4) {
    data[k++] = rgba[i]!;
    data[k++] = rgba[i + 1]!;
    data[k++] = rgba[i + 2]!;
  }
  return { data, width, height, channels: 3 };
}

/** Rec. 601 luma with Pillow's integers. */
export function toGrey(rgb: Pixels): Pixels {
  const data = new Uint8Array(rgb.width * rgb.height);
  for (let i = 0, k = 0; i < data.length; i++, k += 3) data[i] = (rgb.data[k]! * 19595 + rgb.data[k + 1]! * 38470 + rgb.data[k + 2]! * 7471 + 0x8000) >> 16;
  return { ...rgb, data, channels: 1 };
}

/** The fraction 1/step at which Pillow lets libjpeg decode: twice the goal is left for the filter. */
export function jpegStep(width: number, height: number, size: number): number {
  const scale = Math.min(Math.floor(width / (2 * size)), Math.floor(height / (2 * size)));
  return [8, 4, 2].find((s) => scale >= s) ?? 1;
}

/** Means of `step` x `step` pixels, which is what libjpeg's reduced transforms give; at the edge of those there are. */
export function reduce(image: Pixels, step: number): Pixels {
  if (step === 1) return image;
  const { channels } = image;
  const [width, height] = [Math.ceil(image.width / step), Math.ceil(image.height / step)];
  const data = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const [y0, y1] = [y * step, Math.min(image.height, (y + 1) * step)];
    for (let x = 0; x < width; x++) {
      const [x0, x1] = [x * step, Math.min(image.width, (x + 1) * step)];
      for (let c = 0; c < channels; c++) {
        let total = 0;
        for (let v = y0; v < y1; v++) for (let u = x0; u < x1; u++) total += image.data[(v * image.width + u) * channels + c]!;
        data[(y * width + x) * channels + c] = Math.round(total / ((y1 - y0) * (x1 - x0)));
      }
    }
  }
  return { data, width, height, channels };
}

function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8;
}
