/** The demo's rooms bundled from their TypeScript: for node, or as files of a page. */
import { build } from "esbuild";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const COMMON = { bundle: true, write: false, format: "esm", target: "es2022" };

/** A module of www/src, such as `markdown/html.ts`, imported. */
export async function importRoom(path) {
  const { outputFiles } = await build({ ...COMMON, entryPoints: [at(`../../www/src/${path}`)], platform: "neutral", mainFields: ["module", "main"] });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}

/** The script page.ts of this folder and its chunks, by path: what is loaded lazily there is so here. */
export async function bundlePage() {
  const { outputFiles } = await build({
    ...COMMON, entryPoints: [at("page.ts")], splitting: true, outdir: "/", chunkNames: "chunks/[name]-[hash]",
  });
  return new Map(outputFiles.map(({ path, contents }) => [path, Buffer.from(contents)]));
}
