/**
 * Writes what `tool-fixtures.py` works on: the conversations of the tests as each tool syntax has them, and each syntax's grammars with
 * answers that they allow or not.
 */
import { CONVERSATIONS, TOOLS } from "../tests/tools/conversations.mjs";
import { grammarCases } from "../tests/tools/grammars.mjs";
import { SYNTAXES } from "../tests/tools/source.mjs";

const cases = (syntax) =>
  Object.entries(CONVERSATIONS).map(([name, { messages, tools }]) => ({
    name,
    messages: syntax.toTemplate(messages),
    tools,
    add_generation_prompt: messages.at(-1).role !== "assistant",
  }));

const syntaxes = Object.fromEntries(SYNTAXES.map((syntax) => [syntax.name, cases(syntax)]));
const grammars = Object.fromEntries(SYNTAXES.map((syntax) => [syntax.name, grammarCases(syntax)]));
process.stdout.write(JSON.stringify({ tools: TOOLS, syntaxes, grammars }));
