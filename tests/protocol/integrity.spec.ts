/** The package publishes hashes of what a page runs, and holds the module against one where the page says so. */
import { expect, test } from "./fixture.js";

const WASM = "/pkg/dist/doran_bg.wasm";

/** A hash as browsers check it, of what the server gives. */
function hashes(paths: readonly string[]): Promise<Record<string, string>> {
  const one = async (path: string): Promise<readonly [string, string]> => {
    const digest = await crypto.subtle.digest("SHA-384", await (await fetch(`/pkg/dist/${path}`)).arrayBuffer());
    return [path, `sha384-${btoa(String.fromCharCode(...new Uint8Array(digest)))}`];
  };
  return Promise.all(paths.map(one)).then((pairs) => Object.fromEntries(pairs));
}

test("the published hashes are those of the files", async ({ doran }) => {
  const text = await doran.evaluate(async () => (await fetch("/pkg/dist/integrity.json")).text());
  const files = [...text.matchAll(/"([^"]+)": "sha384-/g)].map(([, file]) => file ?? "");
  expect(files).toEqual(expect.arrayContaining(["doran_bg.wasm", "doran_constrained_bg.wasm", "index.js", "worker.js", "openai.js"]));
  // Scripts that entry points share have a hash too: a page that checks one checks all that it imports.
  expect(files.filter((file) => file.startsWith("shared-")).length).toBeGreaterThan(0);
  expect(JSON.parse(text)).toEqual(await doran.evaluate(hashes, files));
});

test("a module with the stated hash runs, and no other does", async ({ doran }) => {
  const { "doran_bg.wasm": right } = await doran.evaluate(hashes, ["doran_bg.wasm"]);
  const { "worker.js": wrong } = await doran.evaluate(hashes, ["worker.js"]);
  const seen = await doran.evaluate(async ({ wasmUrl, hashes: [right, wrong] }) => {
    const { Engine } = window.doran;
    const load = (wasmIntegrity: string | undefined, url: string): ReturnType<typeof window.failure> =>
      window.failure(Engine.load("/model.gguf", { wasmUrl: url, ...(wasmIntegrity === undefined ? {} : { wasmIntegrity }) }));
    return {
      right: (await Engine.load("/model.gguf", { wasmUrl, ...(right === undefined ? {} : { wasmIntegrity: right }) })).info.name,
      wrong: await load(wrong, wasmUrl),
      storage: (await window.failure(Engine.storage.list({ wasmUrl, ...(wrong === undefined ? {} : { wasmIntegrity: wrong }) }))).code,
      missing: await load(right, "/nowhere.wasm"),
      html: await load(right, "/not-wasm.html"),
      // What browsers would take as no hash at all.
      malformed: await load(right?.replace("sha384-", "sha384:"), wasmUrl),
      empty: await load("", wasmUrl),
    };
  }, { wasmUrl: WASM, hashes: [right, wrong] });
  expect(seen.right).toBe("model.gguf");
  expect(seen.wrong).toMatchObject({ code: "bad_hash" });
  expect(seen.wrong.message).toContain("wasmIntegrity");
  expect(seen.storage).toBe("bad_hash");
  expect(seen.missing).toMatchObject({ code: "network", data: { status: 404 } });
  expect(seen.html.code).toBe("bad_hash");
  expect(seen.malformed).toMatchObject({ code: "bad_argument", data: { argument: "wasmIntegrity" } });
  expect(seen.empty.code).toBe("bad_argument");
});
