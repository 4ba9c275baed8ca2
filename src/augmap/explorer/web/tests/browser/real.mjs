// What the page does with what is real: a training that runs, maps that were trained, photographs that are placed.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { drop, points, still } from "./hands.mjs";

const root = (page, name) => page.evaluate((n) => document.documentElement.dataset[n] ?? "", name);
/** Where the points are drawn now. */
const places = (page) => page.evaluate(() => { const { x, y } = augmapPage.stage.points; return [[...x], [...y]]; });
const apart = (a, b) => Math.sqrt(a[0].reduce((sum, x, i) => sum + (x - b[0][i]) ** 2 + (a[1][i] - b[1][i]) ** 2, 0) / a[0].length);
/** How many values the loss curve has, by what it says to those who do not see it. */
const values = (page) => page.evaluate(() => Number(/([\d,]+) value/.exec(document.querySelector(".live .loss").getAttribute("aria-label"))?.[1].replace(",", "") ?? 0));
const frame = (page, more) => page.waitForFunction((k) => Number(document.documentElement.dataset.frame ?? -1) >= k && !augmapPage.stage.moving, more);

export const scenarios = {
  a_training_is_watched: {
    motion: true,
    async run({ page, open, given, shot }) {
      await open();
      assert.ok(await page.locator(".live").isVisible(), "the page is there while the map is not");
      await frame(page, 0);
      assert.equal(await page.evaluate(() => augmapPage.app.table.n), given.n);
      const [first, began] = [await places(page), await values(page)];
      const seen = Number(await root(page, "frame"));
      await frame(page, seen + 2);
      const moved = apart(first, await places(page));
      assert.ok(moved > 0.01, `points move: ${moved}`);
      await page.waitForFunction((k) => Number(/([\d,]+) value/.exec(document.querySelector(".live .loss").getAttribute("aria-label"))?.[1].replace(",", "") ?? 0) > k, began);
      assert.match(await page.locator(".live").textContent(), /Pretrain stage 1 of 2 · \d+ % · .* left in this stage · loss [\d.]+.*first two principal components/);
      await shot("pretrain");

      await page.getByRole("button", { name: "Pause" }).click();
      await page.waitForSelector(".live button:has-text('Resume')");
      const now = async () => JSON.stringify([await root(page, "step"), await root(page, "frame"), await values(page)]);
      // a run tells where it stands every second, unless it is held
      let held = "";
      for (let again = await now(); again !== held; again = await now()) {
        held = again;
        await page.waitForTimeout(3500);
      }
      assert.match(await page.locator(".live").textContent(), /^Paused/);
      await page.reload(); // the page of a held run is the same for who comes now
      await page.waitForFunction(() => document.documentElement.dataset.frame !== undefined && document.querySelector(".live button")?.textContent === "Resume");
      assert.equal(await root(page, "step"), JSON.parse(held)[0]);
      await page.getByRole("button", { name: "Resume" }).click();
      await page.waitForFunction((step) => document.documentElement.dataset.step.split(":")[1] > Number(step.split(":")[1]), JSON.parse(held)[0]);

      await page.getByRole("button", { name: "Stop and keep" }).click();
      await page.waitForFunction(() => document.querySelector(".live-head")?.textContent.startsWith("Stopping"));
      await page.waitForFunction(() => document.documentElement.dataset.state === "ready" && augmapPage.app.meta.live === null, null, { timeout: 300_000 });
      assert.equal(await page.evaluate(() => augmapPage.app.table.n), given.n);
      await points(page, 1000);
      await shot("map");
      return { moved };
    },
  },

  the_training_is_replayed: {
    async run({ page, open, shot }) {
      await open();
      const table = await page.evaluate(() => [[...augmapPage.app.table.x], [...augmapPage.app.table.y]]);
      await page.getByRole("button", { name: "Replay the training" }).click();
      const slider = page.getByLabel("Frame");
      await page.waitForFunction(() => Number(document.querySelector("[aria-label=Frame]").value) > 0); // it plays
      await slider.focus();
      await page.keyboard.press("Home"); // a hand on the scrubber stops the film
      const count = Number(await slider.getAttribute("max")) + 1;
      const at = async (k) => {
        await page.waitForFunction((b) => document.querySelector("[aria-label=Frame]").value === String(b) && augmapPage.stage.guest, k);
        return places(page);
      };
      const first = await at(0);
      await shot("first");
      await page.keyboard.press("End");
      const last = await at(count - 1);
      assert.ok(apart(last, table) < 1e-4, `the film ends with the map: ${apart(last, table)}`);
      assert.ok(apart(first, table) > 0.05, "and began elsewhere");
      await page.keyboard.press("ArrowLeft");
      const before = await at(count - 2);
      assert.ok(apart(before, last) < apart(first, last), "one step back is nearer than the beginning");
      await shot("before-the-end");
      await page.getByRole("button", { name: /Play/ }).last().click();
      await page.waitForFunction((k) => document.querySelector("[aria-label=Frame]").value === String(k), count - 1);
      await page.keyboard.press("Escape");
      await page.waitForFunction(() => !augmapPage.stage.guest && document.querySelector(".replay").hidden);
      assert.ok(apart(await places(page), table) === 0);
      return { frames: count };
    },
  },

  two_trainings_are_compared: {
    async run({ page, open, given, shot }) {
      await open(given.pair);
      await page.waitForSelector(".pane:nth-child(2) .stage");
      await still(page);
      const second = await page.locator(".stage").nth(1).boundingBox();
      const other = await page.evaluate(async () => {
        const take = async (id) => [...new Float32Array(await (await fetch(`b/col/${id}.bin`)).arrayBuffer())];
        return [await take("x"), await take("y")];
      });
      const linked = await page.evaluate(() => { const { view, size } = augmapPage.stage.linked[0]; return [view.u, view.v, view.d, size.width, size.height]; });
      const [u, v, d, width, height] = linked;
      const place = (i) => [second.x + width / 2 + ((other[0][i] - u) * height) / 2 / d, second.y + height / 2 - ((other[1][i] - v) * height) / 2 / d];
      const box = [second.x + width * 0.25, second.y + height * 0.25, second.x + width * 0.6, second.y + height * 0.6];
      const want = Array.from({ length: given.n }, (_, i) => i).filter((i) => { const [x, y] = place(i); return x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3]; });
      await page.keyboard.press("b");
      await page.mouse.move(box[0], box[1]);
      await page.mouse.down();
      await page.mouse.move(box[2], box[3], { steps: 3 });
      await page.mouse.up();
      assert.ok(want.length > 5 && want.length < given.n, `${want.length}`);
      assert.deepEqual(await page.evaluate(() => [...augmapPage.app.state.selection.rows()]), want);
      await still(page);
      await shot("selected");
      await page.keyboard.press("Escape");
      await page.keyboard.press("b");
      await still(page);
      // a hand over the second map: the ring is on the image in both
      const where = await page.evaluate((n) => {
        const s = augmapPage.stage.linked[0];
        const b = s.element.getBoundingClientRect();
        const spots = Array.from({ length: n }, (_, i) => s.screen(i)); // the one in the middle is surely in view
        const [x, y] = spots.sort((p, q) => Math.hypot(p[0] - b.width / 2, p[1] - b.height / 2) - Math.hypot(q[0] - b.width / 2, q[1] - b.height / 2))[0];
        return [b.x + x, b.y + y];
      }, given.n);
      await page.mouse.move(...where);
      await page.waitForFunction(() => augmapPage.app.state.hovered >= 0);
      await page.mouse.move(5, 5);
      const mine = await places(page);
      await page.getByRole("button", { name: "Morph" }).click();
      const slider = page.getByLabel("From the first map to the second");
      await page.waitForFunction(() => augmapPage.stage.guest);
      const theirs = await places(page);
      assert.ok(apart(theirs, other) < 1e-6, "at the end it is the second map");
      await slider.focus();
      for (let k = 0; k < 5; k++) await page.keyboard.press("PageDown");
      await page.waitForFunction(() => Number(document.querySelector("[aria-label='From the first map to the second']").value) === 50);
      const half = [0, 1].map((j) => mine[j].map((x, i) => (x + other[j][i]) / 2));
      await page.waitForFunction(([x0]) => Math.abs(augmapPage.stage.points.x[0] - x0) < 1e-6, half[0]);
      assert.ok(apart(await places(page), half) < 1e-6, "half way between");
      await shot("morph");
      await page.getByRole("button", { name: "Side by side" }).click();
      await page.waitForFunction(() => !augmapPage.stage.guest);
      return { apart: apart(mine, other), selected: want.length };
    },
  },

  photographs_are_placed: {
    async run({ page, open, given, shot }) {
      await open();
      const answers = [];
      for (const path of given.images) {
        const [answer] = await Promise.all([page.waitForResponse((r) => r.url().endsWith("/embed")), drop(page, [[basename(path), (await readFile(path)).toString("base64")]])]);
        const { x, y, u, v, views } = await answer.json();
        answers.push([x, y]);
        await page.waitForFunction((name) => document.querySelector(".toast").textContent.startsWith("Placed") && document.querySelector(".placed").textContent.includes(name), basename(path));
        // the page looks at where it landed, and at its cloud: two standard deviations, whatever its direction
        const { view, size } = await page.evaluate(() => ({ view: augmapPage.stage.view, size: augmapPage.stage.size }));
        const [wide, high] = [(view.d * size.width) / size.height, view.d];
        const mean = (of) => views.reduce((total, at) => total + of(at), 0) / views.length;
        const [mu, mv] = [mean((at) => at[0]), mean((at) => at[1])];
        const [p, q, r] = [mean((at) => (at[0] - mu) ** 2), mean((at) => (at[0] - mu) * (at[1] - mv)), mean((at) => (at[1] - mv) ** 2)];
        const reach = 2 * Math.sqrt((p + r) / 2 + Math.hypot((p - r) / 2, q));
        assert.equal(views.length, 32);
        assert.ok(Math.abs(mu - view.u) + reach <= wide && Math.abs(mv - view.v) + reach <= high, "its cloud is in sight");
        assert.ok(Math.abs(u - view.u) <= wide && Math.abs(v - view.v) <= high, "the image itself is in sight");
      }
      await shot("placed");
      return answers;
    },
  },
};
