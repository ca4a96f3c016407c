/** Answers that have a form: JSON of a schema, any JSON, or what a pattern matches. */
import type { Engine, ResponseFormat } from "doran";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, NOTHING, type Answer } from "../chat/answer.js";
import { formatNumber } from "../format.js";
import { Button, Field } from "../ui/controls.js";
import { Problem } from "../ui/problem.js";
import { t } from "../words/play.js";
import type { Kind } from "./play.js";

const EXAMPLES = {
  person: { type: "object", properties: { name: { type: "string", maxLength: 40 }, age: { type: "integer", minimum: 0, maximum: 120 }, hobbies: { type: "array", items: { type: "string", maxLength: 30 }, minItems: 1, maxItems: 3 } }, required: ["name", "age", "hobbies"], additionalProperties: false },
  recipe: { type: "object", properties: { title: { type: "string", maxLength: 60 }, minutes: { type: "integer", minimum: 1, maximum: 240 }, ingredients: { type: "array", items: { type: "object", properties: { what: { type: "string", maxLength: 30 }, grams: { type: "integer", minimum: 1, maximum: 2000 } }, required: ["what", "grams"], additionalProperties: false }, minItems: 2, maxItems: 5 } }, required: ["title", "minutes", "ingredients"], additionalProperties: false },
  mood: { enum: ["happy", "sad", "neither"] },
} as const;
type Example = keyof typeof EXAMPLES;
const NAMES: readonly Example[] = ["person", "recipe", "mood"];
const PATTERN = String.raw`(19|20)\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])`;

const pretty = (value: unknown): string => JSON.stringify(value, null, 2);
const isSchema = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value);

/** The form as a request has it. Throws a `SyntaxError` for a schema that is no JSON object. */
function formatOf(kind: Kind, schema: string, pattern: string): ResponseFormat {
  if (kind === "anyJson") return { type: "json_object" };
  if (kind === "regex") return { type: "regex", regex: pattern };
  const parsed: unknown = JSON.parse(schema);
  if (!isSchema(parsed)) throw new SyntaxError("{ … }");
  return { type: "json_schema", json_schema: { schema: parsed } };
}

/** The form and its answer. */
export function Forms({ kind, model }: { readonly kind: Kind; readonly model: Engine }): JSX.Element {
  const [example, setExample] = useState<Example>("person");
  const [schema, setSchema] = useState(pretty(EXAMPLES.person));
  const [pattern, setPattern] = useState(PATTERN);
  const [prompt, setPrompt] = useState<string>();
  const [maxTokens, setMaxTokens] = useState(256);
  const [answer, setAnswer] = useState<Answer>(NOTHING);
  const [problem, setProblem] = useState<unknown>(undefined);
  const [controller, setController] = useState<AbortController>();
  const alive = useRef<AbortController>(undefined);
  alive.current = controller;
  useEffect(() => () => { alive.current?.abort(); }, []);
  const asked = prompt ?? t(kind === "regex" ? "regexPrompt" : `${example}Prompt`);

  const run = async (): Promise<void> => {
    setProblem(undefined);
    setAnswer(NOTHING);
    const own = new AbortController();
    setController(own);
    try {
      const format = formatOf(kind, schema, pattern);
      await ask(model, { messages: [{ role: "user", content: asked }], settings: { temperature: 0.3, maxTokens }, format, signal: own.signal }, setAnswer);
    } catch (error) {
      if (!own.signal.aborted) setProblem(error instanceof SyntaxError ? new Error(t("badJson", { why: error.message })) : error);
    } finally {
      setController(undefined);
    }
  };
  return (
    <>
      <form class="card" onSubmit={(event) => { event.preventDefault(); void run(); }}>
        {kind === "json" && (
          <>
            <Field label={t("example")}>
              {(id) => (
                <select id={id} value={example} onChange={({ currentTarget: { value } }) => { const name = NAMES.find((one) => one === value) ?? "person"; setExample(name); setSchema(pretty(EXAMPLES[name])); setPrompt(undefined); }}>
                  {NAMES.map((name) => <option key={name} value={name}>{t(name)}</option>)}
                </select>
              )}
            </Field>
            <Field label={t("schema")}>{(id) => <textarea id={id} class="code-input" rows={8} spellcheck={false} value={schema} onInput={(event) => { setSchema(event.currentTarget.value); }} />}</Field>
          </>
        )}
        {kind === "regex" && <Field label={t("pattern")}>{(id) => <input id={id} class="code-input" spellcheck={false} value={pattern} onInput={(event) => { setPattern(event.currentTarget.value); }} />}</Field>}
        <Field label={t("prompt")}>{(id) => <textarea id={id} rows={2} required value={asked} onInput={(event) => { setPrompt(event.currentTarget.value); }} />}</Field>
        <Field label={t("maxTokens")}>{(id) => <input id={id} type="number" min={1} max={4096} value={maxTokens} onChange={({ currentTarget: { valueAsNumber } }) => { setMaxTokens(Number.isFinite(valueAsNumber) ? valueAsNumber : 256); }} />}</Field>
        <div class="buttons form-foot">
          {controller === undefined ? <Button key="run" kind="main" submit>{t("run")}</Button> : <Button key="stop" kind="main" icon="stop" onClick={() => { controller.abort(); }}>{t("stop")}</Button>}
        </div>
      </form>
      {problem !== undefined && <Problem error={problem} />}
      {(answer.text !== "" || controller !== undefined) && <Output kind={kind} answer={answer} busy={controller !== undefined} />}
    </>
  );
}

/** JSON with its parts on lines of their own; what is no JSON stays. */
function indented(json: string): string {
  try {
    return pretty(JSON.parse(json));
  } catch {
    return json;
  }
}

function Output({ kind, answer, busy }: { readonly kind: Kind; readonly answer: Answer; readonly busy: boolean }): JSX.Element {
  const isCut = answer.finishReason === "length";
  const isWhole = !busy && !isCut && answer.finishReason !== undefined;
  const text = isWhole && kind !== "regex" ? indented(answer.text) : answer.text;
  return (
    <section class="card" aria-label={t("answer")} id="output" data-whole={isWhole} aria-busy={busy}>
      <pre class="output" tabIndex={0}>{text === "" ? t("reading") : text}</pre>
      {isWhole && <p class="chip fits" role="status">{t("valid")}</p>}
      {!busy && isCut && <p class="chip warn" role="status">{t("cut", { n: answer.tokens })}</p>}
      {!busy && answer.tokens > 1 && <p class="small">{t("statistics", { tokens: answer.tokens, decode: formatNumber(answer.tokensPerSecond, 1) })}</p>}
    </section>
  );
}
