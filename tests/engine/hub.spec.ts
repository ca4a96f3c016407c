/** The hub's addresses against a server that behaves like the hub, from a page of another origin. */
import { expect, test } from "./fixture.js";

test("a repository loads over preflights and redirects to another origin, and from storage after that", async ({ doran, site }) => {
  site.hub.reset();
  const seen = await doran.evaluate(async (hub) => {
    const { logits } = await window.probe("/arch/llama/model-f32.gguf", { store: false });
    const token = await window.probe("hf:tiny/gated", { hub, headers: { Authorization: "Bearer hf_right" } });
    const file = await window.probe("hf:tiny/llama/llama-F32.gguf", { hub });
    const split = await window.probe("hf:tiny/llama/llama-Q8_0-00001-of-00003.gguf", { hub });
    const folder = await window.probe("hf:tiny/folder", { hub });
    const stored = await window.probe("hf:tiny/gated", { hub: "http://127.0.0.1:1/" });
    const { Engine } = window.doran;
    return {
      logits, same: [token, file, split].map((one) => one.logits), folder: folder.logits, stored: { logits: stored.logits, downloaded: stored.info.load.bytesDownloaded },
      inspected: await Engine.inspect("hf:tiny/llama", { hub }),
      refused: await window.failure(Engine.load("hf:tiny/gated", { hub, name: "other" })),
      wrong: await window.failure(Engine.load("hf:tiny/gated", { hub, name: "other", headers: { Authorization: "Bearer hf_wrong" } })),
    };
  }, site.hub.url);
  for (const logits of seen.same) expect(logits).toEqual(seen.logits);
  expect(seen.folder.length).toBe(seen.logits.length);
  for (const [i, logit] of seen.folder.entries()) expect(logit).toBeCloseTo(seen.logits[i] ?? Number.NaN, 4);
  expect(seen.stored).toEqual({ logits: seen.logits, downloaded: 0 });
  expect(seen.inspected.take).toBe("llama-Q8_0-00001-of-00003.gguf");
  expect(seen.inspected.candidates.map(({ path, files }) => [path, files])).toEqual([["llama-Q8_0-00001-of-00003.gguf", 3], ["llama-F32.gguf", 1]]);
  expect(seen.inspected.candidates.every(({ bytes }) => bytes !== null && bytes > 0)).toBe(true);
  expect(seen.refused).toMatchObject({ code: "network", data: { status: 401 } });
  expect(seen.wrong).toMatchObject({ code: "network", data: { status: 401 } });
  // The token is for the hub, and not for whom it redirects to.
  const requests = site.hub.requests();
  expect(requests).toContain("GET /api/models/tiny/gated/revision/main with a token");
  expect(requests.filter((request) => request.includes("/arch/") && request.endsWith("with a token"))).toEqual([]);
});

test("a Git LFS pointer in the place of the weights is named, and nothing of it is stored", async ({ doran, site }) => {
  const seen = await doran.evaluate(async (hub) => {
    const { Engine } = window.doran;
    return {
      uploaded: await window.failure(Engine.load("hf:tiny/pointer", { hub })),
      raw: await window.failure(Engine.load(`${hub}/tiny/llama/raw/main/llama-F32.gguf`)),
      looked: await window.failure(Engine.inspect("hf:tiny/pointer", { hub })),
      list: (await Engine.storage.list()).filter(({ complete }) => complete),
    };
  }, site.hub.url);
  for (const error of [seen.uploaded, seen.raw, seen.looked]) {
    expect(error).toMatchObject({ code: "bad_file", data: { what: "lfs_pointer" } });
    expect(error.message).toContain("/resolve/");
  }
  expect(seen.list).toEqual([]);
});
