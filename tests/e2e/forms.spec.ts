/** The comparison and the playground: two settings side by side, answers of a form, calls of tools. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ANSWER_MS, expect, FIXTURES, LOAD_MS, loadModel, NAME, show, test } from "./fixture.js";

test.use({ file: "forms" });
test.describe.configure({ mode: "serial" });

/** SmolLM2's own template knows no tools. */
const HERMES = readFileSync(join(FIXTURES, "tools/hermes.jinja"), "utf8");

test("two settings answer the same prompt side by side", async ({ demo: { page } }) => {
  await loadModel(page);
  await show(page, "Compare");
  const [left, right] = [page.locator('[data-side="0"]'), page.locator('[data-side="1"]')];
  for (const side of [left, right]) {
    await side.getByLabel("Length, in tokens").fill("12");
    await side.getByLabel("Temperature").fill("0");
    await side.getByLabel("Temperature").press("Tab");
  }
  await page.getByLabel("Prompt for both").fill("What is the capital of France?");
  await page.getByRole("button", { name: "Ask both" }).click();
  await expect(page.locator("#difference")).toHaveText("Both answers are the same.", { timeout: ANSWER_MS });
  await expect(left).toContainText("Paris");
  await right.getByLabel("Instructions").fill("Answer in one word.");
  await right.getByLabel("Length, in tokens").fill("3");
  await right.getByLabel("Length, in tokens").press("Tab");
  await page.getByRole("button", { name: "Ask both" }).click();
  await expect(page.locator("#difference")).toContainText("The answers differ from character", { timeout: ANSWER_MS });
  await expect(right.locator(".side-facts")).toContainText("3 tokens");
});

test("two models answer side by side", async ({ demo: { page } }) => {
  await show(page, "Models");
  // The first stays stored, and is loaded beside the second.
  await page.locator("#file").setInputFiles(join(FIXTURES, "arch/llama/model-f32.gguf"));
  await expect(page.locator("#model-name")).toContainText("model-f32", { timeout: LOAD_MS });
  await show(page, "Compare");
  const [left, right] = [page.locator('[data-side="0"]'), page.locator('[data-side="1"]')];
  await left.getByLabel("Left: Model").selectOption({ label: NAME });
  await right.getByLabel("Right: Model").selectOption({ index: 0 });
  await right.getByLabel("Length, in tokens").fill("4");
  await right.getByLabel("Length, in tokens").press("Tab");
  await page.getByLabel("Prompt for both").fill("What is the capital of France?");
  await page.getByRole("button", { name: "Ask both" }).click();
  await expect(page.locator("#difference")).toBeVisible({ timeout: ANSWER_MS });
  await expect(left).toContainText("Paris");
  await expect(right.locator(".side-facts")).toContainText(/\d tokens/);
});

test("an answer has the form of a schema, and of a pattern", async ({ demo: { page } }) => {
  await show(page, "Chat");
  await page.getByRole("link", { name: "All models" }).or(page.getByRole("navigation").getByRole("link", { name: "Models" })).first().click();
  await page.locator("#stored-list li", { hasText: NAME }).getByRole("button", { name: `Load ${NAME}` }).click();
  await expect(page.locator("#model-name")).toHaveText(NAME, { timeout: LOAD_MS });
  await show(page, "Playground");
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await expect(page.locator("#output")).toHaveAttribute("data-whole", "true", { timeout: ANSWER_MS });
  expect(JSON.parse(await page.locator("#output .output").textContent() ?? "")).toHaveProperty("hobbies[0]");

  await page.getByRole("button", { name: "A pattern" }).click();
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await expect(page.locator("#output")).toHaveAttribute("data-whole", "true", { timeout: ANSWER_MS });
  expect(await page.locator("#output .output").textContent()).toMatch(/^(19|20)\d\d-\d\d-\d\d$/);

  await page.getByRole("button", { name: "JSON of a schema" }).click();
  await page.getByLabel("JSON Schema").fill('{ "type": ');
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await expect(page.getByRole("alert")).toContainText("This is no JSON");
});

test("a tool is called, runs in the page, and the model goes on", async ({ demo: { page } }) => {
  await page.getByRole("button", { name: "Tools" }).click();
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await expect(page.getByRole("alert")).toContainText("This model does not know how to call tools.", { timeout: ANSWER_MS });

  await show(page, "Models");
  await page.locator("details.options summary").click();
  await page.getByLabel("Chat template").fill(HERMES);
  await page.keyboard.press("Tab");
  await page.locator("#stored-list li", { hasText: NAME }).getByRole("button", { name: "Unload" }).click();
  await page.locator("#stored-list li", { hasText: NAME }).getByRole("button", { name: `Load ${NAME}` }).click();
  await expect(page.locator("#model-name")).toHaveText(NAME, { timeout: LOAD_MS });
  await show(page, "Playground");
  await page.getByRole("button", { name: "Tools" }).click();
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await expect(page.locator("#steps")).toContainText(/The model calls (calculate|now)/, { timeout: ANSWER_MS });
  await expect(page.locator("#steps > li").nth(1)).toContainText("Ran in this page");
  await expect(page.locator("#steps > li").nth(2)).toContainText(/\S/, { timeout: ANSWER_MS });

  const mine = [{ type: "function", function: { name: "weather", description: "The weather", parameters: { type: "object", properties: { city: { type: "string", maxLength: 20 } }, required: ["city"] } } }];
  await page.getByLabel("Tools, as the OpenAI API has them").fill(JSON.stringify(mine));
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await page.getByLabel("What weather gives back").fill("mild", { timeout: ANSWER_MS });
  await page.getByRole("button", { name: "Give it back" }).click();
  await expect(page.locator("#steps > li").nth(2)).toContainText(/\S/, { timeout: ANSWER_MS });
});
