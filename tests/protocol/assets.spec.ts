/** Where the package's files are: what the page says is checked first, and what a bundle cannot know is asked for only where it is needed. */
import { join } from "node:path";
import { build } from "esbuild";
import { buildFakePackage } from "../../scripts/lib/package.mjs";
import type * as Doran from "../../pkg/src/index.js";
import { expect, test } from "./fixture.js";

declare global {
  interface Window {
    /** The package in a classic script. */
    bundled: typeof Doran;
  }
}

test("an address that is none is refused before there is a worker", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    let workers = 0;
    const createWorker = (): Worker => {
      workers += 1;
      return new Worker("/pkg/dist/worker.js", { type: "module" });
    };
    const codes: string[] = [];
    for (const name of ["wasmUrl", "constrainedUrl", "workerUrl"]) {
      codes.push((await window.failure(window.doran.Engine.load("/model.gguf", { createWorker, [name]: "http://[" }))).code);
    }
    return { codes, workers };
  });
  expect(seen).toEqual({ codes: ["bad_argument", "bad_argument", "bad_argument"], workers: 0 });
});

test("a bundle that does not know its own address answers, and asks for constrainedUrl where an answer has a format", async ({ doran }) => {
  const script = join(await buildFakePackage(), "dist/index.js");
  const { outputFiles } = await build({ entryPoints: [script], bundle: true, format: "iife", globalName: "bundled", write: false, logLevel: "silent" });
  await doran.route("**/bundled.js", (route) => route.fulfill({ contentType: "text/javascript", body: outputFiles[0]?.text ?? "" }));
  await doran.addScriptTag({ url: "/bundled.js" });
  const seen = await doran.evaluate(async () => {
    const { Engine } = window.bundled;
    const assets = { wasmUrl: "/pkg/dist/doran_bg.wasm", createWorker: () => new Worker("/pkg/dist/worker.js", { type: "module" }) };
    const format = { type: "json_object" as const };
    const engine = await Engine.load("/model.gguf", assets);
    const refused = await window.failure(window.collect(engine.generate("x", { format })));
    const text = await window.collect(engine.generate("x"));
    await engine.unload();
    const told = await Engine.load("/model.gguf", { ...assets, constrainedUrl: "/nowhere.wasm" });
    const missing = await window.failure(window.collect(told.generate("x", { format })));
    await told.unload();
    return { refused, text, missing };
  });
  expect(seen.refused).toMatchObject({ name: "DoranError", code: "bad_argument", data: { argument: "constrainedUrl" } });
  expect(seen.text).toBe("You said: x");
  expect(seen.missing).toMatchObject({ code: "network", data: { status: 404 } });
});
