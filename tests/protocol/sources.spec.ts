import { expect, test } from "./fixture.js";

test("a model comes from a file, a URL object, files, or storage", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const { Engine } = window.doran;
    const name = async (...args: Parameters<typeof Engine.load>): Promise<string> => {
      const engine = await Engine.load(...args);
      await engine.unload();
      return engine.info.name;
    };
    return {
      file: await name(new File(["abc"], "dropped.gguf")),
      blob: await name(new Blob(["abc"]), { name: "blob" }),
      url: await name(new URL("/a.gguf", location.href), { name: "kept" }),
      files: await name({ files: [{ path: "config.json", url: "/config.json" }, { path: "model.safetensors", file: new Blob([]) }] }),
      stored: await name("kept"),
      said: await name({ stored: "kept" }),
      list: await Engine.storage.list(),
      unknown: await window.failure(Engine.load("models/a.gguf")),
    };
  });
  expect(seen).toMatchObject({ file: "dropped.gguf", blob: "blob", url: "kept", files: "files", stored: "kept", said: "kept" });
  expect(seen.list).toMatchObject([{ name: "kept", totalBytes: 10_000, complete: true }]);
  expect(seen.unknown.code).toBe("not_found");
  expect(seen.unknown.message).toContain("./models/a.gguf");
});

test("hf: names a file or a repository of the hub, of which the file that suits most is taken", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const { Engine } = window.doran;
    const asked = async (source: string, options: object = {}): Promise<{ name: string; urls: string[] }> => {
      const urls: string[] = [];
      const fetch = (url: string, init: RequestInit): Promise<Response> => {
        urls.push(new URL(url).pathname);
        return window.fetch(url, init);
      };
      const engine = await Engine.load(source, { hub: "/hub", fetch, ...options });
      await engine.unload();
      return { name: engine.info.name, urls };
    };
    const failed = (source: string, options: object = {}): ReturnType<typeof window.failure> =>
      window.failure(Engine.load(source, { hub: "/hub", ...options }));
    return {
      file: await asked("hf:me/quantised@v1/tiny-Q8_0.gguf"),
      repository: await asked("hf:me/quantised"),
      revision: await asked("hf:me/quantised@v1", { name: "mine" }),
      token: await asked("hf:me/gated", { headers: { Authorization: "Bearer t" } }),
      folder: await asked("hf:me/folder"),
      // The hub is gone, the model is stored.
      offline: await asked("hf:me/quantised", { hub: "http://localhost:1/" }),
      unreachable: await failed("hf:me/other", { hub: "http://localhost:1/" }),
      gated: await failed("hf:me/gated"),
      missing: await failed("hf:me/missing"),
      pickled: await failed("hf:me/pickled"),
      malformed: await failed("hf:quantised"),
    };
  });
  expect(seen.file).toEqual({ name: "hf:me/quantised@v1/tiny-Q8_0.gguf", urls: ["/hub/me/quantised/resolve/v1/tiny-Q8_0.gguf"] });
  const chosen = "/hub/me/quantised/resolve/0123456789abcdef/tiny.Q4_K_M.gguf";
  expect(seen.repository).toEqual({ name: "hf:me/quantised", urls: ["/hub/api/models/me/quantised/revision/main", chosen] });
  expect(seen.revision).toEqual({ name: "mine", urls: ["/hub/api/models/me/quantised/revision/v1", chosen] });
  expect(seen.token.urls).toHaveLength(2);
  expect(seen.folder).toEqual({ name: "hf:me/folder", urls: ["/hub/api/models/me/folder/revision/main"] });
  expect(seen.offline.name).toBe("hf:me/quantised");
  expect(seen.unreachable).toMatchObject({ code: "network", data: {} });
  expect(seen.gated).toMatchObject({ code: "network", data: { status: 401 } });
  expect(seen.gated.message).toContain("headers");
  expect(seen.missing).toMatchObject({ code: "network", data: { status: 404 } });
  expect(seen.pickled.code).toBe("unsupported");
  expect(seen.malformed.code).toBe("bad_argument");
});

