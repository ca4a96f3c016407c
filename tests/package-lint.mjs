/**
 * The packed package as publint and are-the-types-wrong see it: every export is there, is what it says, and has types in Node and in
 * bundlers. Both are held to faults made on purpose.
 *
 * `node tests/package-lint.mjs [--fake]`, after `npm run build`; with `--fake`, on the package with the stand-in of tests/fake-wasm.
 */
import { closeSync, cpSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { buildFakePackage, pack } from "../scripts/lib/package.mjs";
import { CACHE, entry, environment, options, Plain, ROOT } from "../scripts/lib/util.mjs";

const FAULTY = join(CACHE, "package-lint");
const ANALYSIS = join(CACHE, "package-lint.json");

/** What publint says of a package, suggestions too. */
async function publintProblems(packageDir) {
  const bytes = readFileSync(pack(packageDir));
  const { messages, pkg } = await publint({ pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) } });
  return messages.map((message) => formatMessage(message, pkg, { color: false }));
}

/** What are-the-types-wrong says of a package for those who import it as a module: nobody can `require` it. */
function typesProblems(packageDir) {
  const { exports } = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8"));
  // A WebAssembly file is exported for its address. What an import of it gives is the bundler's to say, so it has no types.
  const modules = Object.keys(exports).filter((name) => !name.endsWith(".wasm"));
  // Into a file: attw exits before a pipe has taken all that it says.
  const said = openSync(ANALYSIS, "w");
  const { stderr } = spawnSync("attw", [pack(packageDir), "--profile", "esm-only", "--format", "json", "--entrypoints", ...modules], { env: environment(), encoding: "utf8", stdio: ["ignore", said, "pipe"] });
  closeSync(said);
  try {
    const { analysis, problems } = JSON.parse(readFileSync(ANALYSIS, "utf8"));
    if (analysis.types === false) return ["there are no types"];
    const ignored = new Set(["node10", "node16-cjs"]);
    return Object.values(problems ?? {}).flat()
      .filter(({ resolutionKind }) => !ignored.has(resolutionKind))
      .map(({ kind, entrypoint = "", resolutionKind = "" }) => `${kind} ${entrypoint} ${resolutionKind}`.trim());
  } catch (error) {
    throw new Plain(`are-the-types-wrong failed: ${error.message} ${stderr}`);
  }
}

/** A copy of a package with `change` done to its manifest or its files; gives its folder. */
function withFault(packageDir, change) {
  rmSync(FAULTY, { recursive: true, force: true });
  cpSync(packageDir, FAULTY, { recursive: true, filter: (path) => !/node_modules|\/src$/.test(path.slice(packageDir.length)) });
  const manifest = JSON.parse(readFileSync(join(FAULTY, "package.json"), "utf8"));
  change(manifest, FAULTY);
  writeFileSync(join(FAULTY, "package.json"), JSON.stringify(manifest));
  return FAULTY;
}

entry(async () => {
  const { fake } = options(process.argv.slice(2), ["fake"]);
  const packageDir = fake ? await buildFakePackage() : join(ROOT, "pkg");
  if (!existsSync(join(packageDir, "dist/index.js"))) throw new Plain("there is no package; run: npm run build");
  let passed = 0;
  let failed = 0;
  const check = (name, wrong) => {
    if (wrong.length === 0) passed += 1;
    else failed += 1;
    for (const line of wrong) console.log(`FAILED ${name}: ${line}`);
  };
  check("publint", await publintProblems(packageDir));
  check("are the types wrong", typesProblems(packageDir));

  const foundBy = { publint: publintProblems, "are the types wrong": typesProblems };
  const finds = async (tool, fault, pattern, change) => {
    const found = await foundBy[tool](withFault(packageDir, change));
    check(`${tool} finds ${fault}`, found.some((line) => pattern.test(line)) ? [] : [`it says "${found.join("; ")}"`]);
  };
  await finds("publint", "an export without a file", /missing\.js/, ({ exports }) => { exports["./react"].default = "./dist/missing.js"; });
  await finds("publint", "modules that are not said to be any", /ESM/, (manifest) => { delete manifest.type; });
  await finds("are the types wrong", "an export without types", /\.\/react/, (_, dir) => rmSync(join(dir, "dist/react.d.ts")));
  await finds("are the types wrong", "a path that Node does not resolve", /^InternalResolutionError/, (_, dir) => {
    const types = join(dir, "dist/index.d.ts");
    writeFileSync(types, readFileSync(types, "utf8").replace('"./engine.js"', '"./engine"'));
  });
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
});
