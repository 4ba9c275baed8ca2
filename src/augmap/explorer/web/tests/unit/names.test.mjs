// Order, colours and length of names as in the plots. The cases come from tests/explorer/test_page.py: AUGMAP_CASES=FILE.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { load } from "./load.mjs";

const { byCategory } = await load("colours");
const { inOrder, shorten } = await load("names");
const cases = JSON.parse(readFileSync(process.env.AUGMAP_CASES, "utf8"));

for (const { names, sorted, colours, short } of cases) {
  test(`${names.length} names, first ${JSON.stringify(names[0])}`, () => {
    assert.deepEqual(inOrder([...names.keys()], names).map((c) => names[c]), sorted);
    assert.deepEqual(names.map(shorten), short);
    const { byCode } = byCategory({ categories: ["", ...names] }, [], "light");
    if (colours) assert.deepEqual(byCode.slice(1), colours);
  });
}
