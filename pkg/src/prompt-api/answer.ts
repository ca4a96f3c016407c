/** One answer of a session: the model's text, with the page's tools called in between for as long as the model asks for them. */
import { chat, type ChatMessage, type ChatRequest, type Tool, type ToolCall } from "../chat/events.js";
import type { Engine } from "../engine.js";
import { isRecord } from "../errors.js";
import type { Frame } from "./context.js";
import { domException } from "./errors.js";
import type { LanguageModelConfig, LanguageModelTool } from "./types.js";

/** How often a model may call tools before it has to answer: one that goes in circles ends. */
const MAX_ROUNDS = 8;

/** What the model is asked. */
export interface Question {
  readonly request: ChatRequest;
  readonly tools: readonly LanguageModelTool[];
  readonly onText: (delta: string) => void;
}

/** What every request of a session has beside its messages: tools, as a chat has them, and variables of the template. */
export function frameOf(tools: readonly LanguageModelTool[], { templateArgs }: LanguageModelConfig): Frame {
  return { ...(tools.length === 0 ? {} : { tools: chatTools(tools) }), ...(templateArgs === undefined ? {} : { templateArgs }) };
}

function chatTools(tools: readonly LanguageModelTool[]): readonly Tool[] {
  return tools.map(({ name, description, inputSchema }) => ({ type: "function", function: { name, description, parameters: { ...inputSchema } } }));
}

/**
 * Asks the model, calls tools, asks again. Gives the messages that the conversation grows by. Rejects with what a tool threw, or with a
 * `SyntaxError` where an answer that must have a form ended before it had it.
 */
export async function answer(engine: Engine, { request, tools, onText }: Question): Promise<readonly ChatMessage[]> {
  const more: ChatMessage[] = [];
  for (let round = 0; ; round += 1) {
    const mayCall = tools.length > 0 && round < MAX_ROUNDS;
    const { text, calls, reason } = await once(engine, {
      ...request,
      messages: [...request.messages, ...more],
      // Only the first answer goes on with what was given.
      ...(round > 0 ? { continueFinalMessage: false } : {}),
      ...(tools.length === 0 ? {} : { toolChoice: mayCall ? "auto" : "none" }),
    }, onText);
    if (calls.length === 0) {
      if (reason === "length" && request.options?.format !== undefined) {
        throw domException("SyntaxError", "the answer ended, for want of room, before it had the form that was asked for");
      }
      return [...more, { role: "assistant", content: text }];
    }
    const results = await Promise.all(calls.map((call) => callTool(tools, call)));
    more.push({ role: "assistant", content: text, tool_calls: calls }, ...results);
  }
}

async function once(engine: Engine, request: ChatRequest, onText: (delta: string) => void): Promise<{ text: string; calls: ToolCall[]; reason: string }> {
  const calls = new Map<number, { id: string; name: string; json: string }>();
  let text = "";
  let reason = "stop";
  for await (const event of chat(engine, request)) {
    if (event.type === "text") {
      text += event.text;
      if (event.text !== "") onText(event.text);
    } else if (event.type === "tool-call") {
      calls.set(event.index, { id: event.id, name: event.name, json: "" });
    } else if (event.type === "tool-arguments") {
      const call = calls.get(event.index);
      if (call !== undefined) call.json += event.text;
    } else if (event.type === "finish") {
      reason = event.reason;
    }
  }
  const made = [...calls.values()].map(({ id, name, json }): ToolCall => ({ id, type: "function", function: { name, arguments: json } }));
  return { text, calls: made, reason };
}

/** What a tool gives, as a message. A tool that is not there, or arguments that are no JSON, are the model's fault: it is told. */
async function callTool(tools: readonly LanguageModelTool[], { id, function: called }: ToolCall): Promise<ChatMessage> {
  const message = (content: string): ChatMessage => ({ role: "tool", tool_call_id: id, name: called.name, content });
  const tool = tools.find(({ name }) => name === called.name);
  if (tool === undefined) return message(`error: there is no tool ${called.name}`);
  const input = parse(called.arguments);
  if (!isRecord(input)) return message("error: the arguments are no JSON object");
  const result: unknown = await tool.execute(input);
  return message(typeof result === "string" ? result : JSON.stringify(result) ?? "");
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json === "" ? "{}" : json);
  } catch {
    return undefined;
  }
}
