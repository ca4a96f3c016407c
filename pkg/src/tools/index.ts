/** How models call tools: a table of syntaxes, told apart by what chat templates write. */
import { command } from "./command.js";
import { exaone } from "./exaone.js";
import { functionGemma, gemma4 } from "./gemma.js";
import { granite } from "./granite.js";
import { hermes } from "./hermes.js";
import { llama } from "./llama.js";
import { mistral, mistralArgs, mistralCallId } from "./mistral.js";
import { qwenXml } from "./qwen-xml.js";
import type { ToolSyntax } from "./types.js";

export { renamedStart } from "./lark.js";
export { reasoningOf, ReasoningSplitter, type Reasoning, type ReasoningPiece } from "./reasoning.js";
export type {
  ChatMessage, ContentPart, GrammarOptions, JsonSchema, StreamParser, Tool, ToolCall, ToolEvent, ToolSyntax,
} from "./types.js";

/** All syntaxes. The first that matches counts: what is more particular comes first. */
export const SYNTAXES: readonly ToolSyntax[] = [
  qwenXml, exaone, hermes, llama, mistralCallId, mistralArgs, mistral, granite, command, gemma4, functionGemma,
];

/** The syntax of a chat template; `undefined` where it takes no tools, or writes them in a way that is not in the table. */
export function syntaxOf(template: string): ToolSyntax | undefined {
  if (!/\btools\b/.test(template)) return undefined;
  return SYNTAXES.find((syntax) => syntax.matches(template));
}
