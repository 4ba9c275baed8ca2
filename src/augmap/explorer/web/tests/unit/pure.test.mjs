// The parts without a page, under node's own test runner. esbuild turns each module into one that node reads.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const { App } = await load("app");
const { Mask, packMask, unpackMask } = await load("mask");
const { Cells, inPolygon } = await load("cells");
const { declutter } = await load("declutter");
const { encode, decode } = await load("hash");
const { decodeNumbers, Texts, checkMeta } = await load("columns");
const { ellipseOf } = await load("ellipse");
const { csvField, toCsv } = await load("export");
const { byScore, byCategory, colouredCodes, viridis, PALETTE } = await load("colours");
const { fitView, toMap, toScreen, zoomAt, flight } = await load("camera");
const { contour } = await load("contours");
const { frameOf, fromBase64, duration } = await load("frames");
const { inOrder, shorten } = await load("names");
const { pictureSize } = await load("layers");
const { lerp } = await load("compare");
const { unpack } = await load("source");
const { spread } = await load("spread");

/** A small generator, so that a failure can be repeated. */
function random(seed) {
  let s = seed >>> 0;
  return () => ((s = (Math.imul(s, 1664525) + 1013904223) >>> 0) / 2 ** 32);
}

test("a mask holds what was put in, and nothing else", () => {
  for (const n of [1, 31, 32, 33, 1000]) {
    const next = random(n);
    const want = Array.from({ length: n }, () => next() < 0.3);
    const mask = Mask.of(n, want.flatMap((w, i) => (w ? [i] : [])));
    assert.equal(mask.count, want.filter(Boolean).length);
    assert.deepEqual([...mask.rows()], want.flatMap((w, i) => (w ? [i] : [])));
    mask.add(n); // beyond the end: ignored
    mask.add(-1);
    assert.equal(mask.count, want.filter(Boolean).length);
  }
});

test("or, and, without, remove: hand counted", () => {
  const a = Mask.of(40, [0, 5, 31, 32]);
  const b = Mask.of(40, [5, 32, 39]);
  assert.deepEqual([...a.or(b).rows()], [0, 5, 31, 32, 39]);
  assert.deepEqual([...a.and(b).rows()], [5, 32]);
  assert.deepEqual([...a.without(b).rows()], [0, 31]);
  a.remove(31);
  assert.deepEqual([...a.rows()], [0, 5, 32]);
});

test("a packed mask comes back, in any order, and a run costs few characters", () => {
  const n = 5000;
  const next = random(7);
  const order = Uint32Array.from({ length: n }, (_, i) => i).sort(() => next() - 0.5);
  for (const share of [0, 0.001, 0.5, 1]) {
    const mask = Mask.of(n, [...Array(n).keys()].filter(() => next() < share));
    for (const o of [null, order]) assert.deepEqual([...unpackMask(packMask(mask, o), n, o).rows()], [...mask.rows()]);
  }
  const run = Mask.of(n, order.slice(1000, 3000));
  assert.ok(packMask(run, order).length <= 6, packMask(run, order));
});

test("text that is no mask is refused, not guessed", () => {
  for (const text of ["%", "AAA", "_____w", "gICAgICAgIA", "<script>"]) {
    const mask = unpackMask(text, 10, null);
    assert.ok(mask === null || mask.count === 0, text);
  }
  assert.equal(unpackMask(packMask(Mask.of(1000, [999]), null), 10, null), null);
});

