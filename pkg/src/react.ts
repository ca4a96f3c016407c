/**
 * `doran/react`: a model and a conversation as hooks of React. They hold state, and do nothing that `Engine` and a loop would not.
 *
 * @packageDocumentation
 */
import { useCallback, useEffect, useRef, useState } from "react";
import { chat, type ChatMessage } from "./chat/events.js";
import { Engine } from "./engine.js";
import type { GenerateOptions, LoadOptions, ModelSource, Progress } from "./types.js";

/** What {@link useEngine} gives. */
export interface EngineState {
  readonly engine: Engine | undefined;
  /** The last step of the load. */
  readonly progress: Progress | undefined;
  /** Why the load failed: a `DoranError`, as a rule. */
  readonly error: unknown;
  /** `engine` is there. */
  readonly ready: boolean;
}

const NOTHING: EngineState = { engine: undefined, progress: undefined, error: undefined, ready: false };

/**
 * Loads a model while the component is mounted, and unloads it after. Another `source` is another model; `undefined` is none, for a page
 * that waits for a click. A source that is an object must be the same one at each render. Options count when a load begins.
 */
export function useEngine(source: ModelSource | undefined, options: Omit<LoadOptions, "signal"> = {}): EngineState {
  const [state, setState] = useState(NOTHING);
  const latest = useRef(options);
  latest.current = options;
  const key = source instanceof URL ? source.href : source;
  useEffect(() => {
    if (key === undefined) return undefined;
    const controller = new AbortController();
    const { signal } = controller;
    const load = async (): Promise<void> => {
      // StrictMode unmounts and mounts at once: what it throws away has not begun to load by then.
      await Promise.resolve();
      if (signal.aborted) return;
      const { onProgress } = latest.current;
      const report = (progress: Progress): void => {
        onProgress?.(progress);
        if (!signal.aborted) setState((now) => ({ ...now, progress }));
      };
      try {
        const engine = await Engine.load(key, { ...latest.current, onProgress: report, signal });
        signal.addEventListener("abort", () => void engine.unload());
        if (signal.aborted) await engine.unload();
        else setState((now) => ({ ...now, engine, ready: true }));
      } catch (error) {
        if (!signal.aborted) setState((now) => ({ ...now, error }));
      }
    };
    void load();
    return () => {
      controller.abort();
      setState(NOTHING);
    };
  }, [key]);
  return state;
}

/** A turn as {@link useChat} keeps it. */
export interface ChatTurn {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
  /** What the model thought before it answered, where it is one that does. */
  readonly reasoning?: string;
}

/** Options of {@link useChat}. */
export interface ChatOptions {
  /** What the conversation begins with; only of the first render. */
  readonly initialMessages?: readonly ChatTurn[];
  /** Sampling, `maxTokens` and what else `generate` takes. */
  readonly generate?: Omit<GenerateOptions, "signal">;
  /** Variables for the chat template, such as `enable_thinking`. */
  readonly templateArgs?: Readonly<Record<string, unknown>>;
}

/** What {@link useChat} gives. */
export interface ChatState {
  readonly messages: readonly ChatTurn[];
  /** `submitted`: nothing of the answer has come yet. */
  readonly status: "ready" | "submitted" | "streaming" | "error";
  readonly error: unknown;
  /** Says something, and resolves when the answer has ended. Does nothing without an engine, or while an answer comes. */
  readonly send: (text: string) => Promise<void>;
  /** Answers the last thing that was said anew. */
  readonly regenerate: () => Promise<void>;
  /** Ends the answer; what came of it stays. */
  readonly stop: () => void;
}

/** A conversation with an engine, such as one of {@link useEngine}. The answer's text grows in the last message as it comes. */
export function useChat(engine: Engine | undefined, options: ChatOptions = {}): ChatState {
  const [messages, setMessages] = useState<readonly ChatTurn[]>(options.initialMessages ?? []);
  const [{ status, error }, setStatus] = useState<Pick<ChatState, "status" | "error">>({ status: "ready", error: undefined });
  // What callbacks see: they are made once an engine, and renders come later.
  const latest = useRef({ options, messages });
  latest.current.options = options;
  const running = useRef<AbortController | undefined>(undefined);

  const show = useCallback((turns: readonly ChatTurn[]): void => {
    latest.current.messages = turns;
    setMessages(turns);
  }, []);

  const respond = useCallback(async (turns: readonly ChatTurn[]): Promise<void> => {
    if (engine === undefined) return;
    const controller = new AbortController();
    running.current = controller;
    show(turns);
    setStatus({ status: "submitted", error: undefined });
    const { generate, templateArgs } = latest.current.options;
    const asked = turns.map(({ role, content }): ChatMessage => ({ role, content }));
    let answer: ChatTurn = { role: "assistant", content: "" };
    try {
      const request = { messages: asked, options: { ...generate, signal: controller.signal }, ...(templateArgs === undefined ? {} : { templateArgs }) };
      for await (const event of chat(engine, request)) {
        if (event.type === "text") answer = { ...answer, content: answer.content + event.text };
        else if (event.type === "reasoning") answer = { ...answer, reasoning: (answer.reasoning ?? "") + event.text };
        else continue;
        show([...turns, answer]);
        setStatus({ status: "streaming", error: undefined });
      }
      setStatus({ status: "ready", error: undefined });
    } catch (thrown) {
      setStatus(controller.signal.aborted ? { status: "ready", error: undefined } : { status: "error", error: thrown });
    } finally {
      if (running.current === controller) running.current = undefined;
    }
  }, [engine, show]);

  const send = useCallback(async (text: string): Promise<void> => {
    if (engine === undefined || running.current !== undefined) return;
    await respond([...latest.current.messages, { role: "user", content: text }]);
  }, [engine, respond]);

  const regenerate = useCallback(async (): Promise<void> => {
    const last = latest.current.messages.map(({ role }) => role).lastIndexOf("user");
    if (last !== -1 && running.current === undefined) await respond(latest.current.messages.slice(0, last + 1));
  }, [respond]);

  const stop = useCallback((): void => running.current?.abort(), []);

  // An answer ends with the component, and with the engine that gives it.
  useEffect(() => stop, [engine, stop]);
  return { messages, status, error, send, regenerate, stop };
}
