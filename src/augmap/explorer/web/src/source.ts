// All data enters here. Two sources with one face: a server, and inert elements of an exported file.

import type { Meta, Near, Placement, Review } from "./contract.ts";

/** A request that was answered with a reason, or not at all. The message is fit to be shown. */
export class Refusal extends Error {
  constructor(
    readonly reason: string,
    readonly status = 0,
  ) {
    super(reason);
  }
}

/** Places an image: bytes of an image file in, its place out. */
export interface Placer {
  place(bytes: Uint8Array<ArrayBuffer>, name: string): Promise<Placement>;
}

export interface Source {
  /** True for a single file without a server. */
  readonly offline: boolean;
  meta(): Promise<Meta>;
  /** The raw bytes of a blob such as `x.bin`. */
  column(id: string): Promise<ArrayBuffer>;
  blob(path: string): Promise<ArrayBuffer>;
  json<T>(path: string): Promise<T>;
  /** An address that an <img> may load. */
  thumbs(page: number): Promise<string>;
  /** The address of an original, or null where there is none. */
  image(row: number): string | null;
  /** Why the original cannot be shown, in words. */
  imageFault(row: number): Promise<string>;
  near(row: number): Promise<Near>;
  review(): Promise<Review>;
  decide(decisions: { line: number; name: string; decision: string }[]): Promise<{ saved: number; decided: number; total: number }>;
  placer(meta: Meta): Promise<Placer | null>;
  control(action: "pause" | "resume" | "stop"): Promise<{ state: string }>;
  events(): EventSource | null;
}

/** Data over HTTP, below `prefix` ("" or "b/"). */
export function serverSource(prefix = ""): Source {
  const get = (path: string) => ask(prefix + path);
  return {
    offline: false,
    meta: async () => (await get("meta.json")).json(),
    column: async (id) => (await get(`col/${encodeURIComponent(id)}.bin`)).arrayBuffer(),
    blob: async (path) => (await get(path)).arrayBuffer(),
    json: async (path) => (await get(path)).json(),
    thumbs: async (page) => `thumbs/${page}.webp`,
    image: (row) => `img/${row}`,
    imageFault: async (row) => {
      try {
        await ask(`img/${row}`);
        return "the original cannot be shown by this browser";
      } catch (e) {
        return reasonOf(e);
      }
    },
    near: async (row) => (await get(`near/${row}.json`)).json(),
    review: async () => (await get("review.json")).json(),
    decide: async (decisions) =>
      (await ask("review", { method: "POST", body: JSON.stringify({ decisions }), headers: JSON_TYPE })).json(),
    placer: async (meta) =>
      meta.capabilities.embed
        ? { place: async (bytes) => (await ask("embed", { method: "POST", body: bytes, headers: BYTES_TYPE })).json() }
        : null,
    control: async (action) =>
      (await ask("control", { method: "POST", body: JSON.stringify({ action }), headers: JSON_TYPE })).json(),
    events: () => new EventSource("events"),
  };
}

/** Data inside this file: `<script type="application/octet-stream+gzip+base64" id="PATH">`. */
export function fileSource(prefix = ""): Source {
  const unpacked = async (path: string): Promise<ArrayBuffer> => {
    const element = document.getElementById(prefix + path);
    if (!element) throw new Refusal(`${path} is not in this file`, 404);
    return unpack(element.textContent ?? "");
  };
  const json = async <T>(path: string): Promise<T> => JSON.parse(new TextDecoder().decode(await unpacked(path)));
  const pages = new Map<number, Promise<string>>();
  const none = async (): Promise<never> => {
    throw new Refusal("this is a single file: it has no server to do that", 404);
  };
  return {
    offline: true,
    meta: () => json<Meta>("meta.json"),
    column: (id) => unpacked(`col/${id}.bin`),
    blob: unpacked,
    json,
    thumbs: (page) => {
      let url = pages.get(page);
      if (!url) {
        url = unpacked(`thumbs/${page}.webp`).then((b) => URL.createObjectURL(new Blob([b], { type: "image/webp" })));
        pages.set(page, url);
      }
      return url;
    },
    image: () => null,
    imageFault: async () => "this file carries thumbnails only; augmap explore shows the originals",
    near: (row) => json<Near>(`near/${row}.json`),
    review: () => json<Review>("review.json"),
    decide: none,
    placer: async (meta) => {
      const make = (globalThis as { augmapPlacer?: (source: Source, meta: Meta) => Placer }).augmapPlacer;
      return make ? make(fileSource(prefix), meta) : null;
    },
    control: none,
    events: () => null,
  };
}

/** Base64 of gzip, back to bytes. */
export async function unpack(base64: string): Promise<ArrayBuffer> {
  const text = atob(base64.replace(/\s+/g, ""));
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

export function reasonOf(e: unknown): string {
  return e instanceof Error ? e.message : String(e);
}

const JSON_TYPE = { "Content-Type": "application/json" };
const BYTES_TYPE = { "Content-Type": "application/octet-stream" };

async function ask(path: string, init?: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...init });
  } catch {
    throw new Refusal("the server does not answer", 0);
  }
  if (answer.ok) return answer;
  let reason = `the server answered ${answer.status} to ${path}`;
  try {
    const body = (await answer.json()) as { reason?: unknown };
    if (typeof body.reason === "string") reason = body.reason;
  } catch {
    reason += " without saying why";
  }
  throw new Refusal(reason, answer.status);
}
