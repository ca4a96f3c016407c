/** Talking: an answer comes, is stopped, made again, edited into branches; what it took is told; conversations are kept, found and deleted. */
import { readFileSync } from "node:fs";
import { allow, ANSWER_MS, ANSWER_TOKENS, answers, ask, expect, LOAD_MS, loadModel, NAME, show, test, whole } from "./fixture.js";

test.use({ file: "chat" });
test.describe.configure({ mode: "serial" });

test("a first visit: a load shows its phase, bytes and speed, and ends in a chat", async ({ demo: { page, modelRequests } }) => {
  await expect(page.locator("#start")).toContainText(`Start with ${NAME}`);
  // The speed is told while bytes are missing, which is not for long here.
  await Promise.all([
    page.waitForFunction(() => /of 98\.4 MB · .+\/s/.test(document.querySelector("#loading-line")?.textContent ?? ""), undefined, { polling: 20, timeout: LOAD_MS }),
    page.locator("#start").click(),
  ]);
  await expect(page.locator("#model-name")).toHaveText(NAME, { timeout: LOAD_MS });
  await expect(page.locator("#loading")).toBeHidden();
  expect(modelRequests()).toBeGreaterThan(0);
});

test("an answer streams, is right, is spoken by sentences, and says what it took", async ({ demo: { page } }) => {
  await ask(page, "What is the capital of France?");
  await expect(answers(page)).toContainText("Paris");
  await expect(page.locator("#spoken p").first()).toContainText("Paris");
  const facts = page.locator(".turn.assistant .facts");
  await expect(facts.locator("summary")).toContainText(/\d+ tokens · [\d.]+ tokens\/s · first after/);
  await facts.locator("summary").click();
  await expect(facts.locator("dl")).toContainText(NAME);
  await expect(facts.locator("dl")).toContainText("Temperature 0");
  // What was set before counts.
  await expect(facts.locator("dl")).toContainText(`Length of an answer, in tokens ${ANSWER_TOKENS}`);
  await expect(page.locator(".context meter")).toHaveAttribute("aria-label", /^\d+ of 4,096 tokens/);
});

test("nothing is requested once a model is ready, and a request of the worker is seen", async ({ demo: { page } }) => {
  await expect(page.locator("#requests")).toHaveAttribute("data-count", "0");
  const [worker] = page.workers();
  await worker?.evaluate(() => fetch("/icon.svg?from-the-worker").then((response) => response.ok));
  await expect(page.locator("#requests")).toHaveAttribute("data-count", "1");
  await page.evaluate(() => fetch("/icon.svg?from-the-page").then((response) => response.ok));
  await expect(page.locator("#requests")).toHaveAttribute("data-count", "2");
  await page.locator("#requests").click();
  await expect(page.getByRole("dialog")).toContainText(/worker.+from-the-worker/);
  await expect(page.getByRole("dialog")).toContainText(/page.+from-the-page/);
  await page.keyboard.press("Escape");
  // What is stored is read by a worker of its own, whose files the page had before.
  await show(page, "Models");
  await expect(page.locator("#stored-list li")).toHaveCount(1);
  await expect(page.locator("#requests")).toHaveAttribute("data-count", "2");
  await show(page, "Chat");
});

test("stop keeps what was said", async ({ demo: { page } }) => {
  await page.getByRole("button", { name: "New chat" }).click();
  await allow(page, 1024);
  await page.locator("#prompt").fill("Write a very long story about a lighthouse keeper and the sea.");
  await page.keyboard.press("Enter");
  await expect(answers(page)).toContainText(/\w+ \w+/, { timeout: ANSWER_MS });
  // Escape closes what is open, and the answer goes on.
  await page.locator("#settings").click();
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  const menu = page.locator("#conversations details.menu").first();
  await menu.locator("summary").click();
  await page.keyboard.press("Escape");
  await expect(menu).not.toHaveAttribute("open");
  await expect(menu.locator("summary")).toBeFocused();
  await page.locator("#search").press("Escape");
  await page.locator("#prompt").dispatchEvent("keydown", { key: "Escape", isComposing: true });
  await expect(page.locator("#stop")).toBeVisible();
  await page.getByRole("button", { name: "Stop" }).click();
  await whole(page);
  await expect(page.locator("#spoken")).toContainText("Stopped.");
  expect((await answers(page).textContent())?.length).toBeGreaterThan(3);
  await page.locator(".turn.assistant .facts summary").click();
  await expect(page.locator(".turn.assistant .facts")).toContainText("you");
  await allow(page, ANSWER_TOKENS);
});

