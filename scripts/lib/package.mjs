/**
 * Makes the npm package of `pkg/src` and the WebAssembly modules: `index.js`, `worker.js` (one file), a script for each other entry point
 * that `package.json` lists, the modules, their hashes, types.
 */
import { createHash } from "node:crypto";
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { ask, CACHE, filesUnder, hashOf, Plain, ROOT, run, step } from "./util.mjs";

const SOURCE = join(ROOT, "pkg/src");
const LICENSES = ["LICENSE-MIT", "LICENSE-APACHE"];
const TARGET = ["chrome113", "firefox141", "safari26"];

/** The modules, by what the worker's sources call their glue. */
const MODULES = { "./wasm.js": "doran", "./constrained-wasm.js": "doran_constrained" };
const WASM_FILES = Object.values(MODULES).map((name) => `${name}_bg.wasm`);

/** What the worker's sources import is wasm-bindgen's glue; its own guess of where the module is goes: the page says where. */
function glue(wasmDir) {
  const guess = /new URL\(['"]doran\w*_bg\.wasm['"], import\.meta\.url\)/g;
  return {
    name: "wasm-glue",
    setup(build) {
      build.onResolve({ filter: /^\.\/(constrained-)?wasm\.js$/ }, ({ path }) => ({ path: join(wasmDir, `${MODULES[path]}.js`) }));
      build.onLoad({ filter: /doran\w*\.js$/ }, ({ path }) => ({ contents: readFileSync(path, "utf8").replaceAll(guess, "undefined"), loader: "js" }));
    },
  };
}

/** What pages may import, by `package.json`: the source of each entry point, its script and its types, all as paths inside their folders. */
function entryPoints({ exports }) {
  return Object.values(exports).filter((target) => typeof target === "object").map(({ types, default: script }) => {
    const declarations = types.replace("./dist/", "");
    return { script: script.replace("./dist/", ""), declarations, source: declarations.replace(/\.d\.ts$/, ".ts") };
  });
}

/** The worker is one file. The others share what they have in common, so that there is one `Engine` and one `DoranError`. */
async function bundle(wasmDir, dist, manifest) {
  const { build } = await import("esbuild");
  const common = { bundle: true, format: "esm", platform: "browser", target: TARGET, charset: "utf8", legalComments: "none", logLevel: "warning" };
  const entries = entryPoints(manifest).map(({ script, source }) => ({ in: join(SOURCE, source), out: script.replace(/\.js$/, "") }));
  const isWorker = ({ out }) => out === "worker";
  await build({ ...common, entryPoints: entries.filter(isWorker), outdir: dist, minify: true, plugins: [glue(wasmDir)] });
  keepImports(join(dist, "worker.js"));
  await build({
    ...common, entryPoints: entries.filter((entry) => !isWorker(entry)), outdir: dist, splitting: true, chunkNames: "shared-[hash]",
    minifyWhitespace: true, minifySyntax: true, external: Object.keys(manifest.peerDependencies ?? {}),
  });
}

/** The worker imports what the page names (`logitsHook`): bundlers of apps must leave that as it is, and minifying lost the words for it. */
function keepImports(worker) {
  const script = readFileSync(worker, "utf8");
  const imports = [...script.matchAll(/\bimport\((?!\/\*)/g)];
  if (imports.length !== 1) throw new Plain(`worker.js has ${imports.length} imports at run time, and one is known`);
  writeFileSync(worker, script.replace(/\bimport\(/, "import(/* webpackIgnore: true *//* @vite-ignore */"));
}

/** What a page runs, by the hashes that browsers check (Subresource Integrity). */
function writeIntegrity(dist) {
  const hash = (file) => `sha384-${createHash("sha384").update(readFileSync(join(dist, file))).digest("base64")}`;
  const files = readdirSync(dist).filter((file) => /\.(js|wasm)$/.test(file)).sort();
  writeFileSync(join(dist, "integrity.json"), `${JSON.stringify(Object.fromEntries(files.map((file) => [file, hash(file)])), null, 2)}\n`);
}

/** Removes the declarations that nobody can come to from `roots`: those of the package's inner modules. */
function pruneTypes(dist, roots) {
  const reached = new Set(roots.map((root) => join(dist, root)));
  for (const file of reached) {
    const text = readFileSync(file, "utf8");
    for (const [, name] of text.matchAll(/(?:from|import\(?)\s*"(\.\.?\/[^"]+)\.js"/g)) reached.add(join(dirname(file), `${name}.d.ts`));
  }
  for (const file of filesUnder(dist)) if (file.endsWith(".d.ts") && !reached.has(file)) rmSync(file);
  for (const folder of readdirSync(dist, { withFileTypes: true })) {
    if (folder.isDirectory() && filesUnder(join(dist, folder.name)).length === 0) rmSync(join(dist, folder.name), { recursive: true });
  }
}

/** Builds the package with the module in `wasmDir` into the package folder `out` (made where it is not `pkg/`). */
export async function buildPackage({ wasmDir, out, name }) {
  for (const file of WASM_FILES) if (!existsSync(join(wasmDir, file))) throw new Plain(`there is no ${file} in ${wasmDir}; run: npm run build`);
  const dist = join(out, "dist");
  const inputs = [SOURCE, wasmDir, ...["pkg/package.json", "pkg/tsconfig.json", "tsconfig.base.json", "package-lock.json", "scripts/lib/package.mjs", "pkg/README.md", "pkg/models.json", ...LICENSES].map((f) => join(ROOT, f))];
  const manifest = JSON.parse(readFileSync(join(ROOT, "pkg/package.json"), "utf8"));
  const entries = entryPoints(manifest);
  const made = [...entries.flatMap(({ script, declarations }) => [script, declarations]), ...WASM_FILES, "integrity.json"].map((file) => join(dist, file));
  await step(name, hashOf(inputs), made, async () => {
    rmSync(dist, { recursive: true, force: true });
    mkdirSync(dist, { recursive: true });
    await bundle(wasmDir, dist, manifest);
    for (const file of WASM_FILES) copyFileSync(join(wasmDir, file), join(dist, file));
    writeIntegrity(dist);
    await run("tsc", ["-p", "pkg", "--outDir", dist], { quiet: true });
    pruneTypes(dist, entries.map(({ declarations }) => declarations));
    for (const file of LICENSES) if (existsSync(join(ROOT, file))) copyFileSync(join(ROOT, file), join(out, file));
    if (out !== join(ROOT, "pkg")) {
      for (const file of ["package.json", "README.md", "models.json"]) if (existsSync(join(ROOT, "pkg", file))) cpSync(join(ROOT, "pkg", file), join(out, file));
    }
  });
}

/** The package with the stand-in of tests in place of the engine; gives its folder. */
export async function buildFakePackage() {
  const { makeFakeWasm } = await import("../../tests/fake-wasm/make.mjs");
  const wasmDir = join(CACHE, "fake/wasm");
  const out = join(CACHE, "fake/pkg");
  makeFakeWasm(wasmDir);
  await buildPackage({ wasmDir, out, name: "fake-package" });
  return out;
}

/** Packs a package folder as `npm publish` would, and unpacks it as `npm install` would, into `into/node_modules/doran`. */
export async function installPacked(packageDir, into, name) {
  const target = join(into, "node_modules/doran");
  await step(name, hashOf([packageDir]), [join(target, "package.json")], async () => {
    const tarball = pack(packageDir);
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target, { recursive: true });
    await run("tar", ["-xzf", tarball, "-C", target, "--strip-components=1"], { quiet: true });
  });
}

/** `npm pack`; gives the tarball's path. */
export function pack(packageDir) {
  const out = join(CACHE, "tarballs");
  mkdirSync(out, { recursive: true });
  const printed = ask("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", out, packageDir]);
  if (printed === undefined) throw new Plain(`npm pack failed in ${packageDir}`);
  const listing = JSON.parse(printed);
  const [entry] = Array.isArray(listing) ? listing : Object.values(listing);
  return join(out, entry.filename);
}

/** The scripts that a page runs once it has imported `script` of a package: it, and what it imports without being asked to. */
function imported(packageDir, script) {
  const files = new Set([join(packageDir, "dist", script)]);
  for (const file of files) {
    for (const [, name] of readFileSync(file, "utf8").matchAll(/(?:from|import)\s*"\.\/([^"]+\.js)"/g)) files.add(join(packageDir, "dist", name));
  }
  return [...files];
}

/** The size of what a page imports as `doran`, gzipped. */
export const clientBytes = (packageDir) => gzipped(imported(packageDir, "index.js"));

/** The size of what a first token needs, gzipped. Entry points beside `index.js` are a page's own choice. */
export const packageBytes = (packageDir) => gzipped([...imported(packageDir, "index.js"), ...["worker.js", "doran_bg.wasm"].map((file) => join(packageDir, "dist", file))]);

function gzipped(files) {
  return files.reduce((sum, file) => sum + gzipSync(readFileSync(file), { level: 9 }).byteLength, 0);
}
