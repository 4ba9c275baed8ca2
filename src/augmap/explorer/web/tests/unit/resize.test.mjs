// The resizing of the page against Pillow's, to the bit. The cases come from tests/explorer/test_place_file.py: AUGMAP_CASES=FILE.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { load } from "./load.mjs";

const { resize } = await load("resize");
const { jpegStep, reduce, toGrey } = await load("decode");
const cases = JSON.parse(readFileSync(process.env.AUGMAP_CASES, "utf8"));
const bytes = (base64) => Uint8Array.from(Buffer.from(base64, "base64"));

for (const c of cases.resize) {
  test(`${c.name}: ${c.width} x ${c.height} x ${c.channels} to ${c.size}, ${c.filter}`, () => {
    const side = Math.min(c.width, c.height);
    const image = { data: bytes(c.data), width: c.width, height: c.height, channels: c.channels };
    const found = resize(image, (c.width - side) >> 1, (c.height - side) >> 1, side, c.size, c.filter);
    assert.deepEqual(Buffer.from(found.data), Buffer.from(bytes(c.expected)));
  });
}

test("grey is Pillow's", () => {
  const { data, width, height, expected } = cases.grey;
  assert.deepEqual(Buffer.from(toGrey({ data: bytes(data), width, height, channels: 3 }).data), Buffer.from(bytes(expected)));
});

test("the step of a JPEG is Pillow's", () => {
  for (const [width, height, size, step] of cases.steps) assert.equal(jpegStep(width, height, size), step, `${width} x ${height} to ${size}`);
});

test("means of blocks, cut at the edge", () => {
  const image = { data: Uint8Array.from([0, 10, 100, 20, 30, 50, 7, 8, 9]), width: 3, height: 3, channels: 1 };
  assert.deepEqual([...reduce(image, 2).data], [15, 75, 8, 9]);
});
