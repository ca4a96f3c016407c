/**
 * What the package is made of, as CycloneDX 1.6 (https://cyclonedx.org): the crates whose code is in the WebAssembly modules, as Cargo
 * builds them for the web, with the hashes of `Cargo.lock`; Rust's standard library; and the npm package's dependencies, of which there
 * are none. It says nothing of when and where it was made, so it is the same wherever it is made.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ask, Plain, ROOT } from "./util.mjs";

const TARGET = "wasm32-unknown-unknown";

const read = (path) => readFileSync(join(ROOT, path), "utf8");
const idOf = (name, version) => `${name}@${version}`;

/** The crates that become modules. */
const MODULES = ["doran", "doran-constrained"];

/** The crates in the modules, as `name@version`: what is linked, without what only builds it. */
export function cratesOfTheModules() {
  const lines = MODULES.flatMap((name) => {
    const args = ["tree", "--locked", "--package", name, "--target", TARGET, "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"];
    const printed = ask("cargo", args);
    if (printed === undefined) throw new Plain(`cargo tree failed; run it to see why: cargo tree --locked --package ${name} --target wasm32-unknown-unknown`);
    return printed.split("\n");
  });
  const crates = lines.map((line) => /^(\S+) v(\S+)/.exec(line)).filter((match) => match !== null);
  return [...new Set(crates.map(([, name, version]) => idOf(name, version)))].sort();
}

/** The SHA-256 of each crate's archive in `Cargo.lock`, by `name@version`; those of this repository have none. */
export function checksums() {
  const packages = read("Cargo.lock").split("[[package]]").slice(1);
  const field = (text, name) => new RegExp(`^${name} = "([^"]+)"$`, "m").exec(text)?.[1];
  return new Map(packages.map((text) => [idOf(field(text, "name"), field(text, "version")), field(text, "checksum")]));
}

/** A licence as SPDX writes it: crates of before 2018 have a slash for "or". */
const spdx = (license) => license.replaceAll(/\s*\/\s*/g, " OR ");

/** The whole document. */
export function sbom() {
  const printed = ask("cargo", ["metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET]);
  if (printed === undefined) throw new Plain("cargo metadata failed; run it to see why: cargo metadata --locked");
  const metadata = JSON.parse(printed);
  const linked = new Set(cratesOfTheModules());
  const packages = metadata.packages.filter(({ name, version }) => linked.has(idOf(name, version)));
  const sums = checksums();
  const npm = JSON.parse(read("pkg/package.json"));
  const rust = /channel = "([^"]+)"/.exec(read("rust-toolchain.toml"))?.[1];
  const own = `pkg:npm/${npm.name}@${npm.version}`;
  const refs = new Map(packages.map(({ id, name, version, source }) => [id, source === null ? `${name}@${version} (this repository)` : `pkg:cargo/${name}@${version}`]));

  const component = ({ id, name, version, license, repository, source }) => {
    const checksum = sums.get(idOf(name, version));
    return {
      type: "library",
      "bom-ref": refs.get(id),
      name,
      version,
      licenses: [{ expression: spdx(license) }],
      ...(source === null ? {} : { purl: refs.get(id) }),
      ...(checksum === undefined ? {} : { hashes: [{ alg: "SHA-256", content: checksum }] }),
      ...(source === null || repository === null ? {} : { externalReferences: [{ type: "vcs", url: repository }] }),
    };
  };
  const std = { type: "library", "bom-ref": `rust-std@${rust}`, name: "rust-std", version: rust, licenses: [{ expression: "MIT OR Apache-2.0" }] };
  const normal = ({ dep_kinds: kinds }) => kinds.some(({ kind }) => kind === null);
  const dependencies = metadata.resolve.nodes.filter(({ id }) => refs.has(id)).map(({ id, deps }) => ({
    ref: refs.get(id),
    dependsOn: deps.filter((dep) => normal(dep) && refs.has(dep.pkg)).map((dep) => refs.get(dep.pkg)).sort(),
  }));
  const crates = packages.filter(({ name, source }) => MODULES.includes(name) && source === null);
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component: { type: "library", "bom-ref": own, name: npm.name, version: npm.version, purl: own, licenses: [{ expression: npm.license }] } },
    components: [...packages.map(component), std].sort((a, b) => (a["bom-ref"] < b["bom-ref"] ? -1 : 1)),
    dependencies: [{ ref: own, dependsOn: [...crates.map(({ id }) => refs.get(id)).sort(), std["bom-ref"], ...Object.keys(npm.dependencies ?? {})] }, ...dependencies].sort((a, b) => (a.ref < b.ref ? -1 : 1)),
  };
}
