/** Nothing leaves the device once a model is ready, and what opens a door is never kept. */
import { expect, generated, REAL, test } from "./fixture.js";

const SECRET = "hf_5ecret5ecret5ecret";
const SIGNATURE = "51gnature51gnature";

test("from ready on nobody is asked anything, and twenty answers come with the server gone", async ({ doran, profile }) => {
  const requests: string[] = [];
  // Those of the page and of its workers.
  profile.on("request", (request) => requests.push(`${request.method()} ${request.url()}`));
  await doran.evaluate(async (url) => { window.engine = await window.doran.Engine.load(url); }, `/models/${REAL.name}`);
  expect(requests.filter((one) => one.includes(REAL.name)).length).toBeGreaterThanOrEqual(1);
  requests.length = 0;
  const ask = (n: number): Promise<string> => doran.evaluate(async (n) => {
    const { text } = await window.read(window.engine.generate([{ role: "user", content: `Count to ${n}.` }], { maxTokens: 4, temperature: 0 }));
    return text;
  }, n);
  const before = [await ask(2), await ask(3)];
  await profile.setOffline(true);
  for (let n = 2; n < 22; n += 1) {
    const text = await ask(n);
    expect(text.length).toBeGreaterThan(0);
    if (n < 4) expect(text).toBe(before[n - 2]);
  }
  await doran.evaluate(() => window.engine.unload());
  expect(requests).toEqual([]);
  await profile.setOffline(false);
  // That a request is seen at all, a worker's too.
  await doran.evaluate(() => new Promise((resolve) => {
    const worker = new Worker("/asks.js", { type: "module" });
    worker.onmessage = resolve;
  }));
  expect(requests.filter((one) => one.includes("/pkg/package.json")).length).toBe(1);
});

test("a stored model loads without a network", async ({ doran, profile, site }) => {
  const url = `${site.faults.url}/${generated(64).name}`;
  const first = await doran.evaluate((url) => window.probe(url, { backend: "webgpu" }), url);
  // The page's own files still come from its server: what is cut off is the model's.
  await profile.route(`${site.faults.url}/**`, (route) => route.abort());
  const again = await doran.evaluate((url) => window.probe(url, { backend: "webgpu" }), url);
  expect(again).toMatchObject({ logits: first.logits, info: { outdated: false, load: { bytesDownloaded: 0 } } });
  const refused = await doran.evaluate((url) => window.failure(window.probe(url, { name: "other", signal: AbortSignal.timeout(2000) })), url);
  expect(refused.code).not.toBe("none");
});

test("headers, tokens and signatures are neither stored nor logged", async ({ doran, profile, site }) => {
  const said: string[] = [];
  profile.on("console", (message) => said.push(message.text()));
  const url = `${site.faults.url}/${generated(64).name}`;
  const { failure, kept } = await doran.evaluate(async ({ url, secret, signature }) => {
    const options = { headers: { Authorization: `Bearer ${secret}` } };
    await window.probe(`${url}?X-Amz-Signature=${signature}`, options);
    // An error names the address; the secret parts of it stay out.
    const failure = await window.failure(window.probe(`${url}-none?X-Amz-Signature=${signature}`, options));
    const settled = <T>(wanted: IDBRequest<T>): Promise<T> => new Promise((resolve, reject) => {
      wanted.onsuccess = () => { resolve(wanted.result); };
      wanted.onerror = () => { reject(wanted.error); };
    });
    const kept: string[] = [];
    for (const { name = "" } of await indexedDB.databases()) {
      const db = await settled(indexedDB.open(name));
      for (const store of db.objectStoreNames) {
        const objects = db.transaction(store).objectStore(store);
        kept.push(JSON.stringify(await settled(objects.getAllKeys())), JSON.stringify(await settled(objects.getAll())));
      }
      db.close();
    }
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const request of await cache.keys()) kept.push(request.url, await (await cache.match(request))?.text() ?? "");
    }
    kept.push(JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie);
    return { failure: JSON.stringify(failure), kept };
  }, { url, secret: SECRET, signature: SIGNATURE });
  expect(kept.join(" ")).toContain(generated(64).name);
  expect(failure).toContain("404");
  for (const text of [...kept, failure, ...said]) {
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain(SIGNATURE);
  }
});
