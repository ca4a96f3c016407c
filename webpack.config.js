// Builds the demo as any user of the package would build an app: no rule here knows anything of doran.
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { buildSync } from "esbuild";

const ROOT = import.meta.dirname;

/** The styles as one file a page, and what is copied as it is. */
const pages = {
  apply(compiler) {
    compiler.hooks.afterEmit.tap("pages", () => {
      const out = compiler.outputPath;
      cpSync(join(ROOT, "www/public"), out, { recursive: true });
      buildSync({ entryPoints: [join(ROOT, "www/styles/style.css"), join(ROOT, "www/styles/bench.css")], bundle: true, minify: true, outdir: out, logLevel: "warning" });
      listForOffline(out);
    });
  },
};

/** Tells the service worker which files the shell is, each with its hash: all but itself. */
function listForOffline(out) {
  const files = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name)).filter((file) => !file.endsWith("/sw.js")).sort();
  const list = files.map((file) => ({ url: relative(out, file), revision: createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 16) }));
  const worker = join(out, "sw.js");
  mkdirSync(dirname(worker), { recursive: true });
  writeFileSync(worker, readFileSync(worker, "utf8").replace("self.__WB_MANIFEST", JSON.stringify(list)));
}

/** `--env out=…`: where to; `--env modules=…`: the folder in which the package is installed. */
export default ({ out = join(ROOT, "www/dist"), modules = join(ROOT, "www/node_modules") } = {}) => ({
  mode: "production",
  entry: { main: join(ROOT, "www/src/main.tsx"), bench: join(ROOT, "www/src/bench.tsx"), sw: join(ROOT, "www/src/sw.ts") },
  output: { path: out, filename: "[name].js", clean: true, module: true },
  experiments: { outputModule: true },
  resolve: { extensions: [".tsx", ".ts", ".js"], extensionAlias: { ".js": [".tsx", ".ts", ".js"] }, modules: [modules, join(ROOT, "node_modules")] },
  module: {
    rules: [{ test: /\.tsx?$/, loader: join(ROOT, "node_modules/esbuild-loader"), options: { target: "es2022", jsx: "automatic", jsxImportSource: "preact" } }],
  },
  plugins: [pages],
  performance: false,
  devtool: false,
});
