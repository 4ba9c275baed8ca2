// What a person does on the page, one scenario a row. Where a count is checked, it is counted a second way.
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { drop, points, still } from "./hands.mjs";

const state = (page) => page.evaluate(() => {
  const { app } = augmapPage;
  const s = app.state;
  return { colour: s.colour, current: s.current, hovered: s.hovered, selected: s.selection.count, rows: [...s.selection.rows()], visible: app.visible ? app.visible.count : null, n: app.table.n, theme: s.theme, tool: s.tool, contours: s.contours, tags: [...app.tags].map(([t, m]) => [t, m.count]) };
});
const box = (page) => page.locator(".stage").first().boundingBox();
const screen = async (page, row) => {
  const b = await box(page);
  const [x, y] = await page.evaluate((r) => augmapPage.stage.screen(r), row);
  return [b.x + x, b.y + y];
};
/** Rows whose points lie in a rectangle of the page, counted without the page's index. */
const within = async (page, x0, y0, x1, y1) => {
  const b = await box(page);
  return page.evaluate(([l, t, r, o]) => {
    const { stage, app } = augmapPage;
    return Array.from({ length: app.table.n }, (_, i) => i).filter((i) => {
      const [x, y] = stage.screen(i);
      return x >= l && x <= r && y >= t && y <= o;
    });
  }, [x0 - b.x, y0 - b.y, x1 - b.x, y1 - b.y]);
};
const drag = async (page, points) => {
  await page.mouse.move(...points[0]);
  await page.mouse.down();
  for (const p of points.slice(1)) await page.mouse.move(...p, { steps: points.length > 2 ? 1 : 3 });
  await page.mouse.up();
};
/** Until the frame that is asked for now has been painted. */
const painted = (page) => page.evaluate(async () => {
  augmapPage.stage.repaint();
  for (let k = 0; k < 2; k++) await new Promise(requestAnimationFrame);
});
const middle = async (page) => {
  const b = await box(page);
  return [b.x + b.width / 2, b.y + b.height / 2];
};
const closeUp = async (page, row) => {
  await page.evaluate((r) => augmapPage.stage.flyToRow(r), row);
  await page.waitForFunction(() => augmapPage.pictures.on);
};
/** The page of a training; what comes back ends it. */
const trained = async (page) => {
  let end;
  let over = false;
  const ended = new Promise((go) => (end = go));
  await page.route("**/meta.json", async (route) => {
    const meta = await (await route.fetch()).json();
    if (!over) meta.live = { stages: ["map"], state: "running", every: 1, images: meta.n };
    await route.fulfill({ json: meta });
  });
  await page.route("**/events", async (route) => {
    await ended;
    await route.fulfill({ contentType: "text/event-stream", body: `event: end\ndata: ${JSON.stringify({ state: "done", reason: null, map: true })}\n\n` });
  });
  return () => {
    over = true;
    end();
  };
};
const tagged = async (page, tag) => {
  await page.locator(".class-name").first().click();
  await page.getByLabel("Tag the selection").fill(tag);
  await page.keyboard.press("Enter");
};
/** Whether the page would ask before it is left. */
const asks = (page) => page.evaluate(() => !dispatchEvent(new Event("beforeunload", { cancelable: true })));
/** Until a thumbnail, of those that match, has its picture. */
const pictured = (page, selector) => page.waitForFunction((s) => [...document.querySelectorAll(s)].some((c) => c.getContext("2d").getImageData(c.width >> 1, c.height >> 1, 1, 1).data[3] > 0), selector);

