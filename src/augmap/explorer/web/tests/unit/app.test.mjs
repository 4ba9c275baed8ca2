// What is chosen on a table of images, without a page: search, regions, addresses, thumbnails.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const { App } = await load("app");
const { columnOf, restore } = await load("address");
const { Mask, packMask } = await load("mask");
const { regionLayer, selectRegion } = await load("layers");
const { find } = await load("search");
const { Table } = await load("table");
const { Sprites } = await load("thumbs");

/** The blob of a text column. */
function texts(words) {
  const parts = words.map((w) => new TextEncoder().encode(w));
  const offsets = parts.reduce((list, part) => [...list, list[list.length - 1] + part.length], [0]);
  const blob = new Uint8Array(4 * offsets.length + offsets[words.length]);
  blob.set(new Uint8Array(new Uint32Array(offsets).buffer));
  parts.forEach((part, i) => blob.set(part, 4 * offsets.length + offsets[i]));
  return blob.buffer;
}

/** A table of images at one place, with labels and scores that are here. */
async function tableOf(names, labels = {}, scores = {}) {
  const n = names.length;
  const columns = [{ id: "x", k: 1, dtype: "f32" }, { id: "y", k: 1, dtype: "f32" }, { id: "name", kind: "text", dtype: "utf8", k: 1 }];
  const blobs = { name: texts(names) };
  for (const [name, [categories, codes]] of Object.entries(labels)) {
    columns.push({ id: name, name, kind: "category", dtype: "u8", k: 1, categories, counts: categories.map((_, c) => codes.filter((v) => v === c).length) });
    blobs[name] = Uint8Array.from(codes).buffer;
  }
  for (const [name, values] of Object.entries(scores)) {
    columns.push({ id: name, name, kind: "score", dtype: "f32", k: 1, range: [Math.min(...values), Math.max(...values)] });
    blobs[name] = Float32Array.from(values).buffer;
  }
  const table = new Table({ n, columns, thumbs: null, regions: null }, { column: async (id) => blobs[id] }, new Float32Array(n), new Float32Array(n));
  for (const id of [...Object.keys(labels), ...Object.keys(scores)]) await table.load(id);
  return table;
}

test("a search that comes before the file names leaves those that follow it alone", async () => {
  const table = await tableOf(["cat.png", "dog.png"]);
  const app = new App(table.meta, {}, table, {}, "dark");
  assert.deepEqual([find(app, "cat", null).hits, table.awaitsNames], [[], true]);
  await table.loadNames();
  assert.deepEqual([find(app, "cat", null).hits.map((h) => h.text), table.awaitsNames], [["cat.png"], false]);
  const broken = new Table(table.meta, { column: async () => new ArrayBuffer(0) }, table.x, table.y);
  await assert.rejects(broken.loadNames(), /rows of text/);
  assert.equal(broken.awaitsNames, false, "they will not come");
});

test("a label named exactly as typed comes first, however many contain the word", async () => {
  const categories = ["", ...Array.from({ length: 100 }, (_, k) => `area ${k}`), "area"];
  const table = await tableOf(Array(101).fill(""), { label: [categories, Array.from({ length: 101 }, (_, k) => k + 1)] });
  table.meta.regions = { levels: [{ id: "r0", regions: Array.from({ length: 70 }, (_, k) => ({ code: k, size: 1, medoid: 0, name: `my area ${k}` })) }] };
  const { hits, more } = find(new App(table.meta, {}, table, {}, "dark"), "area", null);
  assert.deepEqual([hits.length, hits[0].text, more], [14, "area", 101 + 70 - 14]);
});