test("the index finds the points of a box and the nearest, as a search through all does", () => {
  const next = random(3);
  const n = 3000;
  const x = Float32Array.from({ length: n }, () => next() * 2 - 1);
  const y = Float32Array.from({ length: n }, () => (next() * 2 - 1) * next());
  x[17] = NaN;
  const cells = new Cells(x, y);
  for (let k = 0; k < 40; k++) {
    const [u, v, r] = [next() * 2.4 - 1.2, next() * 2.4 - 1.2, next() * 0.5];
    const box = { u0: u - r, v0: v - r, u1: u + r, v1: v + r };
    const found = [];
    cells.each(box, (i) => found.push(i));
    const all = [...x.keys()].filter((i) => x[i] >= box.u0 && x[i] <= box.u1 && y[i] >= box.v0 && y[i] <= box.v1);
    assert.deepEqual(found.sort((a, b) => a - b), all);
    assert.ok(cells.estimate(box) >= all.length);
    const d = (i) => Math.hypot(x[i] - u, y[i] - v);
    const order = [...x.keys()].filter((i) => i !== 17).sort((a, b) => d(a) - d(b));
    const nearest = cells.nearest(u, v, r);
    if (d(order[0]) <= r) assert.equal(nearest, order[0]);
    else assert.equal(nearest, -1);
    assert.deepEqual(cells.nearestK(u, v, 9), order.slice(0, 9));
  }
  assert.equal(cells.estimate({ u0: -2, v0: -2, u1: 2, v1: 2 }), n - 1);
});

test("an outlier does not make the rest small", () => {
  const n = 1000;
  const x = Float32Array.from({ length: n }, (_, i) => (i === 5 ? 1 : (i / n - 0.5) * 0.2));
  const box = new Cells(x, x).extent();
  assert.ok(box.u1 < 0.2 && box.u1 >= 0.099, String(box.u1));
});

test("inside a polygon: a U, where the gap is outside", () => {
  const u = [0, 0, 3, 0, 3, 3, 2, 3, 2, 1, 1, 1, 1, 3, 0, 3];
  assert.ok(inPolygon(0.5, 2, u) && inPolygon(1.5, 0.5, u) && inPolygon(2.5, 2.9, u));
  assert.ok(!inPolygon(1.5, 2, u) && !inPolygon(3.1, 1, u) && !inPolygon(-0.1, 0.5, u));
});

test("thumbnails never overlap, and panning changes nothing among those that stay", () => {
  const next = random(11);
  const n = 2000;
  const x = Float32Array.from({ length: n }, () => next());
  const y = Float32Array.from({ length: n }, () => next());
  const rank = (i) => (i * 7919) % n;
  const edge = 0.03;
  const rows = [...x.keys()];
  const all = declutter(rows, x, y, rank, edge);
  for (const i of all) for (const j of all) assert.ok(i >= j || Math.abs(x[i] - x[j]) >= edge || Math.abs(y[i] - y[j]) >= edge);
  assert.ok(all.length > 200, `only ${all.length} shown`);
  assert.ok(all.includes(rows.find((i) => rank(i) === 0)), "the most typical is always shown");
  const margin = 5 * edge;
  const view = (u0) => rows.filter((i) => x[i] > u0 - margin && x[i] < u0 + 0.4 + margin);
  const seen = (u0, list) => list.filter((i) => x[i] > 0.35 && x[i] < 0.55 && x[i] > u0 && x[i] < u0 + 0.4);
  assert.deepEqual(seen(0.2, declutter(view(0.2), x, y, rank, edge)), seen(0.31, declutter(view(0.31), x, y, rank, edge)).concat([]).filter((i) => x[i] < 0.6));
});

test("the size of thumbnails changes only when the number has clearly changed", () => {
  let size = pictureSize(230, 0);
  assert.equal(size, 40);
  size = pictureSize(215, size);
  assert.equal(size, 40);
  size = pictureSize(150, size);
  assert.equal(size, 52);
  assert.equal(pictureSize(230, size), 52);
});

test("the address brings back the view", () => {
  const saved = { view: { u: 0.123, v: -0.5, d: 0.025 }, colour: "odd & name=1", hidden: [3, 17], range: [0.25, 1.5], selection: "AbC-_", kept: "QQ", image: "a/b ü&#.png", contours: true, regions: false, theme: "light" };
  assert.deepEqual(decode(`#${encode(saved)}`), saved);
});

test("an address that makes no sense is left out", () => {
  assert.deepEqual(decode("#at=1,2&hide=x.y&range=5,1&theme=pink&contours=2&select="), {});
  assert.deepEqual(decode("#at=NaN,0,0"), {});
  assert.deepEqual(decode("#at=0,0,-1"), {});
  assert.deepEqual(decode("#at=0,,1"), {});
});

