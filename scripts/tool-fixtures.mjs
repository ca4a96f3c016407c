/** Writes what templates are rendered with, for `tool-fixtures.py`: the conversations of the tests as each tool syntax has them. */
import { CONVERSATIONS, TOOLS } from "../tests/tools/conversations.mjs";
import { SYNTAXES } from "../tests/tools/source.mjs";

const cases = (syntax) =>
  Object.entries(CONVERSATIONS).map(([name, { messages, tools }]) => ({
    name,
    messages: syntax.toTemplate(messages),
    tools,
    add_generation_prompt: messages.at(-1).role !== "assistant",
  }));

const syntaxes = Object.fromEntries(SYNTAXES.map((syntax) => [syntax.name, cases(syntax)]));
process.stdout.write(JSON.stringify({ tools: TOOLS, syntaxes }));
