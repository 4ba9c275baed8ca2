// Drives the page as a person would: node run.mjs '{"url": ..., "out": ..., "scenarios": "scenarios.mjs", "only": [...]}'
// Prints one line of JSON a scenario, with what it found. Any page error, console error or request to another host is a failure.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";

const given = JSON.parse(process.argv[2]);
const { scenarios } = await import(`./${given.scenarios ?? "scenarios.mjs"}`);
const PATIENCE = 90_000; // ms for one step: seconds on a quiet core, and the cores are not always quiet
const FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"];
const launch = (flags = []) => chromium.launch({ executablePath: given.browser, headless: true, args: [...FLAGS, ...flags], timeout: PATIENCE });

await mkdir(given.out, { recursive: true });
const shared = await launch();
for (const [name, scenario] of Object.entries(scenarios)) {
  if (given.only?.length && !given.only.includes(name)) continue;
  const began = Date.now();
  const own = scenario.flags ? await launch(scenario.flags) : null;
  const context = await (own ?? shared).newContext({ viewport: scenario.viewport ?? { width: 1280, height: 800 }, colorScheme: "dark", acceptDownloads: true, reducedMotion: scenario.motion ? "no-preference" : "reduce", offline: scenario.offline ?? false });
  const page = await context.newPage();
  page.setDefaultTimeout(scenario.patience ?? PATIENCE);
  const problems = [];
  const expected = scenario.expected ?? [];
  page.on("pageerror", (e) => problems.push(`page error: ${e.message}`));
  page.on("console", (m) => {
    if (m.type() === "error" && !expected.some((x) => m.text().includes(x))) problems.push(`console: ${m.text()}`);
  });
  page.on("request", (r) => {
    const url = new URL(r.url());
    if (!["data:", "blob:", "file:"].includes(url.protocol) && url.hostname !== "127.0.0.1") problems.push(`request to ${url.host}`);
  });
  let error = null;
  let found = null;
  try {
    found = await scenario.run({ page, context, given, open: (url, search) => open(page, url ?? given.url, search), shot: (s) => page.screenshot({ path: join(given.out, `${name}-${s}.png`) }) });
    if (problems.length) error = problems.join("; ");
  } catch (e) {
    error = `${e.stack ?? e}`.slice(0, 2000) + (problems.length ? `\n${problems.join("; ")}` : "");
    await page.screenshot({ path: join(given.out, `${name}-failed.png`) }).catch(() => null);
  }
  await page.unrouteAll({ behavior: "ignoreErrors" }); // an answer on its way to a page that is gone
  await context.close();
  await own?.close();
  console.log(JSON.stringify({ name, ok: error === null, error, found: found ?? null, seconds: (Date.now() - began) / 1000 }));
}
await shared.close();

/** Without region names unless asked for: they arrive when they are found, and take clicks. */
async function open(page, url, hash = "#regions=0") {
  await page.goto(url + hash);
  await page.waitForFunction(() => ["ready", "failed"].includes(document.documentElement.dataset.state));
}