test("a column of the wrong length is refused with both numbers", () => {
  const spec = { id: "x", name: "x", kind: "position", dtype: "f32", k: 1, range: null };
  assert.throws(() => decodeNumbers(new ArrayBuffer(8), spec, 3), /“x” has 8 bytes, but 3 rows need 12/);
  assert.deepEqual([...decodeNumbers(new Float32Array([1, 2, 3]).buffer, spec, 3)], [1, 2, 3]);
  assert.throws(() => decodeNumbers(new ArrayBuffer(24), { ...spec, dtype: "f64" }, 3), /unknown type “f64”/);
});

test("codes without a name are refused", () => {
  const spec = { id: "c0", name: "label", kind: "category", dtype: "u8", k: 1, range: null, categories: ["", "a"] };
  assert.throws(() => decodeNumbers(new Uint8Array([0, 1, 2]).buffer, spec, 3), /row 2 has code 2, but there are 2 names/);
});

test("names come back, and broken offsets are refused", () => {
  const words = ["a.png", "", "ü/ß.png", "<b>.png"];
  const text = new TextEncoder().encode(words.join(""));
  const ends = words.reduce((list, w) => [...list, list[list.length - 1] + new TextEncoder().encode(w).length], [0]);
  const pack = (offsets) => {
    const blob = new Uint8Array(4 * offsets.length + text.length);
    blob.set(new Uint8Array(new Uint32Array(offsets).buffer));
    blob.set(text, 4 * offsets.length);
    return blob.buffer;
  };
  const texts = new Texts(pack(ends), 4, "name");
  assert.deepEqual(words.map((_, i) => texts.at(i)), words);
  assert.throws(() => new Texts(pack(ends), 40, "name"), /rows of text need at least/);
  assert.throws(() => new Texts(pack([0, 9, 5, 10, ends[4]]), 4, "name"), /row 1 ends before it starts/);
  assert.throws(() => new Texts(pack([...ends.slice(0, 4), ends[4] + 1]), 4, "name"), /but says/);
});

test("a newer format and a hostile layout are refused", () => {
  const columns = [{ id: "x" }, { id: "y" }];
  assert.throws(() => checkMeta({ format: 2, n: 1, columns }), /format 2/);
  assert.throws(() => checkMeta({ format: 1, n: -1, columns }), /n = -1/);
  assert.throws(() => checkMeta({ format: 1, n: 1, columns: [{ id: "x" }] }), /no column “y”/);
  assert.throws(() => checkMeta({ format: 1, n: 1, columns, thumbs: { size: 100000, columns: 32, pages: 1 } }), /100000 px/);
});

test("the ellipse of a covariance, counted by hand", () => {
  const flat = ellipseOf([[4, 0], [0, 1]]);
  assert.deepEqual([flat.a, flat.b, flat.angle], [2, 1, 0]);
  const tilted = ellipseOf([[2.5, 1.5], [1.5, 2.5]]); // 4 along (1, 1), 1 across
  assert.ok(Math.abs(tilted.a - 2) < 1e-9 && Math.abs(tilted.b - 1) < 1e-9 && Math.abs(tilted.angle - Math.PI / 4) < 1e-9);
  assert.deepEqual(ellipseOf([[0, 0], [0, 0]]), { a: 0, b: 0, angle: 0 });
});

test("CSV is quoted where it must be", () => {
  assert.equal(csvField("plain"), "plain");
  assert.equal(csvField('a "b", c\nd'), '"a ""b"", c\nd"');
  assert.equal(toCsv(["a", "b,c"], [["1", "2"], ["", 'x"']]), 'a,"b,c"\r\n1,2\r\n,"x"""\r\n');
});

