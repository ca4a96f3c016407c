/** Tools: the model calls them, the page runs its own or the reader writes what they give, and the model answers. */
import type { ChatMessage, Engine, Tool } from "doran";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, NOTHING, type Answer } from "../chat/answer.js";
import type { ToolCall } from "../conversations/index.js";
import { Button, Field } from "../ui/controls.js";
import { Problem } from "../ui/problem.js";
import { Prose } from "../ui/prose.js";
import { t } from "../words/play.js";
import { runTool, TOOLS } from "./tools.js";

const CHOICES = ["auto", "required", "none"] as const;
type Choice = (typeof CHOICES)[number];
const MAX_TOKENS = 256;

function toolsOf(text: string): readonly Tool[] {
  const parsed: unknown = JSON.parse(text);
  if (!Array.isArray(parsed) || !parsed.every(isTool)) throw new SyntaxError('[{ "type": "function", "function": { "name", … } }]');
  return parsed;
}

function isTool(value: unknown): value is Tool {
  return typeof value === "object" && value !== null && "type" in value && value.type === "function" && "function" in value
    && typeof value.function === "object" && value.function !== null && "name" in value.function && typeof value.function.name === "string";
}

/** The tools, the prompt, and what came of them. */
export function ToolCalls({ model }: { readonly model: Engine }): JSX.Element {
  const [definitions, setDefinitions] = useState(JSON.stringify(TOOLS, null, 2));
  const [choice, setChoice] = useState<Choice>("required");
  const [prompt, setPrompt] = useState<string>();
  const [messages, setMessages] = useState<readonly ChatMessage[]>([]);
  const [answer, setAnswer] = useState<Answer>(NOTHING);
  const [problem, setProblem] = useState<unknown>(undefined);
  /** Calls whose results the reader wrote. */
  const [typed, setTyped] = useState<ReadonlySet<string>>(new Set());
  const [controller, setController] = useState<AbortController>();
  const alive = useRef<AbortController>(undefined);
  const left = useRef(false);
  useEffect(() => () => {
    left.current = true;
    alive.current?.abort();
  }, []);
  const asked = prompt ?? t("toolsPrompt");

  const turn = async (before: readonly ChatMessage[], toolChoice: Choice): Promise<void> => {
    setProblem(undefined);
    setAnswer(NOTHING);
    setMessages(before);
    if (left.current) return;
    const own = new AbortController();
    alive.current = own;
    setController(own);
    try {
      const tools = toolsOf(definitions);
      const { text, toolCalls } = await ask(model, { messages: before, settings: { temperature: 0, maxTokens: MAX_TOKENS }, tools, toolChoice, signal: own.signal }, setAnswer);
      setAnswer(NOTHING);
      const after: readonly ChatMessage[] = [...before, { role: "assistant", content: text, ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls }) }];
      setMessages(after);
      await goOn(after, toolCalls);
    } catch (error) {
      if (!own.signal.aborted) setProblem(error instanceof SyntaxError ? new Error(t("badJson", { why: error.message })) : error);
    } finally {
      setController(undefined);
    }
  };
  /** Runs what the page can run; what it cannot waits for the reader. */
  const goOn = async (before: readonly ChatMessage[], calls: readonly ToolCall[]): Promise<void> => {
    const results = calls.map(({ id, function: { name, arguments: given } }) => ({ id, result: runTool(name, given) }));
    const known = results.flatMap(({ id, result }): readonly ChatMessage[] => (result === undefined ? [] : [{ role: "tool", tool_call_id: id, content: result }]));
    if (known.length === 0) return;
    const after = [...before, ...known];
    setMessages(after);
    // A tool was called, so that the answer may now come in words.
    if (results.every(({ result }) => result !== undefined)) await turn(after, "none");
  };
  const giveBack = async (call: ToolCall, content: string): Promise<void> => {
    setTyped(new Set(typed).add(call.id));
    const after: readonly ChatMessage[] = [...messages, { role: "tool", tool_call_id: call.id, content }];
    setMessages(after);
    if (openCalls(after).length === 0) await turn(after, "none");
  };
  return (
    <>
      <form class="card" onSubmit={(event) => { event.preventDefault(); void turn([{ role: "user", content: asked }], choice); }}>
        <Field label={t("definitions")}>{(id) => <textarea id={id} class="code-input" rows={8} spellcheck={false} value={definitions} onInput={(event) => { setDefinitions(event.currentTarget.value); }} />}</Field>
        <Field label={t("choice")}>
          {(id) => <select id={id} value={choice} onChange={({ currentTarget: { value } }) => { setChoice(CHOICES.find((one) => one === value) ?? "auto"); }}>{CHOICES.map((one) => <option key={one} value={one}>{t(one)}</option>)}</select>}
        </Field>
        <Field label={t("prompt")}>{(id) => <textarea id={id} rows={2} required value={asked} onInput={(event) => { setPrompt(event.currentTarget.value); }} />}</Field>
        <div class="buttons form-foot">
          {controller === undefined ? <Button key="run" kind="main" submit>{t("run")}</Button> : <Button key="stop" kind="main" icon="stop" onClick={() => { controller.abort(); }}>{t("stop")}</Button>}
        </div>
      </form>
      {problem !== undefined && <Problem error={problem} />}
      {messages.length > 1 && <ol class="plain steps" id="steps">{messages.slice(1).map((message, at) => <Step key={at} message={message} of={calledBy(messages, message)} typed={typed} />)}</ol>}
      {controller === undefined && openCalls(messages).map((call) => <Result key={call.id} call={call} onGive={(content) => void giveBack(call, content)} />)}
      {controller !== undefined && <section class="card" aria-busy="true"><p class="small" role="status">{t("reading")}</p><Prose text={answer.text} done={false} /></section>}
    </>
  );
}

