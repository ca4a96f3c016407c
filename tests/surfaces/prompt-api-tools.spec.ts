/** Tools of the Prompt API. The model calls what a hook makes it call, since a small one seldom does by itself. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { ROOT } from "../../scripts/lib/util.mjs";
import { expect, open, SMOLLM2, test as base } from "./fixture.js";

const TEMPLATE = readFileSync(join(ROOT, "tests/fixtures/tools/hermes.jinja"), "utf8");
const call = (name: string, input: string): string => `<tool_call>\n{"name": "${name}", "arguments": ${input}}\n</tool_call>`;

interface Told {
  readonly heard: unknown[];
  readonly deltas: string;
  readonly failure: string;
  /** Tokens of the conversation, and those that it had with the question and the answer alone. */
  readonly usage: number;
  readonly least: number;
  /** What the next prompt said. */
  readonly next: string;
}

/** One engine, for all of these. */
const test = base.extend<object, { loaded: Page }>({
  loaded: [async ({ browser, address }, use) => {
    const page = await browser.newPage();
    await open(page, address);
    await page.evaluate(async ({ model, chatTemplate }) => {
      window.engine = await window.surfaces.doran.Engine.load(model, { chatTemplate });
    }, { model: SMOLLM2, chatTemplate: TEMPLATE });
    await use(page);
    await page.close();
  }, { scope: "worker", timeout: 120_000 }],
});

/** A session whose model gives `answers`, one after the other, to one prompt. */
function ask(page: Page, answers: readonly string[]): Promise<Told> {
  return page.evaluate(async (answers) => {
    const { engine, surfaces: { promptApi } } = window;
    const ids: number[] = [];
    for (const answer of [...answers, "so"]) ids.push(...await engine.tokenize(`${answer}<|im_end|>`, { addSpecialTokens: false }));
    const heard: unknown[] = [];
    const LanguageModel = promptApi.createLanguageModel({ engine, generate: { maxTokens: 200, logitsHook: `/hooks/says.js?ids=${ids.join()}` } });
    const session = await LanguageModel.create({
      samplingMode: "most-predictable",
      tools: [
        {
          name: "weather", description: "The weather of a city", inputSchema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
          execute: (input) => {
            heard.push(input);
            return Promise.resolve("mild");
          },
        },
        { name: "fails", description: "Fails", inputSchema: { type: "object" }, execute: () => { throw new RangeError("no such thing"); } },
      ],
    });
    const before = session.contextUsage;
    let deltas = "";
    let failure = "none";
    try {
      for await (const delta of session.promptStreaming("How is it in Seoul?")) deltas += delta;
    } catch (error) {
      failure = error instanceof Error ? error.name : "?";
    }
    const usage = session.contextUsage - before;
    const least = await engine.countTokens([{ role: "user", content: "How is it in Seoul?" }, { role: "assistant", content: deltas }]);
    const next = await session.prompt("So?").catch((error: unknown) => String(error));
    return { heard, deltas, failure, usage, least, next };
  }, answers);
}

test("a tool that the model calls runs, and the answer goes on with what it gave", async ({ loaded }) => {
  const told = await ask(loaded, [call("weather", '{"city": "Seoul"}'), "It is mild."]);
  expect(told).toMatchObject({ heard: [{ city: "Seoul" }], deltas: "It is mild.", failure: "none", next: "so" });
  // The call and what came of it are in the conversation.
  expect(told.usage).toBeGreaterThan(told.least + 20);
});

test("calls of one answer run together, and a tool that is not there is the model's to mend", async ({ loaded }) => {
  const both = `${call("weather", '{"city": "Seoul"}')}\n${call("weather", '{"city": "Busan"}')}`;
  const told = await ask(loaded, [both, call("wether", "{}"), "Both are mild."]);
  expect(told).toMatchObject({ heard: [{ city: "Seoul" }, { city: "Busan" }], deltas: "Both are mild.", failure: "none" });
});

test("what a tool throws rejects the prompt, and leaves the conversation as it was", async ({ loaded }) => {
  const told = await ask(loaded, [call("fails", "{}")]);
  expect(told).toMatchObject({ heard: [], deltas: "", failure: "RangeError", usage: 0, next: "so" });
});