test("scores: unknown is grey, the ends of the ramp are the 1st and 99th percentile", () => {
  const values = Float32Array.from({ length: 101 }, (_, i) => i);
  values[100] = 1e9;
  const coding = byScore(Float32Array.from([...values, NaN]), "dark");
  assert.deepEqual(coding.ramp, [1, 99]);
  assert.equal(coding.codes[101], 0);
  assert.equal(coding.codes[0], 1);
  assert.equal(coding.codes[100], coding.palette.length - 1);
  assert.equal(coding.codes[50], Math.round(1 + 0.5 * (coding.palette.length - 2)));
});

test("up to 20 classes have the palette in natural order; of more the largest 20", () => {
  const names = ["", "b10", "b2", "a"];
  assert.deepEqual(colouredCodes(names, [0, 1, 1, 1], []), [3, 2, 1]);
  const spec = { categories: names, counts: [0, 1, 1, 1] };
  const coding = byCategory(spec, Uint8Array.from([0, 1, 2, 3]), "light");
  assert.deepEqual([...coding.codes].map((c) => coding.palette[c]), ["#b9bec6", PALETTE[2], PALETTE[1], PALETTE[0]]);
  const many = ["", ...Array.from({ length: 30 }, (_, i) => `k${i}`)];
  const counts = many.map((_, i) => i);
  const chosen = colouredCodes(many, counts, [2]);
  assert.equal(chosen.length, 20);
  assert.ok(chosen.includes(2) && chosen.includes(30) && !chosen.includes(11));
});

test("names in natural order: numbers first and as numbers, capitals before small letters, accents last", () => {
  const sorted = ["", "07", "7", "10", "B", "a", "a2", "a2b", "a10", "b", "é", "\uff5a", "\u{1f600}"];
  const mixed = [...sorted].reverse();
  assert.deepEqual(inOrder([...mixed.keys()], mixed).map((c) => mixed[c]), sorted);
});

test("a name is cut after 28 characters, on one line", () => {
  assert.equal(shorten("a".repeat(28)), "a".repeat(28));
  assert.equal(shorten("a".repeat(29)), `${"a".repeat(27)}…`);
  assert.equal(shorten(` two\n ${"\u{1f600}".repeat(23)} more`), `two ${"\u{1f600}".repeat(23)}…`);
});

test("tags are unsaved until an export holds each image that has one", () => {
  const app = new App({}, {}, { n: 10 }, {}, "dark");
  app.select(Mask.of(10, [1, 2, 3]));
  app.tag("odd");
  app.saved([0, 1, 2]);
  assert.deepEqual([...app.unsaved.rows()], [3]);
  app.select(Mask.of(10, [2, 4]));
  app.tag("odd");
  assert.deepEqual([...app.unsaved.rows()], [2, 3, 4]);
  assert.deepEqual([...app.tags.get("odd").rows()], [1, 2, 3, 4]);
  app.saved([2, 3, 4]);
  assert.equal(app.unsaved.count, 0);
});

test("viridis matches matplotlib's table", () => {
  // matplotlib.colormaps["viridis"](0, 0.47, 0.94)
  const [first, middle, last] = viridis("light", 3);
  const near = (hex, want) => [1, 3, 5].forEach((k, i) => assert.ok(Math.abs(parseInt(hex.slice(k, k + 2), 16) - want[i]) <= 4, `${hex} ${want}`));
  near(first, [68, 1, 84]);
  near(middle, [35, 137, 142]);
  near(last, [216, 226, 25]);
});

test("the camera: there and back, and the point under the pointer stays", () => {
  const size = { width: 800, height: 500 };
  const view = { u: 0.2, v: -0.1, d: 0.5 };
  const [px, py] = toScreen(view, size, 0.3, 0.1);
  const [u, v] = toMap(view, size, px, py);
  assert.ok(Math.abs(u - 0.3) < 1e-12 && Math.abs(v - 0.1) < 1e-12);
  assert.ok(py < size.height / 2 === 0.1 > view.v, "up is up");
  const closer = zoomAt(view, size, 100, 400, 3);
  assert.deepEqual(toMap(closer, size, 100, 400).map((c) => c.toFixed(9)), toMap(view, size, 100, 400).map((c) => c.toFixed(9)));
  const fit = fitView(size);
  for (const corner of [[-1, -1], [1, 1]]) {
    const [x, y] = toScreen(fit, size, ...corner);
    assert.ok(x >= 0 && x <= 800 && y >= 0 && y <= 500);
  }
});

