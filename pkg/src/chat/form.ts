/** The form that an answer must have: what was asked for, calls that must come, and thoughts before either where the prompt has begun them. */
import type { Engine } from "../engine.js";
import { DoranError } from "../errors.js";
import { renamedStart, type Reasoning, type Tool, type ToolSyntax } from "../tools/index.js";
import type { OutputFormat } from "../types.js";
import type { ChatRequest } from "./types.js";

/** How a model thinks, and whether its prompt has opened the block. */
export interface Thinking extends Reasoning {
  readonly isOpen: boolean;
}

/** The form of an answer; `undefined` where it is free. */
export async function formOf(
  engine: Engine, request: ChatRequest, syntax: ToolSyntax | undefined, thinking: Thinking | undefined,
): Promise<OutputFormat | undefined> {
  const form = await answerForm(engine, request, syntax);
  // A model that may think first can fill the whole answer with it: thoughts come before a form only where the prompt has begun them.
  if (form === undefined || thinking?.isOpen !== true) return form;
  return { type: "lark", grammar: behindThoughts(body(form), thinking.close, await idsOf(engine, [thinking.close])) };
}

async function answerForm(engine: Engine, request: ChatRequest, syntax: ToolSyntax | undefined): Promise<OutputFormat | undefined> {
  const { tools = [], toolChoice = "auto", parallelToolCalls = true, options: { format } = {} } = request;
  const mustCall = typeof toolChoice === "object" || toolChoice === "required";
  if (syntax === undefined || tools.length === 0) {
    if (mustCall) throw bad("tool_choice", "tool_choice asks for a call, and there are no tools");
    return format;
  }
  const named = typeof toolChoice === "object" ? toolChoice.name : undefined;
  const callable = named === undefined ? tools : tools.filter((tool) => tool.function.name === named);
  if (callable.length === 0) throw bad("tool_choice", `tool_choice names ${named}, which is not among the tools`);
  if (mustCall) return { type: "lark", grammar: await callGrammar(engine, syntax, callable, parallelToolCalls && named === undefined) };
  if (format === undefined) return undefined;
  const calls = await callGrammar(engine, syntax, callable, parallelToolCalls);
  return { type: "lark", grammar: `start: form_calls | form_answer\n${renamedStart(calls, "form_calls")}\n${renamedStart(body(format), "form_answer")}` };
}

/** A form as a grammar whose first rule is `start`. */
function body(format: OutputFormat): string {
  switch (format.type) {
    case "json_object": return `start: %json {"type":"object"}`;
    case "json_schema": return `start: %json ${JSON.stringify(format.schema)}`;
    case "regex": return `start: /${format.pattern.replaceAll(/(?<!\\)((?:\\\\)*)\//g, "$1\\/")}/`;
    case "lark": return format.grammar;
  }
}

/** A grammar of thoughts that have begun, and then an answer. */
function behindThoughts(grammar: string, close: string, ids: ReadonlyMap<string, number>): string {
  const closeId = ids.get(close);
  // A special token is in no text, so text alone ends there; other markers end the shortest text that has them.
  const thoughts = closeId === undefined
    ? `form_thoughts[lazy]: /(.|\\n)*${close.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&").replaceAll("\n", "\\n")}/`
    : `form_thoughts: /(.|\\n)*/ <[${closeId}]>`;
  return `start: form_thoughts FORM_SPACE form_answer\n${thoughts}\nFORM_SPACE: /[ \\n]{0,3}/\n${renamedStart(grammar, "form_answer")}`;
}

/** The grammar of calls. Which of its markers are special tokens is asked of the model's vocabulary. */
async function callGrammar(engine: Engine, syntax: ToolSyntax, tools: readonly Tool[], parallel: boolean): Promise<string> {
  const asked = new Set<string>();
  syntax.grammar(tools, { parallel, special: (text) => void asked.add(text) });
  const ids = await idsOf(engine, asked);
  return syntax.grammar(tools, { parallel, special: (text) => ids.get(text) });
}

/** Those of some texts that are one special token each, by their ids. */
async function idsOf(engine: Engine, texts: Iterable<string>): Promise<ReadonlyMap<string, number>> {
  const ids = new Map<string, number>();
  for (const text of texts) {
    const [id, ...others] = await engine.tokenize(text, { addSpecialTokens: false });
    if (id === undefined || others.length > 0) continue;
    if (await engine.detokenize([id], { skipSpecialTokens: true }) === "") ids.set(text, id);
  }
  return ids;
}

function bad(argument: string, message: string): DoranError {
  return new DoranError("bad_argument", message, { argument });
}