test("a region without an image in sight has no name on the map, and a click on it changes nothing", async () => {
  const table = await tableOf(["a", "b", "c", "d"], { r0: [["", "one", "two"], [1, 1, 2, 2]] });
  table.meta.regions = { levels: [{ id: "r0", regions: [{ code: 1, size: 2, medoid: 0, name: "one", u: -0.5, v: 0 }, { code: 2, size: 2, medoid: 2, name: "two", u: 0.5, v: 0 }] }] };
  const app = new App(table.meta, {}, table, { size: 8, paint: () => true }, "dark");
  const painted = [];
  const context = new Proxy({}, { get: (_, key) => (key === "measureText" ? (t) => ({ width: 7 * t.length }) : key === "fillText" ? (t) => painted.push(t) : () => undefined), set: () => true });
  const stage = { view: { u: 0, v: 0, d: 1 }, size: { width: 800, height: 600 }, moving: false, repaint: () => undefined };
  const layer = regionLayer(app, () => ({ font: "x" }), { on: false });
  const names = () => {
    painted.length = 0;
    layer.paint(context, stage);
    return [...painted].sort();
  };
  assert.deepEqual(names(), ["one", "two"]);
  app.state.kept = Mask.of(4, [1]);
  app.refilter();
  assert.deepEqual(names(), ["one"]);
  app.select(Mask.of(4, [1]));
  await selectRegion(app, 0, 2, "replace");
  assert.deepEqual([...app.state.selection.rows()], [1], "nothing of it is in sight");
  await selectRegion(app, 0, 1, "replace");
  assert.deepEqual([...app.state.selection.rows()], [1]);
  app.unfilter();
  assert.deepEqual(names(), ["one", "two"]);
});

test("an address takes back what it does not hold", async () => {
  const table = await tableOf(["a", "b", "c"], { label: [["", "k", "l"], [1, 2, 2]] });
  await table.loadNames();
  const app = new App(table.meta, {}, table, {}, "dark");
  await restore(app, { colour: "label", hidden: [1], selection: packMask(Mask.of(3, [2]), null), image: "c", contours: true, regions: false });
  const now = () => [app.state.colour, app.visible && [...app.visible.rows()], [...app.state.selection.rows()], app.state.current, app.state.contours, app.state.regions];
  assert.deepEqual(now(), ["label", [1, 2], [2], 2, true, false]);
  await restore(app, { colour: "label", kept: packMask(Mask.of(3, [0]), null) });
  assert.deepEqual(now(), ["label", [0], [], -1, false, true]);
  await restore(app, {});
  assert.deepEqual(now(), ["label", null, [], -1, false, true]);
});

test("what an address hides is hidden in its own column alone", async () => {
  const table = await tableOf(["a", "b"], { label: [["", "k"], [1, 1]] }, { outlier: [1, 2] });
  const app = new App(table.meta, {}, table, {}, "dark");
  await app.colourBy("label");
  for (const saved of [{ colour: "gone", hidden: [1] }, { colour: "gone", range: [5, 6] }]) {
    await restore(app, saved);
    assert.deepEqual([app.state.colour, app.visible], ["label", null]);
  }
  await restore(app, { colour: "outlier", range: [2, 3] });
  assert.deepEqual([app.state.colour, [...app.visible.rows()]], ["outlier", [1]]);
  table.spec("outlier").ready = false;
  assert.deepEqual([{}, { colour: "" }, { colour: "outlier" }].map((saved) => columnOf(app, saved)), ["outlier", null, undefined]);
});

test("a page of thumbnails that did not come is asked for again, after a while", async (t) => {
  let [now, asked, fails] = [0, 0, true];
  t.mock.method(performance, "now", () => now);
  globalThis.HTMLImageElement = globalThis.Image = class {
    async decode() {
      asked++;
      if (fails) throw new Error("away");
    }
  };
  t.after(() => (delete globalThis.Image, delete globalThis.HTMLImageElement));
  const table = { meta: { thumbs: { size: 8, columns: 2, pages: 1 } }, get: () => [0], source: { thumbs: async () => "" } };
  const sprites = new Sprites(table, () => undefined);
  const paint = async () => {
    const there = sprites.paint({ drawImage: () => undefined }, 0, 0, 0, 8);
    await new Promise(setImmediate);
    return [there, asked];
  };
  assert.deepEqual(await paint(), [false, 1]);
  assert.deepEqual(await paint(), [false, 1], "not at once");
  [now, fails] = [5000, false];
  assert.deepEqual(await paint(), [false, 2]);
  assert.deepEqual(await paint(), [true, 2]);
});
