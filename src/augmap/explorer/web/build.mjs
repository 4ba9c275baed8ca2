// Bundles the page into ../static. The same input gives the same bytes: no dates, no paths.
import { build } from "esbuild";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "..", "static");
const LIMIT = 150_000; // bytes of JavaScript, gzipped

await mkdir(out, { recursive: true });
const result = await build({
  absWorkingDir: here,
  entryPoints: ["src/main.ts"],
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2022"],
  charset: "utf8",
  legalComments: "none", // the texts stand in licences.txt
  metafile: true,
  write: false,
});
const script = result.outputFiles[0].contents;
const css = await build({ absWorkingDir: here, entryPoints: ["src/app.css"], minify: true, charset: "utf8", write: false });
await writeFile(join(out, "app.js"), script);
await writeFile(join(out, "app.css"), css.outputFiles[0].contents);
await writeFile(join(out, "index.html"), await readFile(join(here, "src/index.html")));
await writeFile(join(out, "licences.txt"), await licences(Object.keys(result.metafile.inputs)));
const size = gzipSync(script, { level: 9 }).length;
console.log(`app.js ${script.length.toLocaleString("en")} bytes, ${size.toLocaleString("en")} gzipped`);
if (size > LIMIT) {
  console.error(`app.js has ${size} bytes gzipped, more than ${LIMIT}`);
  process.exit(1);
}

/** The licence texts of every package that is in the bundle. */
async function licences(inputs) {
  const roots = [...new Set(inputs.map((i) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(i)?.[1]).filter(Boolean))].sort();
  // regl-scatterplot's own bundle carries these inside
  for (const inside of ["@flekschas/utils", "camera-2d-simple", "dom-2d-camera", "earcut", "gl-matrix", "regl-line"]) roots.push(`node_modules/${inside}`);
  roots.sort();
  const parts = ["The script of this page contains these packages, under these licences.\n"];
  for (const root of roots) {
    const about = JSON.parse(await readFile(join(here, root, "package.json"), "utf8"));
    let text = null;
    for (const name of ["LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "license"]) {
      text = await readFile(join(here, root, name), "utf8").catch(() => null);
      if (text) break;
    }
    const author = typeof about.author === "string" ? about.author : (about.author?.name ?? "its authors");
    text ??= `${about.license}, by ${author}. The package carries no licence file.\n`;
    parts.push(`${"-".repeat(72)}\n${about.name} ${about.version} (${about.license})\n\n${text.trim()}\n`);
  }
  return parts.join("\n");
}
