// Opens an exported file without a network and drops images on it: node file.mjs '{"file": ..., "images": [...], "browser": ..., "out": ...}'
// Prints one line of JSON: what the page answered for each image, and how the page looked at that.
import { mkdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const given = JSON.parse(process.argv[2]);
await mkdir(given.out, { recursive: true });
const browser = await chromium.launch({ executablePath: given.browser, headless: true, args: ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"] });
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: "dark", reducedMotion: "reduce", offline: true });
const page = await context.newPage();
page.setDefaultTimeout(given.timeout ?? 120_000);
const problems = [];
const requests = [];
page.on("pageerror", (e) => problems.push(`page error: ${e.message}`));
page.on("console", (m) => m.type() === "error" && problems.push(`console: ${m.text()}`));
page.on("request", (r) => /^(blob|data):/.test(r.url()) || requests.push(r.url()));
// the answers are written down on their way: the page's own script makes them, under the page's own rules
await page.addInitScript(() => {
  let made;
  globalThis.answers = [];
  Object.defineProperty(globalThis, "augmapPlacer", {
    set: (f) => (made = f),
    get: () => made && ((source, meta) => {
      const placer = made(source, meta);
      return {
        place: async (bytes, name) => {
          const started = performance.now();
          const answer = await placer.place(bytes, name).catch((e) => ({ reason: e.message }));
          const milliseconds = performance.now() - started;
          const cloud = await answer.cloud?.();
          globalThis.answers.push({ name, ...answer, ...cloud, milliseconds, all: performance.now() - started });
          if (answer.reason) throw new Error(answer.reason);
          return answer;
        },
      };
    }),
  });
});
await page.goto(pathToFileURL(given.file).href);
await page.waitForFunction(() => ["ready", "failed"].includes(document.documentElement.dataset.state));
const state = await page.evaluate(() => document.documentElement.dataset.state);
await page.screenshot({ path: join(given.out, "file.png") });
for (const [k, path] of (given.images ?? []).entries()) {
  const transfer = await page.evaluateHandle(([name, data]) => {
    const t = new DataTransfer();
    t.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name));
    return t;
  }, [basename(path), (await readFile(path)).toString("base64")]);
  await page.dispatchEvent("body", "dragenter", { dataTransfer: transfer });
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
  await page.waitForFunction((n) => globalThis.answers.length === n, k + 1);
  await page.waitForTimeout(400);
  if (k === 0) await page.screenshot({ path: join(given.out, "placed.png") });
}
const answers = await page.evaluate(() => globalThis.answers);
await browser.close();
console.log(JSON.stringify({ state, problems, requests, answers }));