/** Calls that nothing was given back for. */
function openCalls(messages: readonly ChatMessage[]): readonly ToolCall[] {
  const given = new Set(messages.map(({ tool_call_id: id }) => id));
  return messages.flatMap(({ tool_calls: calls = [] }) => calls).filter(({ id }) => !given.has(id));
}

/** The call that a message gives a result of. */
const calledBy = (messages: readonly ChatMessage[], { tool_call_id: of }: ChatMessage): ToolCall | undefined =>
  messages.flatMap(({ tool_calls: calls = [] }) => calls).find(({ id }) => id === of);

function Step({ message, of, typed }: { readonly message: ChatMessage; readonly of: ToolCall | undefined; readonly typed: ReadonlySet<string> }): JSX.Element {
  const text = typeof message.content === "string" ? message.content : "";
  if (message.role === "tool") return <li class="card"><span class="chip">{t(of !== undefined && typed.has(of.id) ? "byReader" : "builtIn", { name: of?.function.name ?? "" })}</span><pre class="output" tabIndex={0}>{text}</pre></li>;
  return (
    <li class="card" data-role={message.role}>
      {(message.tool_calls ?? []).map((call) => <div key={call.id}><span class="chip">{t("call", { name: call.function.name })}</span><pre class="output call" tabIndex={0}>{call.function.arguments}</pre></div>)}
      {text !== "" && <Prose text={text} done />}
    </li>
  );
}

function Result({ call, onGive }: { readonly call: ToolCall; readonly onGive: (content: string) => void }): JSX.Element {
  const [content, setContent] = useState("");
  return (
    <form class="card" onSubmit={(event) => { event.preventDefault(); onGive(content); }}>
      <Field label={t("result", { name: call.function.name })}>{(id) => <textarea id={id} rows={2} required value={content} onInput={(event) => { setContent(event.currentTarget.value); }} />}</Field>
      <div class="buttons form-foot"><Button kind="main" submit>{t("giveBack")}</Button></div>
    </form>
  );
}
