/** Models: the gallery and its verdicts, licences, what is brought, downloads that are paused and cut, what is stored, verified, exported and deleted. */
import { join } from "node:path";
import { sha256 } from "../../scripts/lib/util.mjs";
import { MODEL } from "../../scripts/model.mjs";
import { serveHub, type Hub } from "../engine/hub.js";
import { answers, expect, FIXTURES, LOAD_MS, NAME, show, test, whole } from "./fixture.js";

test.use({ file: "models" });
test.describe.configure({ mode: "serial" });

let hub: Hub;
test.beforeAll(async () => { hub = await serveHub(FIXTURES); });
test.afterAll(() => hub.close());

test("the gallery is searched and filtered, and says of a model whether it fits this device", async ({ demo: { page } }) => {
  await show(page, "Models");
  const cards = page.locator("#gallery > li");
  const all = await cards.count();
  expect(all).toBeGreaterThan(20);
  await page.getByLabel("Language", { exact: true }).selectOption({ label: "Korean" });
  const korean = await cards.count();
  expect(korean).toBeGreaterThan(3);
  expect(korean).toBeLessThan(all);
  await page.getByLabel("Search models").fill("exaone");
  await expect(cards).toHaveCount(2);
  await expect(cards.first()).toContainText("EXAONE AI Model License Agreement");
  await page.getByLabel("Search models").fill("");
  await page.getByLabel("Language", { exact: true }).selectOption("");

  const card = page.locator(`#gallery > li[data-name="${NAME}"]`);
  await card.getByRole("button", { name: `Will ${NAME} fit this device?` }).click();
  await expect(card.locator("[data-verdict]")).toHaveAttribute("data-verdict", /fits|tight/, { timeout: 60_000 });
  await expect(card.locator("[data-verdict]")).toContainText(/takes [\d.]+ MB of graphics memory, 98\.4 MB to download/);
  // How models are loaded changes what they take.
  await page.locator("details.options summary").click();
  await page.getByLabel("Chat template").fill("{{ messages }}");
  await page.keyboard.press("Tab");
  await expect(card.locator("[data-verdict]")).toHaveCount(0);
  await page.getByLabel("Chat template").fill("");
  await page.keyboard.press("Tab");
  await page.locator("details.options summary").click();
});

test("a licence is agreed to before its model is asked for", async ({ demo: { page } }) => {
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.locator('#gallery > li[data-name^="EXAONE 4.0"]').getByRole("button", { name: /^Load/ }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByRole("button", { name: "Load" })).toBeDisabled();
  await expect(dialog.getByRole("link", { name: "Read the licence" })).toHaveAttribute("href", /^https:/);
  await dialog.getByRole("checkbox").check();
  await expect(dialog.getByRole("button", { name: "Load" })).toBeEnabled();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  expect(asked.filter((url) => url.includes("LGAI"))).toEqual([]);
});

test("a wrong address is a sentence, and the page goes on", async ({ demo: { page } }) => {
  const load = page.locator("#by-address").getByRole("button", { name: "Load" });
  await page.getByLabel("Name or address").fill("https://");
  await load.click();
  await expect(page.getByRole("alert")).toContainText("https:// is neither an address nor owner/name");
  await page.getByLabel("Name or address").fill("http://localhost:9/no.gguf");
  await load.click();
  await expect(page.getByRole("alert")).toContainText("could not be fetched", { timeout: 60_000 });
});

test("a file that is dropped on the page and is no model is told so", async ({ demo: { page } }) => {
  const dataTransfer = await page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["no model"], "no.gguf"));
    return transfer;
  });
  await page.dispatchEvent("body", "drop", { dataTransfer });
  await expect(page.getByRole("alert")).toContainText("This file is not a model that can be read.", { timeout: 60_000 });
});

test("a download is paused, goes on, is cut by a reload in the middle, and goes on where it stopped", async ({ demo: { page, files, sent } }) => {
  await page.getByLabel("Name or address").fill(`${files}/${NAME}?slow=4000000`);
  await page.locator("#by-address").getByRole("button", { name: "Load" }).click();
  const share = (): Promise<number> => page.locator("#loading progress").evaluate((bar) => (bar instanceof HTMLProgressElement && bar.hasAttribute("value") ? bar.value : 0));
  await expect.poll(share, { timeout: 60_000 }).toBeGreaterThan(0.1);
  await page.getByRole("button", { name: "Pause" }).click();
  await expect(page.locator("#loading")).toHaveAttribute("data-phase", "paused");
  await expect(page.locator("#loading-line")).toContainText("Paused");
  await page.getByRole("button", { name: "Resume" }).click();
  await expect(page.locator("#loading")).toHaveAttribute("data-phase", "download");
  await expect.poll(share, { timeout: 60_000 }).toBeGreaterThan(0.4);

  await page.reload();
  const stored = page.locator("#stored-list li", { hasText: NAME });
  await expect(stored).toContainText(/[\d.]+ MB of 98\.4 MB here/);
  await stored.getByRole("button", { name: "Load" }).click();
  await expect.poll(share, { timeout: 60_000 }).toBeGreaterThan(0.3);
  await expect(page.locator("#model-name")).toHaveText(NAME, { timeout: LOAD_MS });
  const bytes = sent(`/${NAME}?slow=4000000`);
  expect(bytes).toBeGreaterThan(98_362_432 * 0.99);
  // All of it once, and of what was on its way when the page went and when it paused, less than a quarter again.
  expect(bytes).toBeLessThan(98_362_432 * 1.25);
});

