/** Makes the npm package of `pkg/src` and the WebAssembly modules: `index.js`, `worker.js` (one file), the modules, their hashes, types. */
import { createHash } from "node:crypto";
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
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

async function bundle(wasmDir, dist) {
  const { build } = await import("esbuild");
  const common = { bundle: true, format: "esm", platform: "browser", target: TARGET, charset: "utf8", legalComments: "none", logLevel: "warning" };
  await build({ ...common, entryPoints: [join(SOURCE, "index.ts")], outfile: join(dist, "index.js"), minifyWhitespace: true, minifySyntax: true });
  await build({ ...common, entryPoints: [join(SOURCE, "worker.ts")], outfile: join(dist, "worker.js"), minify: true, plugins: [glue(wasmDir)] });
}

/** What a page runs, by the hashes that browsers check (Subresource Integrity). */
function writeIntegrity(dist) {
  const hash = (file) => `sha384-${createHash("sha384").update(readFileSync(join(dist, file))).digest("base64")}`;
  const hashes = Object.fromEntries([...WASM_FILES, "index.js", "worker.js"].sort().map((file) => [file, hash(file)]));
  writeFileSync(join(dist, "integrity.json"), `${JSON.stringify(hashes, null, 2)}\n`);
}

/** Removes the declarations that nobody can come to from `roots`: those of the package's inner modules. */
function pruneTypes(dist, roots) {
  const reached = new Set(roots);
  for (const file of reached) {
    const text = readFileSync(join(dist, file), "utf8");
    for (const [, name] of text.matchAll(/(?:from|import\(?)\s*"(\.\.?\/[^"]+)\.js"/g)) reached.add(`${join(dirname(file), name)}.d.ts`);
  }
  for (const file of readdirSync(dist, { recursive: true })) if (file.endsWith(".d.ts") && !reached.has(file)) rmSync(join(dist, file));
}

/** Builds the package with the module in `wasmDir` into the package folder `out` (made where it is not `pkg/`). */
export async function buildPackage({ wasmDir, out, name }) {
  for (const file of WASM_FILES) if (!existsSync(join(wasmDir, file))) throw new Plain(`there is no ${file} in ${wasmDir}; run: npm run build`);
  const dist = join(out, "dist");
  const inputs = [SOURCE, wasmDir, ...["pkg/package.json", "pkg/tsconfig.json", "tsconfig.base.json", "package-lock.json", "scripts/lib/package.mjs", "pkg/README.md", "pkg/models.json", ...LICENSES].map((f) => join(ROOT, f))];
  const made = ["index.js", "index.d.ts", "worker.js", "worker.d.ts", ...WASM_FILES, "integrity.json"].map((file) => join(dist, file));
  await step(name, hashOf(inputs), made, async () => {
    rmSync(dist, { recursive: true, force: true });
    mkdirSync(dist, { recursive: true });
    await bundle(wasmDir, dist);
    for (const file of WASM_FILES) copyFileSync(join(wasmDir, file), join(dist, file));
    writeIntegrity(dist);
    await run("tsc", ["-p", "pkg", "--outDir", dist], { quiet: true });
    pruneTypes(dist, ["index.d.ts", "worker.d.ts"]);
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

/** The size of what a first token needs: the package's scripts and the engine's module, gzipped. The other is fetched on first use. */
export async function packageBytes(packageDir) {
  const { gzipSync } = await import("node:zlib");
  const files = filesUnder(join(packageDir, "dist")).filter((file) => /\.js$|\/doran_bg\.wasm$/.test(file));
  return files.reduce((sum, file) => sum + gzipSync(readFileSync(file), { level: 9 }).byteLength, 0);
}
