/** A bare page with the package and a model beside it, for the command line: `eval`, `npm start -- --prompt`, tests. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { Plain, ROOT } from "./util.mjs";
import { serve, STRICT_CSP } from "./serve.mjs";

const isUrl = (text) => /^https?:/.test(text);
/** What a Hugging Face folder may hold that an engine reads. */
const MODEL_FILES = /\.(json|safetensors|jinja|txt|model|gguf)$/;

/** How the page names a model: what `Engine.load` takes, and the folder to serve at `/model/`. */
function modelSource(model) {
  if (isUrl(model)) return { source: { url: model } };
  const path = resolve(model);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new Plain(`there is no model at ${model}`);
  const url = (file) => `/model/${file.split("/").map(encodeURIComponent).join("/")}`;
  if (stat.isFile()) return { source: { url: url(basename(path)) }, folder: dirname(path) };
  const names = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && MODEL_FILES.test(entry.name))
    .map((entry) => relative(path, join(entry.parentPath, entry.name)))
    .sort();
  const isFolder = names.includes("config.json");
  if (!isFolder && !names.some((name) => name.endsWith(".gguf"))) throw new Plain(`${model} holds neither GGUF files nor a Hugging Face folder (no config.json)`);
  // A folder may hold a GGUF beside the original weights: it is read as the folder it is. One without them holds parts, or a choice.
  const files = names.filter((name) => name.endsWith(".gguf") !== isFolder).map((name) => ({ path: name, url: url(name) }));
  return { source: { files }, folder: path };
}

/**
 * Serves `script` (of scripts/page) with the package under the strict policy. Gives the address to open and the model's
 * source as the page may pass it to `Engine.load`. Without a model, `folder` is served at `/model/` as it is.
 */
export async function pageSite({ script, packageDir = join(ROOT, "pkg"), model, folder: given }) {
  const { source, folder = given } = model === undefined ? {} : modelSource(model);
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>doran</title><script type="module" src="/page/${script}"></script></html>`;
  const elsewhere = model !== undefined && isUrl(model) ? `; connect-src 'self' ${new URL(model).origin} https:` : "";
  const site = await serve({
    mounts: { "/pkg/": packageDir, "/page/": join(ROOT, "scripts/page"), ...(folder === undefined ? {} : { "/model/": folder }) },
    csp: STRICT_CSP + elsewhere,
    kept: ["/pkg/"],
    handle: (request, response) => {
      if (request.url !== "/") return false;
      response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": STRICT_CSP + elsewhere }).end(html);
      return true;
    },
  });
  return { ...site, source };
}

/** The version of the package, for records. */
export const packageVersion = () => JSON.parse(readFileSync(join(ROOT, "pkg/package.json"), "utf8")).version;
