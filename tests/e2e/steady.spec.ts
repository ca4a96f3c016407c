/** What a reader does to a page that is kept open: the GPU's process crashes, the network goes, other tabs come. */
import { allow, ANSWER_MS, answers, ask, expect, loadModel, NAME, said, test, whole } from "./fixture.js";

/** Chromium gives no other adapter after the second crash, unless it is told to. */
test.use({ file: "steady", flags: ["--disable-gpu-process-crash-limit", "--disable-domain-blocking-for-3d-apis"] });
test.describe.configure({ mode: "serial" });

const COUNT = "Count from one to twenty in words.";

test("the GPU crashes in the middle of an answer, and the answer ends as it would have", async ({ demo: { context, page } }) => {
  await loadModel(page);
  await allow(page, 40);
  const undisturbed = await said(await ask(page, COUNT));
  await page.getByRole("button", { name: "New chat" }).click();
  await page.locator("#prompt").fill(COUNT);
  await page.keyboard.press("Enter");
  await expect(answers(page)).toContainText(/\w+\W+\w+/, { timeout: ANSWER_MS });
  const session = await context.browser()?.newBrowserCDPSession();
  await session?.send("Browser.crashGpuProcess");
  await whole(page);
  await expect.poll(() => answers(page).textContent()).toBe(undisturbed);
  await expect(page.getByRole("alert")).toHaveCount(0);
});

test("a second tab has the same conversations, loads the model without a download, and both answer", async ({ demo: { context, page, address, modelRequests } }) => {
  modelRequests();
  const second = await context.newPage();
  await second.goto(`${address}/?temperature=0`);
  await expect(second.locator("#conversations > li")).toHaveCount(2);
  await loadModel(second);
  expect(modelRequests()).toBe(0);
  await Promise.all([ask(page, "What is the capital of France?"), ask(second, "Which city is the capital of France?")]);
  await expect(answers(page).last()).toContainText("Paris");
  await expect(answers(second).last()).toContainText("Paris");
  await expect(page.locator("#conversations > li")).toHaveCount(3);
  await second.locator("#conversations > li", { hasText: "Which city" }).locator("summary").click();
  second.once("dialog", (dialog) => void dialog.accept());
  await second.locator("#conversations > li", { hasText: "Which city" }).getByRole("button", { name: "Delete" }).click();
  await expect(page.locator("#conversations > li")).toHaveCount(2);
  await second.close();
});

test("without a network the page opens, the model loads, and it answers", async ({ demo: { context, page } }) => {
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  const session = await context.newCDPSession(page);
  const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
  expect(installabilityErrors, "the page can be installed as an app").toEqual([]);
  await context.setOffline(true);
  await page.reload();
  await expect(page.locator("#start")).toContainText(NAME);
  await loadModel(page);
  await ask(page, "What is the capital of France?");
  await expect(answers(page).last()).toContainText("Paris");
  await page.getByRole("navigation").getByRole("link", { name: "Benchmark" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await page.goBack();
  await context.setOffline(false);
});
