/** Each example of the documentation runs, as it stands, in a browser; only addresses are others: of tiny models, which load in half the time. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../scripts/lib/util.mjs";
import { expect, test, TINY } from "./fixture.js";

/** A tiny model that has a chat template. */
const MODEL = "/arch/llama3/model-f32.gguf";
const GUIDES = join(ROOT, "docs/guides");
const PAGES = [join(ROOT, "pkg/README.md"), ...readdirSync(GUIDES).filter((file) => file.endsWith(".md")).map((file) => join(GUIDES, file))];

/** What stands in an example for something of the reader's own. */
const PRELUDE = `
const shown = window.shown = [];
const show = (...values) => shown.push(values.map((value) => (typeof value === "object" ? JSON.stringify(value) : value)).join(" "));
delete globalThis.LanguageModel;
const onProgress = () => undefined;
const { signal } = new AbortController();
const messages = [{ role: "user", content: "Hello" }];
const confirm = () => true;
const button = document.createElement("button");
`;

/** The JavaScript examples of a page. Those for a bundler or another file are `config`; a React component is `component`, and react.spec.ts has one. */
function examples(path: string): readonly string[] {
  return [...readFileSync(path, "utf8").matchAll(/^```js\n([\s\S]*?)^```/gm)].map(([, code]) => code ?? "");
}

/** An example as a module of the page, which takes packages from the page's bundle. */
function asModule(code: string, address: string): string {
  const body = code
    .replaceAll(/import (\w+) from "([^"]+)"(?: with \{[^}]*\})?;/g, 'const $1 = window.surfaces.modules["$2"].default;')
    .replaceAll(/import \* as (\w+) from "([^"]+)";/g, 'const $1 = window.surfaces.modules["$2"];')
    .replaceAll(/import \{ ([^}]+) \} from "([^"]+)";/g, (_, names: string, from: string) => `const { ${names.replaceAll(" as ", ": ")} } = window.surfaces.modules["${from}"];`)
    .replaceAll("https://example.org/pirate.gguf", `${address}/adapters/llama/plain.gguf`)
    .replaceAll("hf:owner/formal-lora", `${address}/adapters/llama/plain.gguf`)
    // The adapters there are, are those of a tiny model.
    .replaceAll("https://example.org/model.gguf", `${address}${code.includes("loadAdapter") ? TINY : MODEL}`)
    .replaceAll("hf:owner/name", `${address}${MODEL}`);
  if (/^\s*import /m.test(body)) throw new Error(`an import that is not understood: ${body}`);
  return `${PRELUDE}\n{\n${body}\n}\n`;
}

for (const path of PAGES) {
  for (const [i, code] of examples(path).entries()) {
    const name = `${path.slice(ROOT.length + 1)}, example ${i + 1}`;
    test(name, async ({ app, address }) => {
      test.setTimeout(240_000);
      await app.route("**/example.js", (route) => route.fulfill({ contentType: "text/javascript", body: asModule(code, address) }));
      const shown = await app.evaluate(async () => {
        await import(String(new URL("/example.js", location.href)));
        return window.shown;
      });
      if (/\bshow\(/.test(code)) expect(shown.join("").length, code).toBeGreaterThan(0);
      expect(shown.join(" ")).not.toMatch(/undefined|\[object/);
    });
  }
}
