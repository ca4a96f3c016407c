/** Builds the demo as a user would: webpack, with the packed and unpacked npm package in `node_modules`. */
import { join } from "node:path";
import { installPacked } from "./package.mjs";
import { hashOf, ROOT, run, step } from "./util.mjs";

/** The demo on the package in `packageDir`; `out` is the folder to serve. */
export async function buildDemo(packageDir, { site = join(ROOT, "www"), out = join(ROOT, "www/dist"), name = "demo" } = {}) {
  await installPacked(packageDir, site, `${name}-package`);
  const inputs = [join(ROOT, "www/src"), join(ROOT, "www/public"), join(ROOT, "webpack.config.js"), join(site, "node_modules/doran/package.json")];
  await step(name, hashOf(inputs, hashOf([packageDir])), [join(out, "index.html")], async () => {
    await run("webpack", ["--mode", "production", "--env", `out=${out}`, "--env", `modules=${join(site, "node_modules")}`], { quiet: true });
  });
}
