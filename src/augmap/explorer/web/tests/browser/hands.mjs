// What scenarios do and wait for.

/** Until the map fills the place that the panels leave it, for two frames in a row. */
export const still = (page) => page.waitForFunction(() => {
  const { stage } = augmapPage;
  const b = stage.element.getBoundingClientRect();
  const now = JSON.stringify([b.x, b.y, b.width, b.height, stage.view]);
  const same = now === globalThis.before && Math.round(b.width) === stage.size.width && Math.round(b.height) === stage.size.height;
  globalThis.before = now;
  return same;
});

/** Until more than `least` pixels of the canvas with the points are coloured. */
export const points = (page, least) => page.waitForFunction((wanted) => {
  const c = document.querySelector("canvas.points");
  const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
  let k = 0;
  for (let i = 3; i < d.length; i += 4) if (d[i] > 20) k++;
  return k > wanted;
}, least);

/** Drop files, [name, base64], anywhere on the page. */
export async function drop(page, files) {
  const transfer = await page.evaluateHandle((list) => {
    const t = new DataTransfer();
    for (const [name, data] of list) t.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name));
    return t;
  }, files);
  await page.dispatchEvent("body", "dragenter", { dataTransfer: transfer });
  await page.waitForSelector(".drop:not([hidden])");
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
}
