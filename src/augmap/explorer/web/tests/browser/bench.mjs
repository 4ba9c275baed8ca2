// How long it takes: node tests/browser/bench.mjs [100000,1000000] [/usr/bin/chromium] [more flags for the browser]
// Made-up points from a server of its own, under the page's policy. Software WebGL unless the flags say otherwise.
// Times are wall clock, to the frame that was drawn. Prints JSON: milliseconds, with the machine that they are of.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { cpus, loadavg } from "node:os";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const counts = (process.argv[2] ?? "100000,1000000").split(",").map(Number);
const browserPath = process.argv[3] ?? "/usr/bin/chromium";
const flags = process.argv.slice(4);
const folder = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "static");
const POLICY = "default-src 'none'; script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval'; worker-src blob:; connect-src 'self'; img-src 'self' blob: data:; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const SOFTWARE = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"];

const browser = await chromium.launch({ executablePath: browserPath, headless: true, args: ["--no-sandbox", ...(flags.length ? flags : SOFTWARE)], timeout: 300_000 });
const found = { page: readFileSync(join(folder, "app.js")).length, browser: `Chromium ${browser.version()}`, processor: cpus()[0].model, cores: cpus().length, node: process.version, date: new Date().toISOString().slice(0, 10), points: {} };
for (const n of counts) {
  const load = loadavg()[0];
  found.points[n] = { load, ...(await measure(n)) };
}
await browser.close();
console.log(JSON.stringify(found, null, 1));

async function measure(n) {
  const files = blobs(n);
  const types = { "": "text/html", ".js": "text/javascript", ".css": "text/css" };
  const server = createServer((request, answer) => {
    const body = files[request.url.split("?")[0]];
    answer.writeHead(body ? 200 : 404, { "Content-Type": types[extname(request.url)] ?? "application/octet-stream", "Content-Security-Policy": POLICY });
    answer.end(body ?? "{}");
  }).listen(0, "127.0.0.1");
  await new Promise((listening) => server.once("listening", listening));
  const first = [];
  let page;
  for (let k = 0; k < 3; k++) {
    await page?.close();
    page = await browser.newPage({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
    page.setDefaultTimeout(300_000);
    page.on("pageerror", (e) => console.error(`page error: ${e.message}`));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.waitForFunction(() => document.documentElement.dataset.state === "ready");
    first.push(await page.evaluate(() => Number(document.documentElement.dataset.drawn)));
  }
  found.renderer ??= await page.evaluate(() => {
    const gl = augmapPage.stage.drawing.gl;
    const about = gl?.getExtension("WEBGL_debug_renderer_info");
    return gl ? gl.getParameter(about ? about.UNMASKED_RENDERER_WEBGL : gl.RENDERER) : "no WebGL";
  });
  await page.evaluate(() => {
    /** Until what was asked for can be read: it is drawn in the next frame or the one after. */
    globalThis.seen = async (began) => {
      for (let k = 0; k < 2; k++) await new Promise(requestAnimationFrame);
      document.querySelector("canvas.points").getContext("2d").getImageData(0, 0, 1, 1);
      return performance.now() - began;
    };
  });
  const time = async (times, call) => {
    const all = [];
    for (let k = 0; k < times; k++) {
      all.push(await page.evaluate(async ([source, turn]) => {
        const began = performance.now();
        new Function("app", "stage", "turn", source)(augmapPage.app, augmapPage.stage, turn);
        return seen(began);
      }, [call, k]));
      await page.waitForTimeout(600); // points take their new size a moment after a zoom
    }
    return spread(all);
  };
  const zoom = await time(7, "stage.zoom(turn < 4 ? 1.15 : 1 / 1.15)");
  const filter = await time(6, "app.state.hidden = new Set(turn % 2 ? [] : [1]); app.refilter()");
  // the hit test alone: the ring follows in the next frame, whatever the number of points
  const hover = spread(await page.evaluate(() => Array.from({ length: 200 }, (_, k) => {
    const { stage } = augmapPage;
    const began = performance.now();
    stage.pick((k * 7919) % stage.size.width, (k * 104729) % stage.size.height);
    return performance.now() - began;
  })));
  await page.keyboard.press("l");
  await page.evaluate(() => {
    globalThis.lassos = [];
    addEventListener("pointerup", () => void seen(performance.now()).then((t) => lassos.push(t)), { capture: true });
  });
  const box = await page.locator(".stage").boundingBox();
  for (let turn = 0; turn < 5; turn++) {
    const [x, y, r] = [box.x + box.width * 0.35, box.y + box.height / 2, 90 + 20 * turn];
    await page.mouse.move(x + r, y);
    await page.mouse.down();
    for (let k = 1; k < 24; k++) await page.mouse.move(x + r * Math.cos(k / 3.9), y + r * Math.sin(k / 3.9));
    await page.mouse.up();
    await page.waitForFunction((k) => lassos.length === k, turn + 1);
  }
  const lasso = { ...spread(await page.evaluate(() => lassos)), selected: await page.evaluate(() => augmapPage.app.state.selection.count) };
  await page.close();
  server.close();
  return { first: spread(first), zoom, filter, lasso, hover };
}

/** Median and ends of some times, ms. */
function spread(times) {
  const sorted = [...times].sort((a, b) => a - b);
  const round = (v) => Math.round(v * 100) / 100;
  return { median: round(sorted[sorted.length >> 1]), least: round(sorted[0]), most: round(sorted[sorted.length - 1]), times: sorted.length };
}

/** Thirty round clusters of points in ten classes, in the format of docs/explorer-format.md. */
function blobs(n) {
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