test("what is stored is verified, exported whole, and deleted", async ({ demo: { page } }) => {
  await show(page, "Models");
  const stored = page.locator("#stored-list li", { hasText: NAME });
  await expect(stored).toContainText(/98\.4 MB · used now/);
  await expect(stored).toContainText("Loaded");
  await stored.getByRole("button", { name: `Verify ${NAME}` }).click();
  await expect(stored).toContainText("All 98.4 MB are as they came.", { timeout: 60_000 });
  await expect(stored).toContainText("verified now");

  const download = page.waitForEvent("download");
  await stored.getByRole("button", { name: `Export ${NAME} as a file` }).click();
  expect(await sha256(await (await download).path())).toBe(MODEL.sha256);

  await expect(page.locator("#usage-line")).toContainText(/MB used of about/);
  await page.locator("#persist").click();
  await expect(page.locator(".quota")).toContainText(/The browser has promised to keep it|The browser would not promise it/);

  page.once("dialog", (dialog) => void dialog.accept());
  await stored.getByRole("button", { name: `Delete ${NAME}` }).click();
  await expect(stored).toHaveCount(0);
  await show(page, "Chat");
  await expect(page.locator("#model-name")).toHaveText("");
});

test("a model comes from a hub by its name, quantised on arrival, and from files of this device", async ({ demo: { context, page, files } }) => {
  const asked: { readonly url: string; readonly by: string | undefined }[] = [];
  context.on("request", (request) => { asked.push({ url: request.url(), by: request.headers()["authorization"] }); });
  await show(page, "Models");
  // A token is the hub's alone.
  await page.locator('#gallery > li[data-name^="EXAONE 4.0"]').getByRole("button", { name: /^Load/ }).click();
  await page.getByLabel("Access token of the hub").fill("hf_mine");
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await page.getByLabel("Name or address").fill(`${files}/none.gguf`);
  await page.locator("#by-address").getByRole("button", { name: "Load" }).click();
  await expect(page.getByRole("alert")).toContainText("could not be fetched", { timeout: 60_000 });
  await page.locator("details.options summary").click();
  await page.getByLabel("Where the hub is").fill("no address");
  await page.keyboard.press("Tab");
  await page.getByLabel("Where the hub is").fill(hub.url);
  await page.keyboard.press("Tab");
  await page.getByLabel("Name or address").fill("tiny/folder");
  await page.locator("#by-address").getByRole("button", { name: "Load" }).click();
  await expect(page.locator("#model-name")).toContainText("folder", { timeout: LOAD_MS });
  await show(page, "Models");
  await expect(page.locator("#stored-list")).toContainText("q8_0");
  const of = (place: string): readonly (string | undefined)[] => asked.filter(({ url }) => url.startsWith(place)).map(({ by }) => by);
  expect(new Set(of(files))).toEqual(new Set([undefined]));
  expect(of(hub.url)).toContain("Bearer hf_mine");

  // What is missing of it comes again from the hub.
  const folder = page.locator("#stored-list li", { hasText: "folder" });
  await folder.getByRole("button", { name: "Unload" }).click();
  await page.evaluate(async () => {
    const settled = <T>(request: IDBRequest<T>): Promise<T> => new Promise((resolve, reject) => {
      request.onsuccess = () => { resolve(request.result); };
      request.onerror = () => { reject(request.error); };
    });
    const db = await settled(indexedDB.open("doran"));
    const chunks = db.transaction("chunks", "readwrite").objectStore("chunks");
    for (const key of await settled(chunks.getAllKeys())) if (JSON.stringify(key).includes("tiny/folder")) await settled(chunks.delete(key));
    db.close();
  });
  await folder.getByRole("button", { name: /^Verify/ }).click();
  await expect(folder).toContainText("damaged");
  await folder.getByRole("button", { name: /^Load/ }).click();
  await expect(page.locator("#model-name")).toContainText("folder", { timeout: LOAD_MS });
  await show(page, "Models");
  await expect(folder).toContainText("Loaded");

  await page.locator("#file").setInputFiles(join(FIXTURES, "arch/llama/model-f32.gguf"));
  await expect(page.locator("#model-name")).toContainText("model-f32", { timeout: LOAD_MS });
  await page.locator("#prompt").fill("hello");
  await page.keyboard.press("Enter");
  await expect(answers(page)).toContainText(/\S/, { timeout: 60_000 });
  await whole(page);
});

test("an adapter is loaded beside the model, weighed, and taken away", async ({ demo: { page } }) => {
  await page.locator("#settings").click();
  const adapters = page.locator("#adapters");
  await adapters.locator("input[type=file]").setInputFiles(join(FIXTURES, "adapters/llama/plain.gguf"));
  await expect(adapters.locator(".adapter")).toContainText(/rank \d+/, { timeout: 60_000 });
  await adapters.getByRole("slider").fill("0.5");
  await expect(adapters.locator(".adapter output")).toHaveText("0.5");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "New chat" }).click();
  await page.locator("#prompt").fill("hello");
  await page.keyboard.press("Enter");
  await expect(answers(page)).toContainText(/\S/, { timeout: 60_000 });
  await whole(page);
  await page.locator("#settings").click();
  await adapters.getByRole("button", { name: /^Remove/ }).click();
  await expect(adapters.locator(".adapter")).toHaveCount(0);
  await page.keyboard.press("Escape");
});

test("a load can be cancelled", async ({ demo: { page, files } }) => {
  await show(page, "Models");
  await page.getByLabel("Name or address").fill(`${files}/${NAME}?slow=4000000`);
  await page.locator("#by-address").getByRole("button", { name: "Load" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.locator("#loading")).toBeHidden();
  await expect(page.getByRole("alert")).toHaveCount(0);
});
