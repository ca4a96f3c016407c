/** Code that was written against the types of the browser's own `LanguageModel` compiles with doran's: nothing here runs. */
/// <reference types="dom-chromium-ai" />
import { createLanguageModel } from "../../pkg/src/prompt-api/index.js";

/** The class stands in for the browser's. */
export const standIn: Pick<typeof LanguageModel, "create" | "availability" | "params"> = createLanguageModel({ model: "hf:owner/name" });

/** What a page does with it. */
export async function page(Model: typeof standIn): Promise<string> {
  const session: LanguageModel = await Model.create({
    initialPrompts: [{ role: "system", content: "짧게 답하세요." }],
    expectedInputs: [{ type: "text", languages: ["ko"] }],
    tools: [{ name: "now", description: "The time", inputSchema: { type: "object" }, execute: () => Promise.resolve("noon") }],
    monitor: (monitor) => monitor.addEventListener("downloadprogress", ({ loaded }) => { performance.mark(String(loaded)); }),
    signal: AbortSignal.timeout(1000),
  });
  session.oncontextoverflow = () => undefined;
  await session.append([{ role: "user", content: [{ type: "text", value: "one" }] }]);
  const copy: LanguageModel = await session.clone();
  for await (const delta of copy.promptStreaming("two")) performance.mark(delta);
  return session.prompt([{ role: "assistant", content: "It", prefix: true }], { responseConstraint: { type: "object" }, omitResponseConstraintInput: true });
}