test("another answer stands beside the first, and an edit is a branch of its own", async ({ demo: { page } }) => {
  await page.getByRole("button", { name: "New chat" }).click();
  await ask(page, "What is the capital of France?");
  await allow(page, 3);
  await page.getByRole("button", { name: "Answer again" }).click();
  await expect(page.locator(".turn.assistant .versions")).toContainText("2 of 2");
  await whole(page);
  await expect(answers(page)).not.toContainText("Paris");
  await page.locator(".turn.assistant").getByRole("button", { name: "Previous version" }).click();
  await expect(answers(page)).toContainText("Paris");

  await page.locator(".turn.user").getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Your message, to be sent anew").fill("What is the capital of Italy?");
  await page.locator(".turn.edit").getByRole("button", { name: "Send" }).click();
  await expect(page.locator(".turn.user .versions")).toContainText("2 of 2");
  await whole(page);
  await page.locator(".turn.user").getByRole("button", { name: "Previous version" }).click();
  await expect(page.locator(".turn.user .said")).toHaveText("What is the capital of France?");
  await expect(answers(page)).toContainText("Paris");
  await page.locator("#settings").click();
  await page.getByRole("button", { name: "As in the beginning" }).click();
  await expect(page.getByLabel("Length of an answer, in tokens")).toHaveValue("1024");
  await page.keyboard.press("Escape");
  await allow(page, ANSWER_TOKENS);
});

test("Enter while an input method composes does not send", async ({ demo: { page } }) => {
  await page.getByRole("button", { name: "New chat" }).click();
  const prompt = page.locator("#prompt");
  await prompt.fill("도란");
  await prompt.dispatchEvent("keydown", { key: "Enter", isComposing: true });
  await prompt.dispatchEvent("keydown", { key: "Enter", keyCode: 229 });
  await expect(page.locator(".turn")).toHaveCount(0);
  await expect(prompt).toHaveValue("도란");
  await prompt.dispatchEvent("keydown", { key: "Enter", shiftKey: true });
  await expect(page.locator(".turn")).toHaveCount(0);
  await prompt.fill("");
});

