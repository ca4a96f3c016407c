/** Which model is taken of several, split files by their names, and licences; the engine is the stand-in, which has as much room as `X-Room` says. */
import { expect, test } from "./fixture.js";

test("a repository is described by the largest of its quantised files that fits", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const { Engine } = window.doran;
    const asked: string[] = [];
    const fetch = (url: string, init: RequestInit): Promise<Response> => {
      asked.push(new URL(url).pathname);
      return window.fetch(url, init);
    };
    const inspect = async (room: number, options: object = {}): Promise<{ take: string; verdict: string; context: number }> => {
      const { take, verdict, context } = await Engine.inspect("hf:me/sizes", { hub: "/hub", fetch, headers: { "X-Room": String(room) }, ...options });
      return { take, verdict, context };
    };
    const all = await Engine.inspect("hf:me/sizes", { hub: "/hub", fetch });
    const once = asked.length;
    return {
      candidates: all.candidates, once,
      all: [all.take, all.verdict],
      of8: await inspect(8), of6: await inspect(6), of3: await inspect(3), of1: await inspect(1),
      // Q2_K takes 2, and 3 with a long context.
      short: await inspect(2, { fit: "auto" }), long: await inspect(2),
    };
  });
  expect(seen.candidates).toEqual([
    { path: "big-Q4_K_M-00001-of-00003.gguf", bytes: 4500, format: "Q4_K_M", files: 3 },
    { path: "big-Q6_K.gguf", bytes: 6000, format: "Q6_K", files: 1 },
    { path: "big-Q8_0.gguf", bytes: 8000, format: "Q8_0", files: 1 },
    { path: "big-Q2_K.gguf", bytes: 2500, format: "Q2_K", files: 1 },
    { path: "big-F16.gguf", bytes: 16_000, format: "F16", files: 1 },
    { path: "model.safetensors", bytes: 16_010, format: null, files: 2 },
  ]);
  // The list, and headers of three files at most: that of Q8_0 by halves.
  expect(seen.once).toBeLessThanOrEqual(4);
  expect(seen.all).toEqual(["big-Q8_0.gguf", "fits"]);
  expect(seen.of8).toEqual({ take: "big-Q6_K.gguf", verdict: "fits", context: 4096 });
  expect(seen.of6).toEqual({ take: "big-Q4_K_M-00001-of-00003.gguf", verdict: "fits", context: 4096 });
  expect(seen.of3).toEqual({ take: "big-Q2_K.gguf", verdict: "tight", context: 4096 });
  expect(seen.of1).toEqual({ take: "big-Q2_K.gguf", verdict: "no", context: 4096 });
  expect(seen.short).toEqual({ take: "big-Q2_K.gguf", verdict: "tight", context: 1024 });
  expect(seen.long).toEqual({ take: "big-Q2_K.gguf", verdict: "no", context: 4096 });
});

test("a load steps down by itself where it is asked to, and says what it did", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const { Engine } = window.doran;
    const load = async (room: number, options: object): Promise<{ adjustments: unknown; warnings: readonly string[]; context: number }> => {
      const engine = await Engine.load("hf:me/sizes", { hub: "/hub", store: false, headers: { "X-Room": String(room) }, ...options });
      await engine.unload();
      const { adjustments, warnings, context } = engine.info;
      return { adjustments, warnings, context };
    };
    return {
      plain: await load(99, {}), best: await load(99, { fit: "auto" }), smaller: await load(6, { fit: "auto" }), both: await load(2, { fit: "auto" }),
      single: await window.failure(Engine.load("/a-Q4_0.gguf", { headers: { "X-Room": "3" } })),
      none: await window.failure(load(1, { fit: "auto" })),
      // @ts-expect-error: JavaScript may pass anything.
      wrong: await window.failure(Engine.load("/a.gguf", { fit: "tight" })),
      inspected: (await Engine.inspect("hf:me/sizes", { hub: "/hub", fit: "auto", headers: { "X-Room": "2" } })).adjustments,
    };
  });
  expect(seen.plain).toEqual({ adjustments: [], warnings: [], context: 4096 });
  expect(seen.best).toEqual({ adjustments: [], warnings: [], context: 4096 });
  const file = { what: "file", from: "big-Q8_0.gguf", to: "big-Q4_K_M-00001-of-00003.gguf" };
  expect(seen.smaller).toMatchObject({ adjustments: [file], context: 4096 });
  expect(seen.smaller.warnings[0]).toContain("big-Q4_K_M");
  const both = [{ what: "context", from: 4096, to: 1024 }, { ...file, to: "big-Q2_K.gguf" }];
  expect(seen.both).toMatchObject({ adjustments: both, context: 1024 });
  expect(seen.inspected).toEqual(both);
  expect(seen.single).toMatchObject({ code: "out_of_memory", data: { needed_bytes: 5, available_bytes: 3 } });
  expect(seen.none.code).toBe("out_of_memory");
  expect(seen.wrong).toMatchObject({ code: "bad_argument", data: { argument: "fit" } });
});

