// One module of the page, bundled for node; the renderer, which needs a browser, is left out.
import { build } from "esbuild";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const withoutRenderer = {
  name: "without-renderer",
  setup(b) {
    b.onResolve({ filter: /^regl-scatterplot$/ }, () => ({ path: "none", namespace: "none" }));
    b.onLoad({ filter: /.*/, namespace: "none" }, () => ({ contents: "export default null; export const createRenderer = null, createSpatialIndex = null" }));
  },
};

export async function load(name) {
  const outfile = join(root, "build", "unit", `${name}.mjs`);
  await build({ absWorkingDir: root, entryPoints: [`src/${name}.ts`], bundle: true, format: "esm", platform: "neutral", plugins: [withoutRenderer], outfile, logLevel: "error" });
  return import(pathToFileURL(outfile).href);
}