test("storage lists, verifies, exports, deletes and estimates", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const { Engine } = window.doran;
    await (await Engine.load("/a.gguf")).unload();
    const before = (await Engine.storage.list()).length;
    const read: number[] = [];
    const checked = await Engine.storage.verify("a.gguf", { onProgress: ({ loadedBytes }) => { read.push(loadedBytes); } });
    const aborted = await Engine.storage.verify("a.gguf", { signal: AbortSignal.abort(new Error("enough")) }).catch((error: unknown) => String(error));
    const exported = await Engine.storage.export("a.gguf", { onProgress: ({ loadedBytes }) => { read.push(loadedBytes); } });
    const ended = await Engine.storage.export("a.gguf", { signal: AbortSignal.abort(new Error("no more")) }).catch((error: unknown) => String(error));
    const files = exported.map((file) => [file instanceof File, file.name, file.size]);
    await Engine.storage.delete("a.gguf");
    const unknown = await window.failure(Engine.storage.verify("a.gguf"));
    const after = (await Engine.storage.list()).length;
    const twice = await window.failure(Engine.storage.delete("a.gguf"));
    return { before, after, twice: twice.code, checked, read, aborted, files, ended, unknown: unknown.code, estimate: await Engine.storage.estimate() };
  });
  expect(seen).toMatchObject({ before: 1, after: 0, twice: "not_found", unknown: "not_found", aborted: "Error: enough", checked: { damaged: 0 }, ended: "Error: no more" });
  expect(seen.read).toEqual([seen.checked.bytes, seen.checked.bytes]);
  expect(seen.files).toEqual([[true, "a.gguf", seen.checked.bytes]]);
  expect(seen.estimate.quotaBytes).toBeGreaterThan(0);
});

test("headers reach the server", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const without = await window.failure(window.doran.Engine.load("/private/model.gguf"));
    const engine = await window.doran.Engine.load("/private/model.gguf", { headers: { "X-Token": "t" } });
    await engine.unload();
    return { without, name: engine.info.name };
  });
  expect(seen.without).toMatchObject({ code: "network", data: { status: 401 } });
  expect(seen.name).toBe("model.gguf");
});

test("the caller's own fetch runs in the page, with ranges, and its body is streamed", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const model = new Uint8Array(5000).fill(7);
    const asked: string[] = [];
    const engine = await window.doran.Engine.load("https://nowhere.example/model.gguf?fetch-slices", {
      headers: { "X-Token": "t" },
      fetch: async (url, init) => {
        const headers = new Headers(init.headers);
        const [, from = "0", to = "0"] = /bytes=(\d+)-(\d+)/.exec(headers.get("range") ?? "") ?? [];
        asked.push(`${new URL(url).host} ${from} ${headers.get("x-token") ?? ""}`);
        const slice = model.slice(Number(from), Number(to) + 1);
        return new Response(slice, { status: 206, headers: { "content-range": `bytes ${from}-${to}/5000` } });
      },
    });
    await engine.unload();
    return { asked, bytes: engine.info.load.bytesDownloaded };
  });
  expect(seen.bytes).toBe(5000);
  expect(seen.asked).toHaveLength(5);
  expect(seen.asked[1]).toBe("nowhere.example 1024 t");
});

test("an own fetch that fails, breaks off, or is aborted", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const { Engine } = window.doran;
    const url = "https://nowhere.example/model.gguf";
    const rejects = await window.failure(Engine.load(url, { fetch: () => Promise.reject(new TypeError("no route")) }));
    const breaks = await window.failure(Engine.load(url, {
      fetch: async () => new Response(new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(10)),
        pull: (controller) => controller.error(new TypeError("cut")),
      })),
    }));
    let cancelled = false;
    let pulls = 0;
    const stop = new AbortController();
    const endless = await window.failure(Engine.load(url, {
      signal: stop.signal,
      fetch: async (_, init) => {
        init.signal?.addEventListener("abort", () => { cancelled = true; });
        return new Response(new ReadableStream({
          pull: async (controller) => {
            pulls += 1;
            // Not before it runs, however slow the machine.
            if (pulls === 5) stop.abort(new DOMException("enough", "TimeoutError"));
            await new Promise((resolve) => { setTimeout(resolve, 5); });
            controller.enqueue(new Uint8Array(10));
          },
        }));
      },
    }));
    await new Promise((resolve) => { setTimeout(resolve, 200); });
    const after = pulls;
    await new Promise((resolve) => { setTimeout(resolve, 50); });
    return { rejects, breaks, endless: endless.name, cancelled, stopped: pulls - after };
  });
  expect(seen.rejects).toMatchObject({ code: "network" });
  expect(seen.rejects.message).toContain("no route");
  expect(seen.breaks.message).toContain("cut");
  expect(seen).toMatchObject({ endless: "TimeoutError", cancelled: true });
  expect(seen.stopped).toBeLessThanOrEqual(1);
});

test("a page whose policy forbids WebAssembly is told what to add", async ({ page, site }) => {
  // The policy of a worker comes with the worker's own script: the server gives it by query.
  await page.goto(`${site.address}/`);
  await page.waitForFunction(() => document.title === "ready");
  await page.route("**/worker.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, headers: { ...response.headers(), "content-security-policy": "default-src 'self'" } });
  });
  const error = await page.evaluate(() => window.failure(window.doran.Engine.load("/model.gguf")));
  expect(error.code).toBe("unsupported");
  expect(error.message).toContain("wasm-unsafe-eval");
});
