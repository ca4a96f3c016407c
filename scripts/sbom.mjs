/** `node scripts/sbom.mjs [--out FILE]`: writes what the package is made of (CycloneDX), into `pkg/sbom.json` where nothing else is said. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { sbom } from "./lib/sbom.mjs";
import { entry, hashOf, options, ROOT, step } from "./lib/util.mjs";

const INPUTS = ["Cargo.toml", "Cargo.lock", "crates", "rust-toolchain.toml", "pkg/package.json", "scripts/sbom.mjs", "scripts/lib/sbom.mjs"];

/** Writes it, unless nothing that it is made of has changed. */
export async function writeSbom(out = join(ROOT, "pkg/sbom.json")) {
  await step("sbom", hashOf(INPUTS.map((path) => join(ROOT, path)), out), [out], async () => writeFileSync(out, `${JSON.stringify(sbom(), null, 1)}\n`));
}

if (process.argv[1] === import.meta.filename) entry(() => writeSbom(options(process.argv.slice(2)).out));