test("conversations are searched, renamed, exported and survive a reload", async ({ demo: { page } }) => {
  await expect(page.locator("#conversations > li")).toHaveCount(3);
  await page.locator("#search").fill("lighthouse KEEPER");
  await expect(page.locator("#matches > li")).toHaveCount(1);
  await expect(page.locator("#matches mark")).toHaveText("lighthouse keeper");
  await page.locator("#matches button").click();
  await expect(page.locator(".turn.user .said")).toContainText("lighthouse keeper");
  await page.locator("#search").fill("");

  const entry = page.locator("#conversations > li", { hasText: "lighthouse" });
  await entry.locator("summary").click();
  await entry.getByRole("button", { name: "Rename" }).click();
  await page.getByLabel("Title").fill("등대지기");
  await page.keyboard.press("Enter");
  const renamed = page.locator("#conversations > li", { hasText: "등대지기" });
  await expect(renamed).toBeVisible();

  for (const [kind, says] of [["Markdown", /^# 등대지기[^]*## You[^]*lighthouse/], ["JSON", /"title": "등대지기"/]] as const) {
    await renamed.locator("summary").click();
    const download = page.waitForEvent("download");
    await renamed.getByRole("button", { name: `Export as ${kind}` }).click();
    const file = await download;
    expect(file.suggestedFilename()).toMatch(/^등대지기\.(md|json)$/);
    expect(readFileSync(await file.path(), "utf8")).toMatch(says);
  }
  // What is said after it does not bring the old title back.
  await page.locator("#prompt").fill("Say hello.");
  await page.keyboard.press("Enter");
  await whole(page);
  await page.reload();
  await expect(renamed).toBeVisible();
  await renamed.locator(".open").click();
  await expect(page.locator(".turn.user .said").first()).toContainText("lighthouse keeper");
});

test("after a reload the model is here: it loads without a byte from the network, and the chat goes on", async ({ demo: { page, modelRequests } }) => {
  modelRequests();
  await expect(page.locator("#start")).toContainText("already in this browser");
  await loadModel(page);
  expect(modelRequests()).toBe(0);
  await page.locator("#conversations > li", { hasText: "capital of France" }).first().locator(".open").click();
  await expect(page.locator(".turn.user .said").first()).toContainText("capital of France");
  await ask(page, "And what is the capital of Germany?");
  await expect(answers(page).last()).toContainText("Berlin");
});

test("where there is no room for an answer that is told, until there is again", async ({ demo: { page } }) => {
  await page.getByRole("button", { name: "New chat" }).click();
  const room = (is: boolean): Promise<void> => page.evaluate((is) => {
    const key = "put of a browser with room";
    const there = Object.getOwnPropertyDescriptor(IDBObjectStore.prototype, key) ?? Object.getOwnPropertyDescriptor(IDBObjectStore.prototype, "put");
    if (there === undefined) throw new Error("there is no put");
    Object.defineProperty(IDBObjectStore.prototype, key, there);
    const full = { ...there, value: () => { throw new DOMException("no room", "QuotaExceededError"); } };
    Object.defineProperty(IDBObjectStore.prototype, "put", is ? there : full);
  }, is);
  await room(false);
  const alert = page.locator("#sidebar").getByRole("alert");
  await ask(page, "What is the capital of France?");
  await expect(alert).toContainText("no room for more conversations");
  await expect(answers(page)).toContainText("Paris");
  await room(true);
  await ask(page, "And of Italy?");
  await expect(alert).toHaveCount(0);
});

test("an answer that a reload cuts off is known as a part", async ({ demo: { page } }) => {
  await page.getByRole("button", { name: "New chat" }).click();
  await allow(page, 1024);
  await page.locator("#prompt").fill("Write a very long story about a bridge.");
  await page.keyboard.press("Enter");
  await expect(answers(page)).toContainText(/\w+ \w+/, { timeout: ANSWER_MS });
  await page.reload();
  await page.locator("#conversations > li", { hasText: "bridge" }).locator(".open").click();
  await expect(page.locator(".turn.assistant .turn-foot")).toContainText("Stopped");
});

test("a conversation that is imported is shown without an image, a link or a request", async ({ demo: { page } }) => {
  const attack = [
    "![x](https://evil.example/pixel.png) [click](https://evil.example/?q=secret) <img src=https://evil.example/raw.png onerror=alert(1)>",
    "<https://evil.example/auto> [js](javascript:alert(1))", "```js\nconst answer = 42;\n```",
  ].join("\n\n");
  const turn = (id: string, parent: string | null, role: string, content: string): object => ({ id, parent, role, content, created: 1 });
  const conversation = {
    id: "evil", title: "Imported", titledByHand: true, created: 1, updated: Date.now(), model: null, settings: {}, chosen: {},
    turns: [turn("a", null, "user", "Show me"), turn("b", "a", "assistant", attack)],
  };
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.locator("#import").setInputFiles({
    name: "c.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify({ format: "doran-conversations", schema: 2, conversations: [conversation] })),
  });
  await page.locator("#conversations > li", { hasText: "Imported" }).locator(".open").click();
  await expect(answers(page).locator("figure.code .hljs-number")).toHaveText("42");
  expect(await answers(page).locator("img, a, iframe, [src], [href], [style], [onerror]").count()).toBe(0);
  await expect(answers(page)).toContainText("https://evil.example/?q=secret");
  await answers(page).getByRole("button", { name: "Copy" }).click();
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toContain("const answer = 42;");
  expect(asked.filter((url) => url.includes("evil"))).toEqual([]);
  await page.locator("#import").setInputFiles({ name: "no.json", mimeType: "application/json", buffer: Buffer.from("{}") });
  await expect(page.getByText("This file holds no conversations that can be read.")).toBeVisible();
});

test("one conversation is deleted, and then all with one button", async ({ demo: { page } }) => {
  page.on("dialog", (dialog) => void dialog.accept());
  const entry = page.locator("#conversations > li", { hasText: "Imported" });
  await entry.locator("summary").click();
  await entry.getByRole("button", { name: "Delete" }).click();
  await expect(entry).toHaveCount(0);
  await page.locator("#wipe").click();
  await expect(page.locator("#conversations > li")).toHaveCount(0);
  await page.reload();
  await expect(page.getByText("What you talk about is kept here, in this browser only.")).toBeVisible();
});
