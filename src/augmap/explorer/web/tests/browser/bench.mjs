// How long it takes: node tests/browser/bench.mjs 100000 [/usr/bin/chromium] [more flags for the browser]
// Made-up points from a server of its own, under the page's policy. Software WebGL unless the flags say otherwise:
// say which it was with every figure. Times are wall clock, to the frame that was drawn.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const n = Number(process.argv[2] ?? 100_000);
const browserPath = process.argv[3] ?? "/usr/bin/chromium";
const flags = process.argv.slice(4);
const folder = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "static");
const POLICY = "default-src 'none'; script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval'; worker-src blob:; connect-src 'self'; img-src 'self' blob: data:; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const SOFTWARE = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"];

const files = blobs();
const types = { "": "text/html", ".js": "text/javascript", ".css": "text/css" };
const server = createServer((request, answer) => {
  const body = files[request.url.split("?")[0]];
  answer.writeHead(body ? 200 : 404, { "Content-Type": types[extname(request.url)] ?? "application/octet-stream", "Content-Security-Policy": POLICY });
  answer.end(body ?? "{}");
}).listen(0, "127.0.0.1");
await new Promise((listening) => server.once("listening", listening));

const browser = await chromium.launch({ executablePath: browserPath, headless: true, args: ["--no-sandbox", ...(flags.length ? flags : SOFTWARE)] });
const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
page.on("pageerror", (e) => console.error(`page error: ${e.message}`));
await page.goto(`http://127.0.0.1:${server.address().port}/`);
await page.waitForFunction(() => document.documentElement.dataset.state === "ready", null, { timeout: 300_000 });
const renderer = await page.evaluate(() => {
  const gl = augmapPage.stage.drawing.gl;
  const about = gl?.getExtension("WEBGL_debug_renderer_info");
  return gl ? gl.getParameter(about ? about.UNMASKED_RENDERER_WEBGL : gl.RENDERER) : "no WebGL";
});
console.log(`${n.toLocaleString("en")} points, ${renderer}`);
console.log(`first points      ${await page.evaluate(() => document.documentElement.dataset.drawn)} ms`);
await page.waitForTimeout(2000);
/** Milliseconds from the call to pixels that can be read, for some calls. */
const time = async (name, times, call) => {
  const all = [];
  for (let k = 0; k < times; k++) {
    all.push(await page.evaluate(async ([source, turn]) => {
      const { stage } = augmapPage;
      const began = performance.now();
      new Function("app", "stage", "turn", source)(augmapPage.app, stage, turn);
      // whatever was asked for is drawn in the next frame or the one after
      for (let k = 0; k < 2; k++) await new Promise(requestAnimationFrame);
      document.querySelector("canvas.points").getContext("2d").getImageData(0, 0, 1, 1);
      return performance.now() - began;
    }, [call, k]));
    await page.waitForTimeout(600);
  }
  all.sort((a, b) => a - b);
  console.log(`${name.padEnd(18)}${Math.round(all[0])}-${Math.round(all[all.length - 1])} ms (${times} times)`);
};
await time("zoom step", 6, "stage.zoom(1.15)");
await time("hide a class", 4, "app.state.hidden = new Set(turn % 2 ? [] : [1]); app.refilter()");
await time("select a tenth", 3, "const m = new app.state.selection.constructor(app.table.n); for (let i = turn; i < app.table.n; i += 10) m.add(i); app.select(m)");
await browser.close();
server.close();

/** Thirty round clusters of points in ten classes, in the format of docs/explorer-format.md. */
function blobs() {
  let seed = 1;
  const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const normal = () => Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random());
  const centres = Array.from({ length: 30 }, () => [random() * 1.5 - 0.75, random() * 1.5 - 0.75]);
  const [x, y, label] = [new Float32Array(n), new Float32Array(n), new Uint8Array(n)];
  const counts = new Array(11).fill(0);
  for (let i = 0; i < n; i++) {
    const k = Math.floor(random() * 30);
    x[i] = Math.max(-1, Math.min(1, centres[k][0] + normal() * 0.06));
    y[i] = Math.max(-1, Math.min(1, centres[k][1] + normal() * 0.06));
    label[i] = 1 + (k % 10);
    counts[label[i]]++;
  }
  const column = (id, kind, dtype, more = {}) => ({ id, name: id === "c0" ? "label" : id, kind, dtype, k: 1, range: null, about: "", ready: true, ...more });
  const meta = {
    format: 1, version: "0", title: "made up", method: "made up", n, dim: 2, scale: { centre: [0, 0], factor: 1 },
    columns: [column("x", "position", "f32"), column("y", "position", "f32"), column("c0", "category", "u8", { categories: ["", ..."abcdefghij"], counts })],
    color_by: "c0", thumbs: null, neighbors: { k: 15, features: false, map: false, reason: "none" }, density: null, regions: null, pending: [],
    capabilities: {}, reasons: {}, maps: [], info: [], quality: [], points_tested: 1_000_000, live: null,
  };
  const bytes = (a) => Buffer.from(a.buffer);
  const file = (name) => readFileSync(join(folder, name));
  return { "/": file("index.html"), "/static/app.js": file("app.js"), "/static/app.css": file("app.css"), "/meta.json": JSON.stringify(meta), "/col/x.bin": bytes(x), "/col/y.bin": bytes(y), "/col/c0.bin": bytes(label) };
}
