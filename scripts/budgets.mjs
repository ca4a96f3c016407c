/** Weighs the built package and the demo against .ci/budgets.json. `--package DIR` weighs another build. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { clientBytes, packageBytes } from "./lib/package.mjs";
import { ask, entry, filesUnder, options, Plain, ROOT } from "./lib/util.mjs";

const gzippedBytes = (...files) => files.reduce((sum, file) => sum + gzipSync(readFileSync(file), { level: 9 }).byteLength, 0);

/** What the package and the demo weigh, by the budgets' names. */
async function weigh(packageDir) {
  const printed = ask("npm", ["pack", "--dry-run", "--json", "--ignore-scripts", packageDir]);
  if (printed === undefined) throw new Plain(`npm pack failed in ${packageDir}; run: npm run build`);
  const listing = JSON.parse(printed);
  const [packed] = Array.isArray(listing) ? listing : Object.values(listing);
  const large = filesUnder(join(packageDir, "dist")).filter((file) => statSync(file).size > 25 * 1024 * 1024);
  if (large.length > 0) throw new Plain(`some hosts refuse files over 25 MiB: ${large.join(", ")}`);
  return {
    first_token_gzip_bytes: packageBytes(packageDir),
    client_gzip_bytes: clientBytes(packageDir),
    constrained_gzip_bytes: gzippedBytes(join(packageDir, "dist/doran_constrained_bg.wasm")),
    demo_first_paint_gzip_bytes: gzippedBytes(...["main.js", "style.css"].map((file) => join(ROOT, "www/dist", file))),
    npm_unpacked_bytes: packed.unpackedSize,
    npm_files: packed.entryCount,
  };
}

entry(async () => {
  const { package: packageDir = join(ROOT, "pkg") } = options(process.argv.slice(2));
  const budgets = JSON.parse(readFileSync(join(ROOT, ".ci/budgets.json"), "utf8"));
  const weights = await weigh(packageDir);
  let over = 0;
  for (const [name, { limit, goal, what }] of Object.entries(budgets)) {
    const value = weights[name];
    if (!(value <= limit)) over += 1;
    console.log(`${value <= limit ? "ok" : "FAILED"} ${name}: ${value} of ${limit}${value > goal ? ` (goal ${goal})` : ""} – ${what}`);
  }
  console.log(`${Object.keys(budgets).length - over} passed, ${over} failed`);
  if (over > 0) process.exitCode = 1;
});