export const scenarios = {
  opens: {
    async run({ page, open, shot }) {
      await open();
      const s = await state(page);
      await points(page, 2000);
      assert.equal(await page.locator(".classes li").count(), 4);
      const counts = (await page.locator(".classes .count").allTextContents()).map((t) => Number(t.replace(/,/g, "")));
      assert.equal(counts.reduce((a, b) => a + b), s.n);
      // a label that is markup is text
      assert.ok((await page.locator(".class-name").allTextContents()).includes("<img src=x onerror=alert(1)>"));
      assert.equal(await page.locator(".classes img").count(), 0);
      await shot("dark");
      await page.keyboard.press("t");
      assert.equal((await state(page)).theme, "light");
      await painted(page);
      await shot("light");
    },
  },

  keyboard_reaches_everything: {
    async run({ page, open }) {
      await open();
      const nameless = await page.evaluate(() => [...document.querySelectorAll("button, input, select, [tabindex]")].filter((e) => e.checkVisibility() && !(e.textContent.trim() || e.getAttribute("aria-label") || e.labels?.length || e.title)).map((e) => e.outerHTML));
      assert.deepEqual(nameless, []);
      // past search and legend, however many classes there are
      await page.keyboard.press("Tab");
      const skip = page.getByRole("button", { name: "Skip to the map" });
      assert.ok(await skip.evaluate((e) => e === document.activeElement && getComputedStyle(e).opacity === "1"));
      await page.keyboard.press("Enter");
      assert.ok(await page.evaluate(() => document.activeElement === augmapPage.stage.element));
      assert.equal(await skip.evaluate((e) => getComputedStyle(e).opacity), "0");
      await skip.focus();
      const seen = new Set();
      for (let k = 0; k < 60; k++) {
        await page.keyboard.press("Tab");
        seen.add(await page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.id ?? ""));
      }
      for (const name of ["Find a label, tag or file", "Colour by", "Lasso", "Box", "Fit the map", "Help"]) assert.ok(seen.has(name), `${name} not among ${[...seen]}`);
      await page.locator(".stage").focus();
      await page.keyboard.press("?");
      assert.ok(await page.locator("dialog.help").isVisible());
      await page.keyboard.press("Escape");
      assert.ok(!(await page.locator("dialog.help").isVisible()));
      // keys do nothing while a text field has the focus
      await page.keyboard.press("/");
      await page.keyboard.type("lf");
      assert.equal((await state(page)).tool, "pan");
      assert.equal(await page.locator("#search").inputValue(), "lf");
    },
  },

  zoom_turns_points_into_pictures: {
    motion: true,
    async run({ page, open, shot }) {
      await open();
      assert.equal(await page.evaluate(() => augmapPage.pictures.on), false);
      const at = (await screen(page, 7)).map(Math.round);
      const below = async () => {
        const b = await box(page);
        return page.evaluate(([x, y]) => { const { view, size } = augmapPage.stage; const k = view.d / (size.height / 2); return [view.u + (x - size.width / 2) * k, view.v - (y - size.height / 2) * k]; }, [at[0] - b.x, at[1] - b.y]);
      };
      const before = await below();
      await page.mouse.move(...at);
      for (let k = 0; k < 14 && !(await page.evaluate(() => augmapPage.pictures.on)); k++) {
        const d = await page.evaluate(() => augmapPage.stage.view.d);
        await page.mouse.wheel(0, -200);
        await page.waitForFunction((was) => augmapPage.stage.view.d < was, d);
        await painted(page);
      }
      assert.ok(await page.evaluate(() => augmapPage.pictures.on), "pictures after zooming in");
      const after = await below();
      assert.ok(Math.hypot(after[0] - before[0], after[1] - before[1]) < 1e-6, "the place under the pointer stays");
      await still(page);
      await painted(page);
      await shot("pictures");
      await page.keyboard.press("f");
      await page.waitForFunction(() => !augmapPage.pictures.on);
    },
  },

  hover_ring_then_card: {
    async run({ page, open, shot }) {
      await open();
      const at = await screen(page, 11);
      await page.mouse.move(at[0] + 1, at[1] + 1);
      await page.waitForFunction(() => augmapPage.app.state.hovered >= 0);
      await page.waitForSelector(".card:not([hidden])");
      const row = (await state(page)).hovered;
      const name = await page.evaluate((r) => augmapPage.app.table.name(r), row);
      assert.equal(await page.locator(".card .file").textContent(), name.split("/").pop());
      await shot("card");
      await page.mouse.move(5, 400);
      await page.waitForFunction(() => document.querySelector(".card").hidden && augmapPage.app.state.hovered === -1);
    },
  },

  click_shows_image_and_neighbours: {
    async run({ page, open, shot }) {
      await open();
      const at = await screen(page, 42);
      await page.mouse.click(...at);
      await page.waitForSelector(".strip button");
      const row = (await state(page)).current;
      const [x, y] = await screen(page, row);
      assert.ok(Math.hypot(x - at[0], y - at[1]) <= 14 || row >= 0);
      assert.equal(await page.locator(".strip").count(), 2);
      // marked are those that stand in one table only
      const wrong = await page.evaluate(async (r) => {
        const { app } = augmapPage;
        const k = app.table.spec("nn_map").k;
        const take = (id) => [...app.table.get(id).subarray(r * k, (r + 1) * k)];
        const [features, map] = [take("nn_features"), take("nn_map")];
        const marks = [...document.querySelectorAll(".strip")].map((s) => [...s.querySelectorAll("button")].map((b) => b.classList.contains("apart")));
        return [features.slice(0, 12).map((i) => !map.includes(i)), map.slice(0, 12).map((i) => !features.includes(i))].some((want, j) => want.join() !== marks[j].join());
      }, row);
      assert.equal(wrong, false);
      await pictured(page, ".strip .thumb");
      await shot("panel");
      await page.locator(".strip button").nth(3).click();
      await page.waitForFunction((r) => augmapPage.app.state.current !== r, row);
      await page.waitForFunction(() => augmapPage.pictures.on); // it flew there
      await still(page);
      await shot("flown");
      await page.keyboard.press("n");
      const there = (await state(page)).current;
      await page.keyboard.press("Enter"); // from neighbour to neighbour, without a mouse
      await page.waitForFunction((r) => augmapPage.app.state.current !== r && document.activeElement.classList.contains("neighbour"), there);
      await page.keyboard.press("Escape");
      assert.equal((await state(page)).current, -1);
    },
  },

  regions_are_named_and_selected: {
    async run({ page, open, shot }) {
      await open(undefined, "#regions=1");
      await page.waitForFunction(() => augmapPage.app.meta.regions !== null);
      await still(page);
      await painted(page);
      const [at, size] = await page.evaluate(() => {
        const { app, stage } = augmapPage;
        const levels = app.meta.regions.levels;
        const level = levels[Math.max(0, levels.findIndex((l) => l.regions.length >= 5))];
        const largest = [...level.regions].sort((a, b) => b.size - a.size)[0];
        const [x, y] = stage.screen(largest.medoid);
        const b = stage.element.getBoundingClientRect();
        return [[b.left + x, b.top + y], largest.size];
      });
      await shot("names");
      await page.mouse.click(...at);
      await page.waitForFunction((k) => augmapPage.app.state.selection.count === k, size);
    },
  },

  long_names_are_cut: {
    async run({ page, open, shot }) {
      const name = (region) => `region ${region.code} of a name that would lie over half of the map`;
      await page.addInitScript(() => {
        globalThis.written = new Set();
        const write = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
          written.add(text);
          return write.call(this, text, ...rest);
        };
      });
      await page.route("**/meta.json", async (route) => {
        const meta = await (await route.fetch()).json();
        for (const region of meta.regions?.levels.flatMap((l) => l.regions) ?? []) region.name = name(region);
        await route.fulfill({ json: meta });
      });
      await open(undefined, "#regions=1");
      await page.waitForFunction(() => augmapPage.app.meta.regions !== null);
      await still(page);
      await painted(page);
      await shot("names");
      const written = await page.evaluate(() => [...globalThis.written]);
      assert.ok(written.length > 0 && written.every((text) => /^region \d+ of a name that w.*…$/.test(text) && text.length === 28), written.join());
      const [region, at] = await page.evaluate(() => {
        const { app, stage } = augmapPage;
        const levels = app.meta.regions.levels;
        const largest = [...levels[Math.max(0, levels.findIndex((l) => l.regions.length >= 5))].regions].sort((a, b) => b.size - a.size)[0];
        const b = stage.element.getBoundingClientRect();
        const [x, y] = stage.screen(largest.medoid);
        return [largest, [b.left + x, b.top + y]];
      });
      await page.mouse.move(...at);
      assert.equal(await page.locator(".stage").getAttribute("title"), name(region));
      const b = await box(page);
      await page.mouse.move(b.x + b.width - 5, b.y + b.height - 5); // in the corner there is no name
      assert.equal(await page.locator(".stage").getAttribute("title"), "");
    },
  },

  lasso_box_add_subtract: {
    async run({ page, open, shot }) {
      await open();
      const [cx, cy] = await middle(page);
      const ring = (x, y, r) => Array.from({ length: 21 }, (_, k) => [x + r * Math.cos((k / 20) * 2 * Math.PI), y + r * Math.sin((k / 20) * 2 * Math.PI)]);
      const inRing = async (x, y, r) => new Set((await within(page, x - r, y - r, x + r, y + r)).length ? await page.evaluate(([px, py, q]) => {
        const b = augmapPage.stage.element.getBoundingClientRect();
        return Array.from({ length: augmapPage.app.table.n }, (_, i) => i).filter((i) => { const [u, v] = augmapPage.stage.screen(i); return Math.hypot(u + b.left - px, v + b.top - py) < q; });
      }, [x, y, r]) : []);
      await page.keyboard.press("l");
      assert.equal((await state(page)).tool, "lasso");
      const want = await inRing(cx, cy, 120);
      await drag(page, ring(cx, cy, 120));
      let s = await state(page);
      // a polygon of 20 corners is a little smaller than its circle
      assert.ok(s.selected > 0.95 * want.size && s.selected <= want.size, `${s.selected} of ${want.size}`);
      assert.match(await page.locator(".count-live").first().textContent(), new RegExp(`^${s.selected.toLocaleString("en")} of `));
      // the panel has opened and the map moved: look again where it is
      await still(page);
      const [dx, dy] = await middle(page);
      await page.keyboard.press("b");
      const inBox = await within(page, dx - 60, dy - 200, dx + 60, dy);
      const before = new Set(s.rows);
      await page.keyboard.down("Shift");
      await drag(page, [[dx - 60, dy - 200], [dx + 60, dy]]);
      await page.keyboard.up("Shift");
      s = await state(page);
      assert.equal(s.selected, new Set([...before, ...inBox]).size);
      const out = new Set(await within(page, dx - 80, dy - 80, dx + 80, dy + 80));
      const there = s.rows.filter((r) => !out.has(r));
      await page.keyboard.down("Alt");
      await drag(page, [[dx - 80, dy - 80], [dx + 80, dy + 80]]);
      await page.keyboard.up("Alt");
      assert.deepEqual((await state(page)).rows, there);
      await shot("selection");
      // every selection counts, even of one point
      await closeUp(page, 3);
      await still(page);
      const [px, py] = await screen(page, 3);
      const alone = await within(page, px - 3, py - 3, px + 3, py + 3);
      await drag(page, [[px - 3, py - 3], [px + 3, py + 3]]);
      s = await state(page);
      assert.deepEqual(s.rows, alone);
      assert.ok(s.rows.includes(3));
      await page.keyboard.press("Escape");
      assert.equal((await state(page)).selected, 0);
    },
  },

  legend_hides_isolates_and_counts: {
    async run({ page, open }) {
      await open();
      const n = (await state(page)).n;
      const rows = page.locator(".classes li");
      const first = Number((await rows.first().locator(".count").textContent()).replace(/,/g, ""));
      await rows.first().locator(".swatch").click();
      assert.equal((await state(page)).visible, n - first);
      assert.match(await page.locator(".legend-status").textContent(), /shown/);
      await page.getByRole("button", { name: "Show all" }).click();
      assert.equal((await state(page)).visible, null);
      await rows.nth(1).hover();
      await rows.nth(1).locator(".only").first().click();
      const second = Number((await rows.nth(1).locator(".count").textContent()).replace(/,/g, ""));
      assert.equal((await state(page)).visible, second);
      await rows.nth(1).locator(".class-name").click();
      assert.equal((await state(page)).selected, second);
      const text = (v) => v.toLocaleString("en");
      assert.equal(await rows.nth(1).locator(".count").textContent(), `${text(second)} / ${text(second)}`);
      assert.equal(await rows.first().locator(".count").textContent(), `0 / ${text(first)}`);
      // nothing left: says so, and offers the way back
      for (const k of [1]) await rows.nth(k).locator(".swatch").click();
      assert.match(await page.locator(".legend-status").textContent(), new RegExp(`0 of ${text(n)} match`));
      await page.getByRole("button", { name: "Show all" }).first().click();
      assert.equal((await state(page)).visible, null);
    },
  },

  colour_by_a_score: {
    async run({ page, open, shot }) {
      await open();
      await page.locator("#colour-by").selectOption({ label: "outlier" });
      await page.waitForSelector(".scale");
      const low = page.getByLabel("Lowest outlier shown");
      await low.focus();
      for (let k = 0; k < 10; k++) await page.keyboard.press("PageUp");
      await page.waitForFunction(() => augmapPage.app.visible !== null);
      const s = await state(page);
      const want = await page.evaluate(() => {
        const { app } = augmapPage;
        const [a, b] = app.state.range;
        return [...app.table.get(app.state.colour)].filter((v) => v >= a && v <= b).length;
      });
      assert.equal(s.visible, want);
      assert.ok(want > 0 && want < s.n);
      await page.keyboard.press("Home");
      await page.waitForFunction(() => augmapPage.app.visible === null);
      // the ends do not pass each other
      const high = page.getByLabel("Highest outlier shown");
      for (let k = 0; k < 3; k++) await page.keyboard.press("PageUp");
      await high.press("Home");
      assert.equal(await high.inputValue(), await low.inputValue());
      await low.press("End");
      assert.equal(await high.inputValue(), await low.inputValue());
      await high.press("End");
      await low.press("End");
      const b = await low.boundingBox();
      await drag(page, [[b.x + b.width - 6, b.y + b.height / 2], [b.x + b.width / 2, b.y + b.height / 2]]);
      assert.ok(Number(await low.inputValue()) < 600 && (await high.inputValue()) === "1000", "of two that lie together, the one that can move is taken");
      await low.press("Home");
      await page.waitForFunction(() => augmapPage.app.visible === null);
      await shot("score");
    },
  },

  search_by_keyboard: {
    async run({ page, open, shot }) {
      await open();
      await page.keyboard.press("/");
      await page.keyboard.type("stripes");
      await page.waitForSelector(".hits li.active");
      await shot("hits");
      await page.keyboard.press("Enter");
      const s = await state(page);
      const want = await page.evaluate(() => { const c = augmapPage.app.table.label; return c.counts[c.categories.indexOf("stripes")]; });
      assert.equal(s.selected, want);
      assert.ok(await page.evaluate(() => document.activeElement === augmapPage.stage.element), "the keyboard goes on from the map");
      const name = await page.evaluate(() => augmapPage.app.table.name(123));
      await page.keyboard.press("/");
      await page.locator("#search").fill(name);
      await page.waitForFunction((t) => document.querySelector(".hits li.active .hit-text")?.textContent === t, name);
      await page.keyboard.press("Enter");
      await page.waitForFunction(() => augmapPage.app.state.current === 123);
      await page.keyboard.press("/");
      await page.locator("#search").fill("no such thing");
      await page.waitForFunction(() => /0 of .* match/.test(document.querySelector(".hits").textContent));
    },
  },

  names_come_late: {
    async run({ page, given }) {
      let release;
      const held = new Promise((go) => (release = go));
      await page.route("**/col/name.bin", async (route) => {
        await held;
        await route.continue();
      });
      await page.goto(`${given.url}#regions=0`);
      await page.waitForFunction(() => document.documentElement.dataset.state === "drawn");
      await page.keyboard.press("/");
      await page.keyboard.type("0123.png");
      await page.waitForFunction(() => document.querySelector(".hits").textContent === "File names are still on their way.");
      release();
      await page.waitForFunction(() => document.querySelector(".hits li.active .hit-text")?.textContent === "photos/0123.png");
    },
  },

  a_flight_ends_in_the_middle: {
    async run({ page, open }) {
      await open();
      await page.keyboard.press("/");
      await page.keyboard.type("0123.png");
      await page.waitForSelector(".hits li.active");
      await page.keyboard.press("Enter"); // opens the panel, and flies at once
      await page.waitForSelector(".strip button");
      await still(page);
      const [x, y] = await screen(page, 123);
      const [cx, cy] = await middle(page);
      assert.ok(Math.hypot(x - cx, y - cy) < 2, `${[x, y]} is not ${[cx, cy]}`);
    },
  },

  grid_sorts_tags_and_exports: {
    async run({ page, open, given }) {
      await open();
      await page.locator(".class-name").first().click();
      const count = (await state(page)).selected;
      await page.locator("#sort-by").selectOption({ label: "outlier, highest first" });
      await page.getByLabel("Tag the selection").fill("to check");
      await page.keyboard.press("Enter");
      assert.deepEqual((await state(page)).tags, [["to check", count]]);
      assert.ok(await asks(page), "tags end with the page");
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
      const path = join(given.out, "selection.csv");
      await download.saveAs(path);
      const lines = (await readFile(path, "utf8")).trimEnd().split("\r\n");
      assert.equal(lines.length, count + 1);
      const header = lines[0].split(",");
      assert.deepEqual(header.slice(0, 4), ["row", "name", "x", "y"]);
      const outlier = lines.slice(1).map((l) => Number(l.split(",")[header.indexOf("outlier")]));
      assert.ok(outlier.every((v, k) => k === 0 || v <= outlier[k - 1]), "sorted as the grid is");
      assert.ok(lines.slice(1).every((l) => l.endsWith(",to check")));
      assert.ok(!(await asks(page)), "they are in a file now");
      // map units, not those of the screen
      const [row, , x] = lines[1].split(",").map(Number);
      const want = await page.evaluate((r) => { const { app } = augmapPage; const { centre, factor } = app.meta.scale; return app.table.x[r] / factor + centre[0]; }, row);
      assert.ok(Math.abs(x - want) < 1e-4 * Math.max(1, Math.abs(want)));
      const [json] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "JSON" }).click()]);
      await json.saveAs(join(given.out, "selection.json"));
      assert.equal(JSON.parse(await readFile(join(given.out, "selection.json"), "utf8")).length, count);
      // arrow keys walk through the grid, Enter flies
      await page.locator(".grid").focus();
      for (const key of ["ArrowRight", "ArrowDown", "Enter"]) await page.keyboard.press(key);
      await page.waitForFunction(() => augmapPage.app.state.current >= 0);
      const active = await page.locator(".cell.active").getAttribute("title");
      assert.equal(active, await page.evaluate(() => augmapPage.app.table.name(augmapPage.app.state.current)));
      // the tag can be found
      await page.keyboard.press("/");
      await page.locator("#search").fill("to ch");
      await page.waitForFunction(() => document.querySelector(".hits li.active .hit-text")?.textContent === "to check");
    },
  },

  a_link_shows_the_same: {
    async run({ page, open, context, given }) {
      await open();
      await page.locator("#colour-by").selectOption({ label: "outlier" });
      await page.keyboard.press("c");
      await page.keyboard.press("b");
      const [cx, cy] = await middle(page);
      await drag(page, [[cx - 150, cy - 150], [cx + 60, cy + 80]]);
      await page.evaluate(() => augmapPage.app.show(77));
      await page.waitForSelector(".strip button");
      await still(page); // the panel has opened, the map has moved beside it
      await page.evaluate(() => augmapPage.stage.lookAt({ u: 0.1, v: -0.2, d: 0.7 }));
      await page.waitForFunction(() => location.hash.includes("at=0.1%2C-0.2%2C0.7") && location.hash.includes("select=") && location.hash.includes("image="));
      const url = page.url();
      const before = await state(page);
      const other = await context.newPage();
      await other.goto(url);
      await other.waitForFunction(() => document.documentElement.dataset.state === "ready");
      const after = await state(other);
      for (const key of ["colour", "current", "selected", "rows", "contours"]) assert.deepEqual(after[key], before[key], key);
      const view = await other.evaluate(() => augmapPage.stage.view);
      assert.ok(Math.abs(view.d - 0.7) < 1e-6 && Math.abs(view.v + 0.2) < 1e-6 && Math.abs(view.u - 0.1) < 1e-6, JSON.stringify(view));
      void given;
    },
  },

  a_link_pasted_into_an_open_page: {
    async run({ page, open }) {
      await open();
      await page.locator("#colour-by").selectOption({ label: "outlier" });
      await page.evaluate(() => augmapPage.app.show(77));
      await page.waitForSelector(".strip button");
      await still(page);
      await page.evaluate(() => augmapPage.stage.lookAt({ u: 0.1, v: -0.2, d: 0.7 }));
      await page.waitForFunction(() => location.hash.includes("at=0.1%2C-0.2%2C0.7") && location.hash.includes("image="));
      const [link, before] = [await page.evaluate(() => location.hash), await state(page)];
      await page.keyboard.press("Escape");
      await page.locator("#colour-by").selectOption({ label: "label" });
      await page.locator(".swatch").first().click();
      await page.locator(".class-name").nth(1).click();
      await page.keyboard.press("f");
      await page.waitForFunction(() => location.hash.includes("hide=") && location.hash.includes("select="));
      await page.evaluate((hash) => (location.hash = hash), link);
      await page.waitForFunction(() => {
        const { u, v, d } = augmapPage.stage.view;
        return Math.hypot(u - 0.1, v + 0.2, d - 0.7) < 1e-6;
      });
      await still(page);
      assert.deepEqual(await state(page), { ...before, hovered: -1 });
      assert.ok(Math.abs(await page.evaluate(() => augmapPage.stage.view.u) - 0.1) < 1e-6, "and stays there");
    },
  },

  dropped_image_lands: {
    async run({ page, open, shot }) {
      const answer = { x: 1, y: 2, u: 0.2, v: 0.1, spread: { rms: 0.03, cov: [[0.0006, 0.0001], [0.0001, 0.0002]] }, views: Array.from({ length: 32 }, (_, k) => [0.2 + 0.03 * Math.sin(k), 0.1 + 0.02 * Math.cos(3 * k)]), neighbours: { map: [1, 2, 3], features: [3, 4, 5] }, distance: 0.1, out_of_map: 0.97, size: [64, 48], thumb: PIXEL };
      const bodies = [];
      await page.route("**/meta.json", async (route) => {
        const meta = await (await route.fetch()).json();
        meta.capabilities.embed = true;
        await route.fulfill({ json: meta });
      });
      await page.route("**/embed", async (route) => {
        bodies.push(route.request().postDataBuffer());
        await route.fulfill({ json: answer });
      });
      await open();
      await drop(page, [["cat.png", PIXEL.split(",")[1]]]);
      await page.waitForSelector(".placed .facts");
      assert.equal(bodies.length, 1);
      assert.deepEqual([...bodies[0]], [...Buffer.from(PIXEL.split(",")[1], "base64")], "the bytes arrive as they are");
      assert.match(await page.locator(".placed").textContent(), /unusual for this map \(stranger than 97 %/i);
      assert.equal(await page.locator(".placed .strip button").count(), 6);
      await still(page);
      await shot("placed");
      await page.keyboard.press("Escape");
      assert.ok(await page.locator(".placed").isHidden());
      await drop(page, [["a.png", PIXEL.split(",")[1]], ["b.png", PIXEL.split(",")[1]], ["c.png", PIXEL.split(",")[1]]]);
      await page.waitForFunction(() => document.querySelectorAll(".placed-item").length === 3);
    },
  },

  dropped_folders: {
    expected: ["422"],
    async run({ page, context, open, given }) {
      let held = null;
      await page.route("**/meta.json", async (route) => {
        const meta = await (await route.fetch()).json();
        meta.capabilities.embed = true;
        await route.fulfill({ json: meta });
      });
      await page.route("**/embed", async (route) => {
        if (route.request().postDataBuffer().toString() === "broken") return route.fulfill({ status: 422, json: { reason: "truncated" } });
        await held;
        await route.fulfill({ json: { u: 0.2, v: 0.1, spread: null, views: [], neighbours: { map: [1, 2, 3], features: null }, distance: null, out_of_map: null, size: [1, 1], thumb: PIXEL } });
      });
      const [some, none] = [join(given.out, "some"), join(given.out, "none")];
      for (const [folder, name, data] of [[some, "1.png", Buffer.from(PIXEL.split(",")[1], "base64")], [some, "2.png", "broken"], [some, "notes.txt", "x"], [none, "notes.txt", "x"]]) {
        await mkdir(folder, { recursive: true });
        await writeFile(join(folder, name), data);
      }
      const hand = await context.newCDPSession(page);
      const dropFolder = async (path) => {
        for (const type of ["dragEnter", "dragOver", "drop"]) await hand.send("Input.dispatchDragEvent", { type, x: 600, y: 400, data: { items: [], files: [path], dragOperationsMask: 1 } });
      };
      const said = (text) => page.waitForFunction((t) => document.querySelector(".toast").textContent === t, text);
      await open();
      await dropFolder(some);
      await said("1 image placed; 2.png: truncated.");
      await dropFolder(none);
      await said("No images in this folder.");
      await page.keyboard.press("Escape");
      // closed while one is on its way: it does not come back
      let release;
      held = new Promise((go) => (release = go));
      const answered = page.waitForResponse("**/embed");
      await drop(page, [["1_n.png", PIXEL.split(",")[1]]]);
      await page.keyboard.press("Escape");
      release();
      await answered;
      await painted(page);
      assert.ok(await page.locator(".placed").isHidden());
      held = null;
      await drop(page, [["1_n.png", PIXEL.split(",")[1]]]);
      await said("Placed.");
      assert.equal(await page.locator(".placed .path").evaluate((e) => getComputedStyle(e).direction), "ltr", "1_n.png, not n.png_1");
    },
  },

  refused_images_are_named: {
    expected: ["415"],
    async run({ page, open }) {
      await page.route("**/meta.json", async (route) => {
        const meta = await (await route.fetch()).json();
        meta.capabilities.embed = true;
        await route.fulfill({ json: meta });
      });
      await page.route("**/embed", (route) => route.fulfill({ status: 415, json: { reason: "this is not an image of an accepted kind" } }));
      await open();
      await drop(page, [["notes.txt", Buffer.from("hello").toString("base64")]]);
      await page.waitForFunction(() => document.querySelector(".toast").textContent.includes("notes.txt: this is not an image of an accepted kind."));
      assert.ok(await page.locator(".placed").isHidden());
    },
  },

  without_an_encoder_says_so: {
    async run({ page, open }) {
      await open();
      await drop(page, [["a.png", PIXEL.split(",")[1]]]);
      await page.waitForFunction(() => /New images cannot be placed: .*encoder/.test(document.querySelector(".toast").textContent));
    },
  },

  review_by_keyboard: {
    async run({ page, open, shot, given }) {
      await open();
      await page.waitForSelector(".review .queue");
      await page.keyboard.press("]");
      await page.waitForSelector(".review-strip:not([hidden])");
      assert.equal(await page.locator(".review-item").count(), 2); // a pair, side by side
      await shot("pair");
      await page.keyboard.press("d");
      await page.getByRole("button", { name: "Keep" }).focus();
      await page.keyboard.press("Enter");
      assert.match(await page.evaluate(() => document.activeElement.title), /^Keep/);
      await page.keyboard.press("]");
      await page.keyboard.press("[");
      await page.locator(".review-strip input[type=text]").fill("dots");
      await page.keyboard.press("Enter");
      await page.waitForFunction(() => !/saving/.test(document.querySelector(".review-strip").textContent));
      const text = await readFile(given.review, "utf8");
      const decisions = text.trimEnd().split(/\r?\n/).slice(1).map((l) => l.split(",").pop());
      assert.deepEqual(decisions.slice(0, 2), ["drop", "keep"]);
      assert.ok(decisions.includes("relabel:dots"), decisions.join());
    },
  },

  held_keys_decide_once: {
    async run({ page, open }) {
      await page.route("**/review", (route) => route.fulfill({ json: { saved: 1, decided: 1, total: 11 } }));
      await open();
      await page.locator(".review .queue", { hasText: "Outliers" }).click();
      const at = () => page.locator(".review-item.current").getAttribute("title");
      const hold = async (key) => {
        for (let k = 0; k < 5; k++) await page.keyboard.down(key);
        await page.keyboard.up(key);
        return at();
      };
      assert.equal(await at(), "photos/0100.png");
      assert.equal(await hold("d"), "photos/0101.png");
      await page.getByRole("button", { name: "Keep" }).focus();
      assert.equal(await hold("Enter"), "photos/0102.png");
      assert.equal(await hold("["), "photos/0011.png"); // steps go on: five back, into the queue before
    },
  },

  the_review_is_written_anew: {
    expected: ["409"],
    async run({ page, open, given, shot }) {
      const text = await readFile(given.review, "utf8");
      const [header, ...lines] = text.replaceAll(/(drop|keep|relabel:\w+)(?=\r?$)/gm, "").trimEnd().split(/\r?\n/);
      const write = (some) => writeFile(given.review, [header, ...some].join("\n") + "\n");
      const decisions = async () => Object.fromEntries((await readFile(given.review, "utf8")).trimEnd().split(/\r?\n/).slice(1).map((l) => [l.split(",")[4], l.split(",").pop()]).filter(([, d]) => d));
      const at = async () => [await page.locator(".review-item.current").getAttribute("title"), await page.evaluate(() => augmapPage.app.table.name(augmapPage.app.state.current))];
      const again = () => page.getByRole("button", { name: "Load again" }).click();
      const saved = () => page.waitForFunction(() => !/saving/.test(document.querySelector(".review-strip").textContent));
      await write(lines);
      await open();
      await page.waitForSelector(".review .queue");
      await page.keyboard.press("]");
      for (let k = 0; k < 3; k++) await page.keyboard.press("]");
      await write(lines.slice(2)); // the first pair is gone, the rest moves up
      await page.keyboard.press("k"); // the second of the second pair
      await again();
      await saved();
      assert.deepEqual(await decisions(), { "photos/0011.png": "keep" }, "what was decided is not lost");
      assert.deepEqual(await at(), ["photos/0020.png", "photos/0020.png"]);
      await shot("again");
      await page.keyboard.press("d");
      await saved();
      assert.deepEqual(await decisions(), { "photos/0011.png": "keep", "photos/0020.png": "drop" }, "what is shown is what is dropped");
      await write(lines.slice(6)); // no pairs any more
      await page.keyboard.press("d");
      await again();
      await page.waitForFunction(() => document.querySelector(".toast").textContent === "No longer in the review: photos/0021.png.");
      assert.ok(await page.locator(".review-strip").isHidden());
      assert.ok(!(await asks(page)));
      assert.deepEqual(await decisions(), {});
      await writeFile(given.review, text);
    },
  },

  the_review_changes_elsewhere: {
    async run({ page, open, given }) {
      const text = await readFile(given.review, "utf8");
      const [header, ...lines] = text.replaceAll(/(drop|keep|relabel:\w+)(?=\r?$)/gm, "").trimEnd().split(/\r?\n/);
      const write = (some) => writeFile(given.review, [header, ...some].join("\n") + "\n");
      const back = () => page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
      const done = (text) => page.waitForFunction((t) => document.querySelector(".review .queue .count")?.textContent === t, text);
      await write(lines);
      await page.route("**/meta.json", async (route) => { // no review yet
        const meta = await (await route.fetch()).json();
        meta.capabilities.review = false;
        await route.fulfill({ json: meta });
      });
      await open();
      await page.unroute("**/meta.json");
      assert.ok(await page.locator(".review").isHidden());
      await back();
      await done("0 / 6");
      await page.keyboard.press("]");
      await write(lines.map((line, k) => (k < 2 ? `${line}drop` : line)));
      await back();
      await done("2 / 6");
      assert.equal(await page.locator(".review-strip .verdict").count(), 2);
      await page.locator(".review-strip input[type=text]").fill("half a la");
      await write(lines);
      await back();
      await painted(page);
      assert.equal(await page.locator(".review-strip input[type=text]").inputValue(), "half a la", "typing is not disturbed");
      await writeFile(given.review, text);
    },
  },

  decided_while_saving: {
    async run({ page, open, given }) {
      let release;
      const held = new Promise((go) => (release = go));
      let posts = 0;
      await page.route("**/review", async (route) => {
        if (posts++ === 0) await held;
        await route.continue();
      });
      await open();
      await page.locator(".review .queue", { hasText: "Outliers" }).click();
      await page.keyboard.press("k");
      while (!posts) await painted(page); // on its way
      await page.keyboard.press("[");
      await page.keyboard.press("d"); // the same image, otherwise
      const label = page.locator(".review-strip input[type=text]");
      await label.fill("half a la");
      release();
      await page.waitForFunction(() => !/saving/.test(document.querySelector(".review-strip").textContent));
      assert.equal(await label.inputValue(), "half a la", "typing is not disturbed");
      const lines = (await readFile(given.review, "utf8")).split(/\r?\n/);
      assert.match(lines.find((l) => l.startsWith("outliers,,1,")), /,drop$/);
    },
  },

  original_moved: {
    expected: ["404"],
    async run({ page, open }) {
      await page.route("**/img/*", (route) => route.fulfill({ status: 404, json: { reason: "original not found at photos/gone.png" } }));
      await page.route("**/meta.json", async (route) => {
        const meta = await (await route.fetch()).json();
        meta.capabilities.originals = true;
        await route.fulfill({ json: meta });
      });
      await open();
      await page.evaluate(() => augmapPage.app.show(5));
      await page.waitForFunction(() => document.querySelector(".fault")?.textContent === "Original not found at photos/gone.png.");
      assert.ok(await page.locator(".large canvas.thumb").isVisible());
    },
  },

  server_gone: {
    expected: ["ERR_"],
    async run({ page, open, context }) {
      await open();
      await context.setOffline(true);
      await page.route("**/*", (route) => route.abort());
      await page.locator(".class-name").first().click();
      assert.ok((await state(page)).selected > 0, "what is here stays usable");
      await page.keyboard.press("]");
      await page.keyboard.press("k");
      await page.waitForFunction(() => document.querySelector(".banners").textContent.includes("Decisions are not saved: the server does not answer."));
    },
  },

  damaged_map_is_refused: {
    async run({ page, open }) {
      await page.route("**/col/x.bin", (route) => route.fulfill({ body: Buffer.alloc(12), contentType: "application/octet-stream" }));
      await open();
      assert.match(await page.locator("main.failed").textContent(), /“x” has 12 bytes, but 3,000 rows need 12,000/);
    },
  },

  no_webgl: {
    flags: ["--disable-3d-apis"],
    async run({ page, open, shot }) {
      await open();
      assert.match(await page.locator(".banners").textContent(), /no WebGL/);
      await points(page, 1000);
      await page.keyboard.press("/");
      await page.keyboard.type("stripes");
      await page.waitForSelector(".hits li.active");
      await page.keyboard.press("Enter");
      assert.ok((await state(page)).selected > 0);
      assert.ok(await page.locator(".cell").count() > 0);
      await page.keyboard.press("f");
      await shot("plain");
    },
  },

  context_lost_and_back: {
    expected: ["context lost"], // regl says so on the console, as it should
    async run({ page, open }) {
      await open();
      await page.locator(".class-name").first().click();
      const before = (await state(page)).rows;
      await page.evaluate(() => { globalThis.lose = augmapPage.stage.drawing.gl.getExtension("WEBGL_lose_context"); lose.loseContext(); });
      await page.waitForFunction(() => document.querySelector(".banners").textContent.includes("context was lost"));
      await page.evaluate(() => lose.restoreContext());
      await page.waitForFunction(() => !document.querySelector(".banners").textContent.includes("context was lost"));
      await points(page, 1000);
      assert.deepEqual((await state(page)).rows, before);
    },
  },

  narrow_window_has_drawers: {
    viewport: { width: 760, height: 700 },
    async run({ page, open, shot }) {
      await open();
      assert.ok(!(await page.locator(".left").isVisible()));
      const b = await box(page);
      assert.equal(Math.round(b.width), 760);
      await page.getByRole("button", { name: "Legend" }).click();
      await page.waitForFunction(() => document.querySelector(".left").getBoundingClientRect().x === 0);
      await shot("drawer");
      const drawer = () => page.evaluate(() => document.getElementById("app").classList.contains("left-open"));
      await page.keyboard.press("Escape");
      assert.ok(!(await drawer()));
      await page.getByRole("button", { name: "Legend" }).click();
      await page.mouse.click(500, 300);
      assert.ok(!(await drawer()), "the map closes it too");
      await page.evaluate(() => augmapPage.app.show(5));
      await page.waitForSelector(".strip button");
      assert.equal(Math.round((await box(page)).width), 760);
      await shot("image");
      await page.waitForSelector(".review .queue", { state: "attached" });
      await page.keyboard.press("]");
      await page.getByRole("button", { name: "Keep" }).click({ trial: true }); // nothing lies over it
      await shot("review");
    },
  },

  on_a_phone: {
    viewport: { width: 390, height: 780 },
    async run({ page, open, shot }) {
      await page.route("**/review.json", async (route) => {
        const review = await (await route.fetch()).json();
        for (const queue of ["disagreement", "uncertain", "islands"]) review.queues.push({ ...review.queues[1], queue });
        await route.fulfill({ json: review });
      });
      await open();
      const b = await page.getByRole("button", { name: "Help" }).boundingBox();
      assert.ok(b.x + b.width <= 390, `help ends at ${b.x + b.width}`);
      await page.waitForSelector(".review .queue", { state: "attached" });
      await page.keyboard.press("]");
      await page.getByRole("button", { name: "Keep" }).click({ trial: true });
      await page.locator(".tab").last().evaluate((tab) => tab.click()); // as [ and ] come to it: nobody has scrolled there
      assert.ok(await page.locator(".tabs").evaluate((tabs) => tabs.querySelector("[aria-selected=true]").getBoundingClientRect().right <= tabs.getBoundingClientRect().right + 1), "the chosen queue is in sight");
      await shot("review");
    },
  },

  a_panel_opens_while_it_fits: {
    motion: true,
    async run({ page, open }) {
      await open();
      await page.evaluate(() => augmapPage.stage.lookAt({ u: 0.3, v: 0.3, d: 0.1 }));
      await page.keyboard.press("f");
      await page.locator(".class-name").first().click();
      await page.waitForFunction(() => {
        const { stage } = augmapPage;
        const { u0, u1 } = stage.table.cells.extent();
        const [left, right] = [u0, u1].map((u) => stage.size.width / 2 + ((u - stage.view.u) * stage.size.height) / 2 / stage.view.d);
        const now = JSON.stringify(stage.view);
        const landed = now === globalThis.viewBefore;
        globalThis.viewBefore = now;
        return landed && stage.size.width < 800 && left >= 0 && right <= stage.size.width;
      }, undefined, { timeout: 20_000 });
    },
  },

  replay_follows_legend_and_keys: {
    async run({ page, open, shot }) {
      const [n, frames] = [500, 40];
      await page.route("**/meta.json", async (route) => {
        const meta = await (await route.fetch()).json();
        meta.capabilities.replay = true;
        await route.fulfill({ json: meta });
      });
      const frame = (k) => ({ stage: "map", stage_number: 0, step: k, epoch: k, seconds: k, loss: 1, pca: false, dim: 2 });
      await page.route("**/replay.json", (route) => route.fulfill({ json: { n, rows: true, frames: Array.from({ length: frames }, (_, k) => frame(k)), losses: [] } }));
      await page.route("**/replay.bin", (route) => route.fulfill({ body: Buffer.from(Uint16Array.from({ length: frames * n * 2 }, (_, i) => (i * 7919) % 65536).buffer) }));
      await page.route("**/replay_rows.bin", (route) => route.fulfill({ body: Buffer.from(Uint32Array.from({ length: n }, (_, i) => 6 * i).buffer) }));
      await open();
      await page.locator(".class-name").nth(1).click();
      await page.locator(".swatch").first().click(); // the first class is hidden
      await still(page);
      const pixels = () => page.evaluate(() => {
        const c = document.querySelector("canvas.points");
        return c.getContext("2d").getImageData(0, 0, c.width, c.height).data.filter((v, i) => i % 4 === 3 && v > 20).length;
      });
      await painted(page);
      const [before, { selected }] = [await pixels(), await state(page)];
      await page.getByRole("button", { name: "Replay the training" }).click();
      await page.waitForFunction(() => Number(document.querySelector("[aria-label=Frame]").value) > 1);
      await page.keyboard.press("Space"); // pauses, though the mouse has just pressed another button
      await page.waitForFunction(() => document.querySelector(".replay-play").textContent === "Play");
      const drawn = () => page.evaluate(() => { const { x } = augmapPage.stage.points; return [x.length, x.filter((v) => v === v).length]; });
      const shown = await page.evaluate(() => Array.from({ length: 500 }, (_, i) => 6 * i).filter((i) => augmapPage.app.isVisible(i)).length);
      assert.deepEqual(await drawn(), [500, shown], "what is hidden is hidden in the replay");
      await page.locator("#colour-by").selectOption("");
      await page.waitForFunction(() => augmapPage.app.state.colour === null);
      assert.deepEqual(await drawn(), [500, 500], "still the frame, in another colour");
      await shot("paused");
      await page.locator("#colour-by").selectOption({ label: "label" });
      await page.waitForFunction(() => augmapPage.app.state.colour !== null);
      await page.locator(".swatch").first().click();
      await page.keyboard.press("Escape");
      await page.waitForFunction(() => !augmapPage.stage.guest && augmapPage.stage.points.x.length === augmapPage.app.table.n);
      assert.equal((await state(page)).selected, selected, "Escape closes the replay and nothing else");
      await still(page);
      await painted(page);
      const after = await pixels();
      assert.ok(Math.abs(after - before) < 0.02 * before, `${after} pixels after the replay, ${before} before`);
    },
  },

  training_is_watched: {
    motion: true,
    async run({ page, open, shot }) {
      const n = 3000;
      const xy = (k) => Buffer.from(Uint16Array.from({ length: 2 * n }, (_, i) => (i * 7919 + k * 12345) % 65536).buffer).toString("base64");
      const events = [];
      const event = (name, data) => events.push(`id: ${events.length + 1}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
      event("status", { state: "running", stage: "pretrain", stage_number: 0, stages: 3, step: 40, steps: 100, epoch: 4, loss: 3.21, learning_rate: 0.1, views_per_second: 2000, seconds: 60, seconds_left: 90 });
      event("loss", { points: [[1, 5], [20, 4], [40, 3.5], [60, 3.21]], stage_number: 0 });
      event("frame", { frame: 3, stage: "pretrain", stage_number: 0, step: 40, epoch: 4, seconds: 60, pca: true, dim: 128, n, xy: xy(1) });
      const sent = [];
      await page.route("**/meta.json", async (route) => {
        const meta = await (await route.fetch()).json();
        meta.live = { stages: ["pretrain", "readout", "finetune"], state: "running", every: 1, images: 60000 };
        meta.capabilities.live = true;
        await route.fulfill({ json: meta });
      });
      let asked = 0; // the stream ends after these; 204 tells the browser not to come back
      await page.route("**/events", (route) => (asked++ ? route.fulfill({ status: 204 }) : route.fulfill({ contentType: "text/event-stream", body: events.join("") })));
      await page.route("**/control", (route) => {
        sent.push(route.request().postDataJSON().action);
        return route.fulfill({ json: { state: { pause: "paused", resume: "running", stop: "stopping" }[sent[sent.length - 1]] } });
      });
      await open();
      await page.waitForFunction(() => document.documentElement.dataset.frame === "3");
      const x = await page.evaluate(() => [augmapPage.app.table.x[5], augmapPage.app.table.y[5]]);
      const want = [10, 11].map((i) => (((i * 7919 + 12345) % 65536) / 65535) * 2 - 1);
      assert.ok(Math.abs(x[0] - want[0]) < 1e-6 && Math.abs(x[1] - want[1]) < 1e-6, "a frame moves the points");
      assert.match(await page.locator(".live").textContent(), /Pretrain.*stage 1 of 3 · 40 % · 1 min 30 s left.*128 dimensions/);
      await page.waitForFunction(() => !augmapPage.stage.moving);
      await shot("live");
      await page.getByRole("button", { name: "Pause" }).click();
      await page.getByRole("button", { name: "Resume" }).click();
      await page.getByRole("button", { name: "Stop and keep" }).click();
      await page.waitForFunction(() => document.querySelector(".toast").textContent.includes("Stopping"));
      assert.deepEqual(sent, ["pause", "resume", "stop"]);
    },
  },

  tags_stay_when_training_ends: {
    async run({ page, open }) {
      const end = await trained(page);
      await open();
      await tagged(page, "odd");
      const rows = () => page.evaluate(() => [...augmapPage.app.tags.get("odd").rows()]);
      const before = await rows();
      end();
      await page.waitForFunction(() => document.documentElement.dataset.state === "ready" && augmapPage.app.meta.live === null);
      assert.deepEqual(await rows(), before, "the page of the map has them");
      assert.ok(await asks(page), "and asks before they are lost");
      await Promise.all([page.waitForEvent("dialog").then((d) => d.accept()), page.reload()]);
      await page.waitForFunction(() => document.documentElement.dataset.state === "ready");
      assert.equal((await state(page)).tags.length, 0, "they are carried once");
    },
  },

  tags_that_cannot_be_carried: {
    async run({ page, open, shot }) {
      const end = await trained(page);
      await page.addInitScript(() => (Storage.prototype.setItem = () => {
        throw new DOMException("full", "QuotaExceededError");
      }));
      await open();
      await tagged(page, "odd");
      end();
      const banner = page.locator(".banner", { hasText: "The map is ready. Tags end with this page" });
      await banner.waitFor();
      await shot("asked");
      assert.equal((await state(page)).tags.length, 1);
      await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
      assert.ok(!(await asks(page)));
      await banner.getByRole("button").click();
      await page.waitForFunction(() => document.documentElement.dataset.state === "ready" && augmapPage.app.meta.live === null);
    },
  },

  two_maps_are_linked: {
    async run({ page, open, given, shot }) {
      await open(given.pair);
      await page.waitForSelector(".pane:nth-child(2) .stage");
      await still(page);
      await painted(page);
      await shot("pair");
      const panes = page.locator(".stage");
      assert.equal(await panes.count(), 2);
      const second = await panes.nth(1).boundingBox();
      await page.keyboard.press("b");
      await drag(page, [[second.x + second.width * 0.3, second.y + second.height * 0.3], [second.x + second.width * 0.7, second.y + second.height * 0.7]]);
      const s = await state(page);
      assert.ok(s.selected > 0, "a box in the second map selects in both");
      assert.equal(await page.locator(".count-live").first().textContent(), `${s.selected.toLocaleString("en")} of ${s.n.toLocaleString("en")}`);
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Morph" }).click();
      await page.waitForFunction(() => augmapPage.stage.guest);
      await shot("morphed");
      const morphed = () => page.evaluate(() => [...augmapPage.stage.points.x.subarray(0, 20)]);
      const there = await morphed();
      await page.locator("#colour-by").selectOption("");
      await page.waitForFunction(() => augmapPage.app.state.colour === null);
      assert.deepEqual(await morphed(), there, "another colour leaves the points where they are");
      // a hand that moves while a drawing is under way: the last place counts
      await page.evaluate(async () => {
        const slider = document.querySelector("[aria-label='From the first map to the second']");
        for (const value of [80, 60, 50]) {
          slider.value = value;
          slider.dispatchEvent(new Event("input"));
          await new Promise(requestAnimationFrame);
        }
      });
      const half = await page.evaluate(() => { const { table, linked } = augmapPage.stage; return Array.from({ length: 20 }, (_, i) => Math.fround((table.x[i] + linked[0].table.x[i]) / 2)); });
      await page.waitForFunction((want) => want.every((x, i) => Math.abs(augmapPage.stage.points.x[i] - x) < 1e-6), half, { timeout: 10_000 });
      await page.getByLabel("Map of").focus();
      await page.keyboard.press("+");
      await page.getByRole("button", { name: "Side by side" }).click();
      await page.waitForFunction(() => !augmapPage.stage.guest);
      await still(page);
      await shot("again");
      const [one, two] = await page.evaluate(() => [augmapPage.stage, augmapPage.stage.linked[0]].map(({ view, size, canvas }) => ({ view, size, canvas: [canvas.clientWidth, canvas.clientHeight] })));
      assert.deepEqual(two, one, "the second map comes back in its size, at the same place");
      assert.ok(two.size.width > 400, JSON.stringify(two));
    },
  },

  one_file_without_a_network: {
    async run({ page, open, given, context, shot }) {
      await open();
      const file = join(given.out, "one-file.html");
      await writeFile(file, await singleFile(page, given.static));
      await context.setOffline(true);
      const requests = [];
      page.on("request", (r) => r.url().startsWith("blob:") || r.url().startsWith("data:") || requests.push(r.url()));
      await page.goto(pathToFileURL(file).href);
      await page.waitForFunction(() => document.documentElement.dataset.state === "ready");
      assert.equal(requests.length, 1, requests.join());
      await points(page, 2000);
      await page.evaluate(() => augmapPage.app.show(42));
      await pictured(page, ".strip .thumb"); // thumbnails come out of the file
      await shot("file");
      await drop(page, [["a.png", PIXEL.split(",")[1]]]);
      await page.waitForFunction(() => document.querySelector(".toast").textContent.includes("--with-encoder"));
      // as a notebook shows it: a frame has no address to give away
      assert.equal(await page.getByRole("button", { name: "Copy a link" }).count(), 1);
      const outside = await context.newPage();
      await outside.setContent('<iframe sandbox="allow-scripts allow-downloads" width="1100" height="640"></iframe>');
      await outside.evaluate((html) => (document.querySelector("iframe").srcdoc = html), await readFile(file, "utf8"));
      const frame = outside.frameLocator("iframe");
      await frame.locator("html[data-state=ready]").waitFor();
      assert.equal(await frame.getByRole("button", { name: "Copy a link" }).count(), 0);
    },
  },

  a_file_asks_before_decisions_are_lost: {
    async run({ page, open, given, context, shot }) {
      await open();
      const file = join(given.out, "review-file.html");
      const review = await page.evaluate(async () => (await fetch("review.json")).json());
      for (const { items } of review.queues.flatMap((q) => q.groups)) for (const item of items) item.decision = "";
      await writeFile(file, await singleFile(page, given.static, review));
      await context.setOffline(true);
      await page.goto(pathToFileURL(file).href);
      await page.waitForFunction(() => document.documentElement.dataset.state === "ready");
      const said = () => page.locator(".review-head .count").textContent();
      await page.keyboard.press("]");
      assert.ok(!(await asks(page)));
      await page.keyboard.press("k");
      await page.keyboard.press("d");
      await page.locator(".banner", { hasText: "cannot save decisions" }).waitFor();
      assert.equal(await said(), "2 of 6 decided · 2 not yet saved as CSV");
      assert.ok(await asks(page));
      await shot("unsaved");
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save CSV" }).click()]);
      const path = join(given.out, "review-from-file.csv");
      await download.saveAs(path);
      const saved = (await readFile(path, "utf8")).trimEnd().split("\r\n");
      assert.deepEqual(saved.slice(1, 4).map((l) => l.split(",").pop()), ["keep", "drop", ""]);
      const undecided = (lines) => lines.slice(1).map((l) => l.slice(0, l.lastIndexOf(",")));
      assert.deepEqual(undecided(saved), undecided((await readFile(given.review, "utf8")).trimEnd().split(/\r?\n/)), "all else is as it was");
      assert.equal(await said(), "2 of 6 decided");
      assert.equal(await page.locator(".banner").count(), 0);
      assert.ok(!(await asks(page)));
      await page.keyboard.press("k");
      assert.ok(await asks(page), "what is decided afterwards is unsaved again");
    },
  },
};

const PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** The page and its blobs as one file, in the format of docs/explorer-page.md. */
async function singleFile(page, folder, review = null) {
  const text = (name) => readFile(join(folder, name), "utf8");
  const meta = await page.evaluate(async () => (await fetch("meta.json")).json());
  Object.assign(meta.capabilities, { originals: false, embed: false, review: review !== null });
  const paths = [...meta.columns.filter((c) => c.ready !== false).map((c) => `col/${c.id}.bin`), ...(meta.density ? [`col/${meta.density.id}.bin`] : []), ...Array.from({ length: meta.thumbs.pages }, (_, k) => `thumbs/${k}.webp`)];
  const element = (id, bytes) => `<script type="application/octet-stream+gzip+base64" id="${id}">${gzipSync(bytes).toString("base64")}</script>`;
  const parts = [element("meta.json", Buffer.from(JSON.stringify(meta)))];
  if (review) parts.push(element("review.json", Buffer.from(JSON.stringify(review))));
  for (const path of new Set(paths)) {
    const bytes = await page.evaluate(async (p) => [...new Uint8Array(await (await fetch(p)).arrayBuffer())], path);
    parts.push(element(path, Buffer.from(bytes)));
  }
  const policy = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; worker-src blob:; connect-src 'none'">`;
  const html = await text("index.html");
  const script = (await text("app.js")).replace(/<\/script/gi, "<\\/script");
  const styles = await text("app.css");
  return html
    .replace("<head>", () => `<head>${policy}`)
    .replace('<link rel="stylesheet" href="static/app.css">', () => `<style>${styles}</style>`)
    .replace('<script src="static/app.js" defer></script>', () => "")
    .replace("</body>", () => `${parts.join("\n")}<script>${script}</script></body>`);
}