test("the parts of a split file are found by the name of one, and put in order", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const { Engine } = window.doran;
    const name = async (...args: Parameters<typeof Engine.load>): Promise<string> => {
      const engine = await Engine.load(...args);
      await engine.unload();
      return engine.info.name;
    };
    const part = (no: number): string => `tiny-Q4_0-0000${no}-of-00003.gguf`;
    const files = [3, 1, 2].map((no) => ({ path: part(no), file: new File(["x"], part(no)) }));
    return {
      url: await name(`/models/${part(1)}?download=true`), second: await name(`/models/${part(2)}`), files: await name({ files }),
      inspected: await Engine.inspect(`/models/${part(1)}`),
      ofFiles: (await Engine.inspect({ files: [...files, { path: "README.md", file: new Blob([]) }] })).candidates,
    };
  });
  const first = /\/models\/tiny-Q4_0-00001-of-00003\.gguf$/;
  expect(seen.url).toMatch(first);
  expect(seen.second).toMatch(first);
  expect(seen.files).toBe("tiny-Q4_0-00001-of-00003.gguf");
  expect(seen.inspected.candidates).toMatchObject([{ bytes: null, format: "Q4_0", files: 3 }]);
  expect(seen.ofFiles).toEqual([{ path: "tiny-Q4_0-00001-of-00003.gguf", bytes: 3, format: "Q4_0", files: 3 }]);
});

test("several files are chosen among, also those that the reader picked", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const { Engine } = window.doran;
    const pick = (format: string, bytes: number): { path: string; file: File } => ({ path: `m-${format}.gguf`, file: new File(["x".repeat(bytes)], `m-${format}.gguf`) });
    const files = [pick("F16", 16), pick("Q8_0", 9), pick("Q4_0", 5), { path: "notes.txt", file: new File([], "notes.txt") }];
    const { take, candidates } = await Engine.inspect({ files });
    const engine = await Engine.load({ files });
    await engine.unload();
    return { take, candidates: candidates.map(({ path }) => path), plain: engine.info.name };
  });
  expect(seen).toEqual({ take: "m-Q8_0.gguf", candidates: ["m-Q4_0.gguf", "m-Q8_0.gguf", "m-F16.gguf"], plain: "m-Q4_0.gguf" });
});

test("an inspection fails and ends as a load does", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const { Engine } = window.doran;
    const stop = new AbortController();
    const hanging = window.failure(Engine.inspect("/a.gguf?hang", { signal: stop.signal }));
    setTimeout(() => stop.abort(), 100);
    return {
      hanging: (await hanging).name,
      bad: (await window.failure(Engine.inspect("/a.gguf?error=bad_file"))).code,
      list: await Engine.storage.list(),
    };
  });
  expect(seen).toEqual({ hanging: "AbortError", bad: "bad_file", list: [] });
});

test("a licence that forbids commerce, asks for consent or is not known must be accepted before anything is fetched", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const { Engine } = window.doran;
    const known = <T>(value: T) => ({ value, source: "https://example.org/", verified: true } as const);
    const unknown = { value: null, source: null, verified: false } as const;
    const entry = (license: object, more: object = {}): Parameters<typeof Engine.load>[0] => ({
      id: "one", name: "One", goodFor: "Tests.", unsupported: null, large: false, source: known("hf:me/quantised"), revision: known("v1"),
      architecture: known("llama"), parameters: unknown, quantisation: unknown, bytes: unknown, languages: unknown, context: unknown,
      license: { name: known("Some License - NC"), url: known("https://example.org/license"), nonCommercial: known(false), gated: known(false), ...license },
      ...more,
    });
    const asked: string[] = [];
    const fetch = (url: string, init: RequestInit): Promise<Response> => {
      asked.push(url);
      return window.fetch(url, init);
    };
    const load = async (source: Parameters<typeof Engine.load>[0], options: object = {}): Promise<string> => {
      const engine = await Engine.load(source, { hub: "/hub", fetch, ...options });
      await engine.unload();
      return engine.info.name;
    };
    const refused = [];
    for (const license of [{ nonCommercial: known(true) }, { gated: known(true) }, { nonCommercial: unknown }, { gated: unknown }]) {
      refused.push(await window.failure(load(entry(license))));
    }
    const before = asked.length;
    return {
      refused, before,
      free: await load(entry({})), accepted: await load(entry({ nonCommercial: known(true) }), { acceptLicense: true }),
      unsupported: await window.failure(load(entry({}, { unsupported: "architecture" }))),
      // Whoever names the address knows what they do.
      address: await load("hf:me/quantised@v1"),
      looked: (await Engine.inspect(entry({ nonCommercial: known(true) }), { hub: "/hub" })).architecture,
    };
  });
  expect(seen.before).toBe(0);
  for (const error of seen.refused) {
    expect(error).toMatchObject({ code: "license_not_accepted", data: { license: "Some License - NC", url: "https://example.org/license" } });
    expect(error.message).toContain("acceptLicense");
  }
  expect(seen).toMatchObject({ free: "hf:me/quantised@v1", accepted: "hf:me/quantised@v1", address: "hf:me/quantised@v1", looked: "fake" });
  expect(seen.unsupported.code).toBe("unsupported");
});
