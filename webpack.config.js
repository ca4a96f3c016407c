// Builds the demo as any user of the package would build an app: no rule here knows anything of doran.
import { cpSync } from "node:fs";
import { join } from "node:path";

const ROOT = import.meta.dirname;

/** Copies the page and its styles beside the bundle. */
const copyPublic = {
  apply(compiler) {
    compiler.hooks.afterEmit.tap("copy-public", () => cpSync(join(ROOT, "www/public"), compiler.outputPath, { recursive: true }));
  },
};

/** `--env out=…`: where to; `--env modules=…`: the folder in which the package is installed. */
export default ({ out = join(ROOT, "www/dist"), modules = join(ROOT, "www/node_modules") } = {}) => ({
  mode: "production",
  entry: join(ROOT, "www/src/main.ts"),
  output: { path: out, filename: "main.js", clean: true, module: true },
  experiments: { outputModule: true },
  resolve: { extensions: [".ts", ".js"], extensionAlias: { ".js": [".ts", ".js"] }, modules: [modules] },
  module: { rules: [{ test: /\.ts$/, loader: join(ROOT, "node_modules/esbuild-loader"), options: { target: "es2022" } }] },
  plugins: [copyPublic],
  performance: false,
  devtool: false,
});
