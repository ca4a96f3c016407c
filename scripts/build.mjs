/** `npm run build`: the WebAssembly module, the npm package in `pkg/`, and the demo in `www/dist`. Unchanged steps are skipped. */
import { buildDemo } from "./lib/demo.mjs";
import { buildPackage } from "./lib/package.mjs";
import { buildWasm, FOR, need, needNodeModules } from "./lib/toolchain.mjs";
import { entry, options, ROOT } from "./lib/util.mjs";
import { writeSbom } from "./sbom.mjs";
import { join } from "node:path";

/** Everything a user of the package needs. `--package` leaves the demo out. */
export async function build({ demo = true } = {}) {
  await needNodeModules();
  await need(FOR.build);
  await buildWasm();
  const pkg = join(ROOT, "pkg");
  await buildPackage({ wasmDir: join(pkg, "wasm"), out: pkg, name: "package" });
  await writeSbom();
  if (demo) await buildDemo(pkg);
}

if (process.argv[1] === import.meta.filename) {
  entry(() => build({ demo: options(process.argv.slice(2), ["package"]).package !== true }));
}
