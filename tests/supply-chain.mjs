/**
 * What the package is made of is known: `sbom.json` names every crate in the modules, each is licensed as `deny.toml` allows, and the npm
 * package needs no other. The checks themselves are held to faults made on purpose.
 *
 * `node tests/supply-chain.mjs`, after `npm run build`.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checksums, cratesOfTheModules, sbom } from "../scripts/lib/sbom.mjs";
import { entry, Plain, ROOT } from "../scripts/lib/util.mjs";

/** Licences of tools that build and test; nothing of theirs is in the package. */
const TOOLS = new Set(["MIT", "Apache-2.0", "ISC", "0BSD", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0", "Python-2.0", "PSF-2.0", "MPL-2.0", "CC-BY-4.0"]);

/** Licences of packages whose lock file entry names none, by their files. */
const UNSAID = new Map([["node_modules/parse-cache-control", "BSD-3-Clause"]]);

const read = (path) => readFileSync(join(ROOT, path), "utf8");

/** Whether one of the allowed licences, for each part that asks for one, is offered (SPDX's `AND` and `OR`). */
function isAllowed(expression, allowed) {
  const parts = expression.split(" AND ").map((part) => part.replace(/^\((.*)\)$/, "$1"));
  return parts.every((part) => part.split(" OR ").some((license) => allowed.has(license)));
}

/** The crates that modules' panic messages name: they carry the paths of their sources. Those of Rust's own library stand in /rust/deps. */
function cratesNamedIn(module) {
  const text = module.toString("latin1").replaceAll(/\/rust\/deps\/[\w.-]+/g, "");
  return [...new Set([...text.matchAll(/([a-z][a-z0-9_-]*)-(\d+\.\d+\.\d+(?:\+[\w.-]+)?)\/src\//g)].map(([, name, version]) => `${name}@${version}`))].sort();
}

/** What is wrong with a list of components, given what the modules are made of. */
function problems({ document, crates, named, sums, allowed }) {
  const listed = new Map(document.components.map((component) => [`${component.name}@${component.version}`, component]));
  const wrong = [];
  for (const crate of new Set([...crates, ...named])) if (!listed.has(crate)) wrong.push(`${crate} is in a module and not in sbom.json`);
  for (const [id, { licenses, hashes }] of listed) {
    const expression = licenses?.[0]?.expression ?? "none";
    if (!isAllowed(expression, allowed)) wrong.push(`${id} is licensed as ${expression}, which deny.toml does not allow`);
    const sum = sums.get(id);
    if (sum !== undefined && hashes?.[0]?.content !== sum) wrong.push(`${id} has another hash than in Cargo.lock`);
  }
  const refs = new Set([document.metadata.component["bom-ref"], ...document.components.map((component) => component["bom-ref"])]);
  for (const { ref, dependsOn } of document.dependencies) {
    for (const one of [ref, ...dependsOn]) if (!refs.has(one)) wrong.push(`${one} is depended on, and no component`);
  }
  return wrong;
}

/** What is wrong with the npm package and with what it is built by. */
function npmProblems(manifest, lock) {
  const wrong = [];
  // What a page brings itself, for entry points that it need not use.
  const optional = (name) => manifest.peerDependenciesMeta?.[name]?.optional === true;
  for (const name of Object.keys(manifest.peerDependencies ?? {})) if (!optional(name)) wrong.push(`the package needs ${name}`);
  for (const kind of ["dependencies", "optionalDependencies", "bundledDependencies", "bundleDependencies"]) {
    if (Object.keys(manifest[kind] ?? {}).length > 0) wrong.push(`the package has ${kind}`);
  }
  for (const script of Object.keys(manifest.scripts ?? {})) wrong.push(`the package runs a script of its own: ${script}`);
  for (const [path, { dev, devOptional, license, resolved, integrity }] of Object.entries(lock.packages)) {
    if (path === "") continue;
    if (dev !== true && devOptional !== true) wrong.push(`${path} is more than a tool`);
    if (!isAllowed(license ?? UNSAID.get(path) ?? "none", TOOLS)) wrong.push(`${path} is licensed as ${license}`);
    // What is of the registry needs no address.
    if (resolved !== undefined || !/^sha512-/.test(integrity ?? "")) wrong.push(`${path} is not pinned by a hash`);
  }
  return wrong;
}

/** Whether the published hashes are those of the files. */
function integrityProblems(dist) {
  const published = JSON.parse(readFileSync(join(dist, "integrity.json"), "utf8"));
  const of = (file) => `sha384-${createHash("sha384").update(readFileSync(join(dist, file))).digest("base64")}`;
  const files = readdirSync(dist).filter((file) => /\.(js|wasm)$/.test(file));
  const wrong = files.filter((file) => published[file] !== of(file));
  return wrong.map((file) => `integrity.json has another hash of ${file} than the file`);
}

entry(async () => {
  let passed = 0;
  let failed = 0;
  const check = (name, found) => {
    if (found.length === 0) passed += 1;
    else failed += 1;
    for (const line of found) console.log(`FAILED ${name}: ${line}`);
  };
  const modules = ["doran_bg.wasm", "doran_constrained_bg.wasm"].map((file) => join(ROOT, "pkg/dist", file));
  if (!modules.every((module) => existsSync(module))) throw new Plain("there is no module; run: npm run build");
  const allowed = new Set([...(/allow = \[([^\]]*)\]/.exec(read("deny.toml"))?.[1] ?? "").matchAll(/"([^"]+)"/g)].map(([, license]) => license));
  const facts = { document: sbom(), crates: cratesOfTheModules(), named: cratesNamedIn(Buffer.concat(modules.map((module) => readFileSync(module)))), sums: checksums(), allowed };
  check("the modules name crates", facts.named.length > 20 ? [] : [`${facts.named.length} of them`]);
  check("sbom.json", problems(facts));
  check("sbom.json is that of these sources", read("pkg/sbom.json") === `${JSON.stringify(facts.document, null, 1)}\n` ? [] : ["run: npm run build"]);
  const [manifest, lock] = [JSON.parse(read("pkg/package.json")), JSON.parse(read("package-lock.json"))];
  check("the npm package", npmProblems(manifest, lock));
  check("integrity.json", integrityProblems(join(ROOT, "pkg/dist")));

  // Each fault is found, and nothing else.
  const without = (name) => ({ ...facts.document, components: facts.document.components.filter((component) => component.name !== name), dependencies: [] });
  const changed = (name, change) => ({ ...facts.document, components: facts.document.components.map((component) => (component.name === name ? { ...component, ...change } : component)) });
  const planted = {
    "a crate that is not named": problems({ ...facts, document: without("minijinja") }),
    "a crate that only the module names": problems({ ...facts, crates: [], document: without("tokenizers") }),
    "a licence that nobody allowed": problems({ ...facts, document: changed("half", { licenses: [{ expression: "(MIT OR Apache-2.0) AND GPL-3.0" }] }) }),
    "another hash": problems({ ...facts, document: changed("sha2", { hashes: [{ alg: "SHA-256", content: "0" }] }) }),
    "a dependency of the package": npmProblems({ ...manifest, dependencies: { "left-pad": "1.0.0" } }, lock),
    "a peer that every page would need": npmProblems({ ...manifest, peerDependencies: { react: "*" }, peerDependenciesMeta: {} }, lock),
    "a script of the package": npmProblems({ ...manifest, scripts: { postinstall: "x" } }, lock),
    "a tool without a hash": npmProblems(manifest, { packages: { "node_modules/x": { dev: true, license: "MIT" } } }),
  };
  for (const [name, found] of Object.entries(planted)) check(`found: ${name}`, found.length === 1 ? [] : [`${found.length} problems: ${found.join("; ")}`]);
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
});
