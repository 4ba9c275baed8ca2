// Bundles the page into ../static. The same input gives the same bytes: no dates, no paths.
import { build } from "esbuild";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "..", "static");
const LIMIT = 150_000; // bytes of JavaScript, gzipped

await mkdir(out, { recursive: true });
const app = await bundle("src/main.ts");
const placer = await bundle("src/place-onnx.ts"); // what an exported file with an encoder carries beside the page
const css = await build({ absWorkingDir: here, entryPoints: ["src/app.css"], minify: true, charset: "utf8", write: false });
await writeFile(join(out, "app.js"), app.script);
await writeFile(join(out, "place-onnx.js"), placer.script);
await writeFile(join(out, "app.css"), css.outputFiles[0].contents);
await writeFile(join(out, "index.html"), await readFile(join(here, "src/index.html")));
await writeFile(join(out, "licences.txt"), await licences([...app.inputs, ...placer.inputs]));
await writeRuntime(join(out, "ort.wasm.gz"));
const size = gzipSync(app.script, { level: 9 }).length;
console.log(`app.js ${app.script.length.toLocaleString("en")} bytes, ${size.toLocaleString("en")} gzipped`);
console.log(`place-onnx.js ${placer.script.length.toLocaleString("en")} bytes`);
if (size > LIMIT) {
  console.error(`app.js has ${size} bytes gzipped, more than ${LIMIT}`);
  process.exit(1);
}

async function bundle(entry) {
  const result = await build({
    absWorkingDir: here,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: "iife",
    target: ["es2022"],
    charset: "utf8",
    legalComments: "none", // the texts stand in licences.txt
    logOverride: { "empty-import-meta": "silent" }, // onnxruntime asks where it lies, and is handed its program instead
    metafile: true,
    write: false,
  });
  return { script: result.outputFiles[0].contents, inputs: Object.keys(result.metafile.inputs) };
}

/** onnxruntime's program, 14 MB, packed; kept as it is while its content is the same: packers differ in their bytes. */
async function writeRuntime(target) {
  const program = await readFile(join(here, "node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"));
  const there = await readFile(target).catch(() => null);
  if (!there || !gunzipSync(there).equals(program)) await writeFile(target, gzipSync(program, { level: 9 }));
}

/** The licence texts of every package that is in the bundle. */
async function licences(inputs) {
  const roots = [...new Set(inputs.map((i) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(i)?.[1]).filter(Boolean))].sort();
  // the bundles of onnxruntime-web and regl-scatterplot carry these inside
  for (const inside of ["onnxruntime-common", "@flekschas/utils", "camera-2d-simple", "dom-2d-camera", "earcut", "gl-matrix", "regl-line"]) roots.push(`node_modules/${inside}`);
  roots.sort();
  // parts that regl-scatterplot has copied into its source; their texts stand beside this file
  const copied = [["kdbush", "ISC"], ["simplify-js", "BSD-2-Clause"]];
  const parts = ["The script of this page contains these packages, under these licences.\n"];
  for (const root of roots) {
    const about = JSON.parse(await readFile(join(here, root, "package.json"), "utf8"));
    let text = null;
    for (const name of ["LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "license"]) {
      text = await readFile(join(here, root, name), "utf8").catch(() => null);
      if (text) break;
    }
    const author = typeof about.author === "string" ? about.author : (about.author?.name ?? "its authors");
    // onnxruntime's packages carry no text; that of its repository stands beside this file
    if (about.name.startsWith("onnxruntime")) text ??= await readFile(join(here, "licences/onnxruntime.txt"), "utf8");
    text ??= `${about.license}, by ${author}. The package carries no licence file.\n`;
    parts.push(`${"-".repeat(72)}\n${about.name} ${about.version} (${about.license})\n\n${text.trim()}\n`);
  }
  for (const [name, licence] of copied) {
    const text = await readFile(join(here, `licences/${name}.txt`), "utf8");
    parts.push(`${"-".repeat(72)}\n${name}, a copy inside regl-scatterplot (${licence})\n\n${text.trim()}\n`);
  }
  return parts.join("\n");
}
