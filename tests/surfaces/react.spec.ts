/** A chat in React under StrictMode, with a tiny model: what is on the page, and what is left when the page goes on. */
import { expect, TEMPLATE, test, TINY } from "./fixture.js";

const props = { source: TINY, loadOptions: { chatTemplate: TEMPLATE, store: false }, generate: { temperature: 0, maxTokens: 6, ignoreEos: true } };

test("a model loads once, answers, answers again, and is unloaded with the component", async ({ app }) => {
  let workers = 0;
  app.on("worker", () => { workers += 1; });
  const unmount = await app.evaluateHandle((given) => window.surfaces.mountChat(given), props);
  await expect(app.locator("#load")).toHaveText("ready");
  expect(workers).toBe(1);
  await app.locator("input").fill("hello");
  await app.locator("#send").click();
  await expect(app.locator("#status")).toHaveText("ready");
  await expect(app.locator("li.user")).toHaveText(["hello"]);
  const first = await app.locator("li.assistant").innerText();
  expect(first.length).toBeGreaterThan(0);

  await app.locator("#send").click();
  await expect(app.locator("li")).toHaveCount(4);
  await expect(app.locator("#status")).toHaveText("ready");
  const second = await app.locator("li.assistant").last().innerText();
  // The second question was asked behind the first and its answer, as the engine itself would be.
  const wanted = await app.evaluate(async ({ source, loadOptions, generate, answer }) => {
    const engine = await window.surfaces.doran.Engine.load(source, loadOptions);
    let text = "";
    for await (const item of engine.generate([{ role: "user", content: "hello" }, { role: "assistant", content: answer }, { role: "user", content: "hello" }], generate)) text += item.text;
    await engine.unload();
    return text;
  }, { ...props, answer: await app.locator("li.assistant").first().evaluate((li) => li.textContent) });
  expect(await app.locator("li.assistant").last().evaluate((li) => li.textContent)).toBe(wanted);

  await app.locator("#again").click();
  await expect(app.locator("#status")).toHaveText("ready");
  await expect(app.locator("li")).toHaveCount(4);
  expect(await app.locator("li.assistant").last().innerText()).toBe(second);

  await unmount.evaluate((stop) => stop());
  await expect.poll(() => app.workers().length).toBe(0);
});

test("stop keeps what came and leaves the engine free; an answer under way ends with the component", async ({ app }) => {
  const unmount = await app.evaluateHandle((given) => window.surfaces.mountChat(given), { ...props, generate: { ...props.generate, maxTokens: 200 } });
  await expect(app.locator("#load")).toHaveText("ready");
  await app.locator("input").fill("hello");
  await app.locator("#send").click();
  await expect(app.locator("#status")).toHaveText("streaming");
  await app.locator("#stop").click();
  await expect(app.locator("#status")).toHaveText("ready");
  expect((await app.locator("li.assistant").innerText()).length).toBeGreaterThan(0);
  await app.locator("#again").click();
  await expect(app.locator("#status")).toHaveText("streaming");
  await unmount.evaluate((stop) => stop());
  await expect.poll(() => app.workers().length).toBe(0);
});

test("a load that fails is an error to show, and an answer that fails too", async ({ app }) => {
  const unmount = await app.evaluateHandle((given) => window.surfaces.mountChat(given), { ...props, source: "no such model" });
  await expect(app.locator("#load")).toHaveText("error not_found");
  await unmount.evaluate((stop) => stop());
  await app.evaluate((given) => { window.surfaces.mountChat(given); }, props);
  await expect(app.locator("#load")).toHaveText("ready");
  await app.locator("input").fill("x".repeat(2000));
  await app.locator("#send").click();
  await expect(app.locator("#status")).toHaveText("error context_overflow");
});
