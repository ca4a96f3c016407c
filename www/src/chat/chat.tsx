/** The chat: conversations at the side, the one that is shown, and where the next message is written. */
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { path } from "../conversations/index.js";
import { formatNumber, formatShare, shortName } from "../format.js";
import { engine, loading, loadProblem } from "../model.js";
import { LoadingCard } from "../models/loading.js";
import { Sentences } from "../sentences.js";
import { Button } from "../ui/controls.js";
import { Problem } from "../ui/problem.js";
import { t } from "../words/chat.js";
import { Composer } from "./composer.js";
import { SettingsButton } from "./settings-panel.js";
import { listOpen, Sidebar } from "./sidebar.js";
import { conversations, shown, withStore } from "./store.js";
import { answerProblem, contextUsed, measureContext, running, say } from "./talk.js";
import { TurnView } from "./turn.js";
import { Welcome } from "./welcome.js";

const TRY = ["try1", "try2", "try3"] as const;
/** Nearer to the end than this, the view follows the answer. */
const FOLLOW_PX = 96;

/** The view. */
export function Chat(): JSX.Element {
  useEffect(() => void withStore(() => conversations().then(() => undefined)), []);
  useEffect(() => void measureContext(), [engine.value, shown.value?.id, running.value === undefined]);
  return (
    <div class="chat" id="chat">
      <Sidebar />
      {listOpen.value && <div class="veil" onClick={() => { listOpen.value = false; }} />}
      <section class="talk" aria-label={t("log")}>
        <Bar />
        <Log />
        <Spoken />
        <div class="talk-foot">
          <Composer />
          <Status />
        </div>
      </section>
    </div>
  );
}

function Bar(): JSX.Element {
  return (
    <div class="chat-bar">
      <Button kind="bare" icon="menu" label={t("showConversations")} class="list-button" expanded={listOpen.value} onClick={() => { listOpen.value = !listOpen.value; }} />
      <strong class="chat-title" id="model-name">{engine.value === undefined ? "" : shortName(engine.value.info.name)}</strong>
      <Meter />
      <SettingsButton />
    </div>
  );
}

/** How full the context is. */
function Meter(): JSX.Element | null {
  if (contextUsed.value === undefined) return null;
  const { used, of } = contextUsed.value;
  const words = t("context", { used, of });
  return (
    <span class="context" title={words}>
      <meter min={0} max={of} high={of * 0.9} value={used} aria-label={words} />
      <span class="small" aria-hidden="true">{formatShare(used / of)}</span>
    </span>
  );
}

function Log(): JSX.Element {
  const log = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const conversation = shown.value;
  const turns = conversation === undefined ? [] : path(conversation);
  const length = running.value?.answer.text.length ?? 0;
  useEffect(() => { if (follows.current) log.current?.scrollTo({ top: log.current.scrollHeight }); });
  useEffect(() => { follows.current = true; }, [conversation?.id, turns.length]);
  return (
    <div
      class="log" id="log" ref={log} role="log" aria-live="off" aria-label={t("log")} tabIndex={0} data-length={length}
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => { follows.current = scrollHeight - scrollTop - clientHeight < FOLLOW_PX; }}
    >
      <div class="turns">
        <LoadingCard />
        {loadProblem.value !== undefined && <Problem error={loadProblem.value} />}
        {engine.value === undefined && loading.value === undefined && <Welcome small={turns.length > 0} />}
        {turns.length === 0 && engine.value !== undefined && <Empty />}
        {conversation !== undefined && turns.map((turn) => (
          <TurnView key={turn.id} conversation={conversation} turn={turn} coming={running.value?.turn === turn.id ? running.value.answer : undefined} />
        ))}
        {answerProblem.value !== undefined && answerProblem.value.conversation === conversation?.id && <Problem error={answerProblem.value.error} />}
      </div>
    </div>
  );
}

function Empty(): JSX.Element {
  if (engine.value?.info.kind === "encoder") return <p class="empty">{t("encoder")}</p>;
  return (
    <div class="empty">
      <p>{t("empty")}</p>
      <div class="buttons">{TRY.map((word) => <Button key={word} onClick={() => void say(t(word))}>{t(word)}</Button>)}</div>
    </div>
  );
}

/** What is happening now, below the message. */
function Status(): JSX.Element {
  return <p class="small status" id="status">{statusLine()}</p>;
}

function statusLine(): string {
  if (running.value === undefined) return "";
  const { tokens, tokensPerSecond, prefill } = running.value.answer;
  if (prefill !== undefined) return t("readingShare", { done: prefill.promptTokensDone, all: prefill.promptTokens });
  return tokens < 2 ? t("reading") : t("speed", { decode: formatNumber(tokensPerSecond, 1) });
}

/** The answer for screen readers: by whole sentences, not by tokens. */
function Spoken(): JSX.Element {
  const region = useRef<HTMLDivElement>(null);
  const said = useRef<{ readonly turn: string; readonly sentences: Sentences; length: number } | undefined>(undefined);
  const now = running.value;
  useEffect(() => {
    if (region.current === null) return;
    if (now === undefined) {
      const turn = shown.value?.turns.find(({ id }) => id === said.current?.turn);
      said.current?.sentences.end(t(turn?.stopped === true ? "stopped" : "answered"));
      said.current = undefined;
      return;
    }
    if (said.current?.turn !== now.turn) said.current = { turn: now.turn, sentences: new Sentences(region.current), length: 0 };
    said.current.sentences.add(now.answer.text.slice(said.current.length));
    said.current.length = now.answer.text.length;
  }, [now]);
  return <div class="unseen" id="spoken" aria-live="polite" ref={region} />;
}
