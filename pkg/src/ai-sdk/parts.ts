/** An answer's events as the parts that the AI SDK streams. */
import type { LanguageModelV4Content, LanguageModelV4FinishReason, LanguageModelV4StreamPart, LanguageModelV4Usage } from "@ai-sdk/provider";
import type { ChatEvent, ChatFinish } from "../chat/events.js";
import type { Usage } from "../types.js";

/** Text and reasoning come as blocks, which begin and end. */
interface Block {
  readonly kind: "text" | "reasoning";
  readonly id: string;
}

/** The parts of an answer, from the first block to `finish`. */
export async function* toParts(events: AsyncIterable<ChatEvent>): AsyncGenerator<LanguageModelV4StreamPart, undefined> {
  let block: Block | undefined;
  let blocks = 0;
  const calls = new Map<number, { readonly id: string; readonly name: string; input: string }>();
  for await (const event of events) {
    if (block !== undefined && event.type !== block.kind) {
      yield { type: `${block.kind}-end`, id: block.id };
      block = undefined;
    }
    switch (event.type) {
      case "text": case "reasoning":
        if (event.text === "") break;
        if (block === undefined) {
          block = { kind: event.type, id: `${event.type}-${blocks}` };
          blocks += 1;
          yield { type: `${block.kind}-start`, id: block.id };
        }
        yield { type: `${block.kind}-delta`, id: block.id, delta: event.text };
        break;
      case "tool-call":
        calls.set(event.index, { id: event.id, name: event.name, input: "" });
        yield { type: "tool-input-start", id: event.id, toolName: event.name };
        break;
      case "tool-arguments": {
        const call = calls.get(event.index);
        if (call === undefined) break;
        call.input += event.text;
        yield { type: "tool-input-delta", id: call.id, delta: event.text };
        break;
      }
      case "tool-end": {
        const call = calls.get(event.index);
        if (call === undefined) break;
        yield { type: "tool-input-end", id: call.id };
        yield { type: "tool-call", toolCallId: call.id, toolName: call.name, input: call.input };
        break;
      }
      case "finish":
        yield { type: "finish", finishReason: toReason(event.reason), usage: toUsage(event.usage, event.reasoningTokens), providerMetadata: { doran: timesOf(event.usage) } };
    }
  }
}

/** The whole of what came in blocks. */
export class Contents {
  readonly content: LanguageModelV4Content[] = [];

  /** Takes a part; those that say nothing of the content are passed over. */
  add(part: LanguageModelV4StreamPart): void {
    if (part.type === "text-start") this.content.push({ type: "text", text: "" });
    else if (part.type === "reasoning-start") this.content.push({ type: "reasoning", text: "" });
    else if (part.type === "tool-call") this.content.push(part);
    else if (part.type === "text-delta" || part.type === "reasoning-delta") {
      const last = this.content.at(-1);
      if (last?.type === "text" || last?.type === "reasoning") last.text += part.delta;
    }
  }
}

/** Of an answer that failed. */
export const NO_USAGE: LanguageModelV4Usage = {
  inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: undefined, text: undefined, reasoning: undefined },
};

function toReason(raw: ChatFinish): LanguageModelV4FinishReason {
  switch (raw) {
    case "stop": return { unified: "stop", raw };
    case "length": return { unified: "length", raw };
    case "tool_calls": return { unified: "tool-calls", raw };
    case "aborted": default: return { unified: "other", raw };
  }
}

function toUsage({ promptTokens, cachedTokens, completionTokens }: Usage, reasoning: number): LanguageModelV4Usage {
  return {
    inputTokens: { total: promptTokens, noCache: promptTokens - cachedTokens, cacheRead: cachedTokens, cacheWrite: undefined },
    outputTokens: { total: completionTokens, text: completionTokens - reasoning, reasoning },
  };
}

function timesOf({ prefillMs, decodeMs, droppedTokens }: Usage): Record<string, number> {
  return { prefillMs, decodeMs, droppedTokens };
}
