/** Builds the demo as a user would: webpack, with the packed and unpacked npm package in `node_modules`. */
import { statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { installPacked } from "./package.mjs";
import { DEMO_CSP, serve } from "./serve.mjs";
import { hashOf, ROOT, run, step } from "./util.mjs";

/** The demo on the package in `packageDir`; `out` is the folder to serve. */
export async function buildDemo(packageDir, { site = join(ROOT, "www"), out = join(ROOT, "www/dist"), name = "demo" } = {}) {
  await installPacked(packageDir, site, `${name}-package`);
  const inputs = [join(ROOT, "www/src"), join(ROOT, "www/public"), join(ROOT, "www/styles"), join(ROOT, "benches/result.mjs"), join(ROOT, "webpack.config.js"), join(site, "node_modules/doran/package.json")];
  await step(name, hashOf(inputs, hashOf([packageDir])), [join(out, "index.html")], async () => {
    await run("webpack", ["--mode", "production", "--env", `out=${out}`, "--env", `modules=${join(site, "node_modules")}`], { quiet: true });
  });
}

/** The demo's server, on the wanted port or the next one that is free. It offers the local `model` by `models.json`. */
export async function demoServer({ dir = join(ROOT, "www/dist"), model, sha256, port: wanted = 0 }) {
  const name = basename(model);
  const offered = [{ name, url: `/models/${encodeURIComponent(name)}`, bytes: statSync(model).size, ...(sha256 === undefined ? {} : { sha256 }) }];
  const handle = (request, response) => {
    if (request.url !== "/models.json") return false;
    response.writeHead(200, { "Content-Type": "application/json", "Content-Security-Policy": DEMO_CSP }).end(JSON.stringify(offered));
    return true;
  };
  for (let port = wanted; ; port += 1) {
    try {
      return await serve({ mounts: { "/models/": dirname(model), "/": dir }, csp: DEMO_CSP, port, handle });
    } catch (error) {
      if (error.code !== "EADDRINUSE" || port >= wanted + 20) throw error;
    }
  }
}
