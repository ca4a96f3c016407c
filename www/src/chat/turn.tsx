/** One turn of a conversation: its words, its branches, and what can be done with it. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { siblings, type ChatSettings, type Conversation, type Statistics, type Turn } from "../conversations/index.js";
import { formatMs, formatNumber, shortName } from "../format.js";
import { engine } from "../model.js";
import { Button } from "../ui/controls.js";
import { Prose } from "../ui/prose.js";
import { t } from "../words/chat.js";
import type { Answer } from "./answer.js";
import { fitHeight, isEscape, onEnter } from "./composer.js";
import { answerAgain, chooseTurn, editTurn, running } from "./talk.js";

interface TurnProps {
  readonly conversation: Conversation;
  readonly turn: Turn;
  /** What comes of it, while it is being made. */
  readonly coming: Answer | undefined;
}

/** A turn. */
export function TurnView({ conversation, turn, coming }: TurnProps): JSX.Element {
  const [editing, setEditing] = useState(false);
  const isUser = turn.role === "user";
  if (editing) return <Edit turn={turn} onDone={() => { setEditing(false); }} />;
  return (
    <article class={`turn ${turn.role}`} aria-label={t(isUser ? "you" : "model")} aria-busy={coming !== undefined}>
      {isUser ? <div class="words said">{turn.content}</div> : <Answered turn={turn} coming={coming} />}
      {coming === undefined && (
        <div class="turn-foot">
          <Versions conversation={conversation} turn={turn} />
          <Copy text={turn.content} />
          {isUser
            ? <Button kind="bare" icon="edit" label={t("edit")} disabled={engine.value === undefined || running.value !== undefined} onClick={() => { setEditing(true); }} />
            : <Button kind="bare" icon="retry" label={t("again")} disabled={engine.value === undefined || running.value !== undefined} onClick={() => void answerAgain(turn.id)} />}
          {turn.statistics !== undefined && <Facts statistics={turn.statistics} stopped={turn.stopped === true} />}
          {turn.statistics === undefined && turn.stopped === true && <span class="small">{t("broken")}</span>}
        </div>
      )}
    </article>
  );
}

function Answered({ turn, coming }: { readonly turn: Turn; readonly coming: Answer | undefined }): JSX.Element {
  const text = coming?.text ?? turn.content;
  const reasoning = coming?.reasoning ?? turn.reasoning ?? "";
  return (
    <>
      {reasoning !== "" && (
        <details class="thoughts" open={coming !== undefined && text === ""}>
          <summary>{t(coming !== undefined && text === "" ? "thinking" : "thoughts")}</summary>
          <Prose text={reasoning} done={coming === undefined || text !== ""} />
        </details>
      )}
      <div class="words"><Prose text={text} done={coming === undefined} /></div>
      {(coming?.toolCalls ?? turn.toolCalls ?? []).map((call) => <pre key={call.id} class="call">{`${call.function.name}(${call.function.arguments})`}</pre>)}
    </>
  );
}

/** Which of several versions is shown, and the ways to the others. */
function Versions({ conversation, turn }: { readonly conversation: Conversation; readonly turn: Turn }): JSX.Element | null {
  const { turns, index } = siblings(conversation, turn.id);
  if (turns.length < 2) return null;
  const to = (at: number): void => {
    const other = turns[at];
    if (other !== undefined) void chooseTurn(other.id);
  };
  const busy = running.value !== undefined;
  return (
    <span class="versions">
      <Button kind="bare" icon="left" label={t("previous")} disabled={busy || index === 0} onClick={() => { to(index - 1); }} />
      <span class="small">{t("version", { n: index + 1, all: turns.length })}</span>
      <Button kind="bare" icon="right" label={t("next")} disabled={busy || index === turns.length - 1} onClick={() => { to(index + 1); }} />
    </span>
  );
}

function Copy({ text }: { readonly text: string }): JSX.Element {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => { setCopied(false); }, 2000);
  };
  return <Button kind="bare" icon={copied ? "check" : "copy"} label={t(copied ? "copied" : "copy")} onClick={() => void copy()} />;
}

const END_WORDS = ["end_stop", "end_length", "end_aborted", "end_tool_calls"] as const;

/** What an answer took; the rest of it when asked for. */
function Facts({ statistics, stopped }: { readonly statistics: Statistics; readonly stopped: boolean }): JSX.Element {
  const { tokens, promptTokens, tokensPerSecond, timeToFirstTokenMs, model, settings, finishReason } = statistics;
  const end = END_WORDS.find((word) => word === `end_${stopped ? "aborted" : finishReason}`);
  return (
    <details class="facts">
      <summary class="small" aria-label={t("facts")}>{t("statistics", { tokens, decode: formatNumber(tokensPerSecond, 1), first: formatMs(timeToFirstTokenMs) })}</summary>
      <dl class="small">
        <dt>{t("factModel")}</dt><dd>{shortName(model)}</dd>
        <dt>{t("factPrompt")}</dt><dd>{formatNumber(promptTokens)}</dd>
        <dt>{t("factEnd")}</dt><dd>{end === undefined ? finishReason : t(end)}</dd>
        <dt>{t("factSettings")}</dt><dd>{settingsLine(settings)}</dd>
      </dl>
    </details>
  );
}

const NAMED = ["temperature", "topP", "topK", "minP", "repetitionPenalty", "maxTokens", "seed"] as const;

function settingsLine(settings: ChatSettings): string {
  return NAMED.flatMap((name) => {
    const value = settings[name];
    return value === undefined ? [] : [`${t(name)} ${new Intl.NumberFormat().format(value)}`];
  }).join(" · ");
}

/** A message in the place of one that was sent. */
function Edit({ turn, onDone }: { readonly turn: Turn; readonly onDone: () => void }): JSX.Element {
  const [text, setText] = useState(turn.content);
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    area.current?.focus();
    if (area.current !== null) fitHeight(area.current);
  }, []);
  const send = (): void => {
    onDone();
    void editTurn(turn.id, text);
  };
  return (
    <form class="turn user edit" onSubmit={(event) => { event.preventDefault(); send(); }}>
      <textarea
        ref={area} aria-label={t("editLabel")} value={text} onInput={(event) => { setText(event.currentTarget.value); fitHeight(event.currentTarget); }}
        onKeyDown={(event) => { if (isEscape(event)) onDone(); else onEnter(send)(event); }}
      />
      <div class="buttons"><Button kind="main" submit>{t("saveEdit")}</Button><Button onClick={onDone}>{t("cancel")}</Button></div>
    </form>
  );
}