test("a flight begins and ends where it should, and zooms out between far places", () => {
  const [a, b] = [{ u: -0.9, v: 0, d: 0.02 }, { u: 0.9, v: 0.3, d: 0.05 }];
  const path = flight(a, b);
  const start = path.at(0);
  assert.ok(Math.abs(start.u - a.u) < 1e-9 && Math.abs(start.d - a.d) < 1e-9);
  assert.deepEqual(path.at(1), b);
  const near = path.at(0.999999);
  assert.ok(Math.abs(near.u - b.u) < 1e-3 && Math.abs(near.d - b.d) < 1e-3);
  assert.ok(path.at(0.5).d > 0.3);
  assert.deepEqual(flight(a, a).at(0.5), a);
});

test("a contour of a cone is a circle", () => {
  const side = 65;
  const values = new Float32Array(side * side);
  const at = (k) => -1 + ((k + 0.5) / side) * 2;
  for (let r = 0; r < side; r++) for (let c = 0; c < side; c++) values[r * side + c] = 1 - Math.hypot(at(c), at(r));
  const lines = contour({ values, width: side, height: side, extent: [-1, 1], max: 1 }, 0.5);
  assert.ok(lines.length > 200);
  let length = 0;
  for (let k = 0; k < lines.length; k += 4) {
    assert.ok(Math.abs(Math.hypot(lines[k], lines[k + 1]) - 0.5) < 0.002);
    length += Math.hypot(lines[k] - lines[k + 2], lines[k + 1] - lines[k + 3]);
  }
  assert.ok(Math.abs(length - Math.PI) < 0.02, String(length));
});

test("frames: u16 pairs fill [-1, 1]", () => {
  const { x, y } = frameOf(Uint16Array.from([0, 65535, 32768, 16384]));
  assert.deepEqual([x[0], y[0]], [-1, 1]);
  assert.ok(Math.abs(x[1]) < 1e-4 && Math.abs(y[1] + 0.5) < 1e-4);
  assert.deepEqual([...fromBase64(Buffer.from(Uint16Array.from([1, 65535]).buffer).toString("base64"))], [1, 65535]);
  assert.equal(duration(12.4), "12 s");
  assert.equal(duration(185), "3 min 5 s");
  assert.equal(duration(4830), "1 h 21 min");
});

test("between two maps: the ends are exact, an image that one lacks has no place", () => {
  const a = { x: Float32Array.of(0, 1, NaN), y: Float32Array.of(0, 0, 0) };
  const b = { x: Float32Array.of(1, 1, 1), y: Float32Array.of(1, 0, 0) };
  assert.equal(lerp(a, b, 0).x, a.x);
  assert.equal(lerp(a, b, 1).x, b.x);
  const half = lerp(a, b, 0.5);
  assert.deepEqual([half.x[0], half.y[0], half.x[1]], [0.5, 0.5, 1]);
  assert.ok(Number.isNaN(half.x[2]));
});

test("a blob inside a file is base64 of gzip", async () => {
  const { gzipSync } = await import("node:zlib");
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
  const text = gzipSync(bytes).toString("base64").replace(/.{76}/g, "$&\n");
  assert.deepEqual(new Uint8Array(await unpack(text)), bytes);
});

test("how far apart views are: hand counted, and nothing of one view", () => {
  const views = [[0, 0], [4, 2], [2, 4]];
  const found = spread(views);
  assert.equal(found.views, views);
  assert.ok(Math.abs(found.spread.rms - Math.sqrt(16 / 3)) < 1e-12); // each coordinate is off its mean by 2, 2, 0
  assert.deepEqual(found.spread.cov, [[4, 2], [2, 4]]);
  for (const few of [[], [[1, 2]]]) assert.deepEqual(spread(few), { views: [], spread: null });
});
