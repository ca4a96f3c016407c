/** The conversation: streaming, stop, new chat, speed; and the answer read aloud by sentences. */
import { DoranError, type Engine, type Message, type Usage } from "doran";
import { showProblem } from "./choose.js";
import { button, byId, make, shortName } from "./dom.js";
import { formatNumber, onLanguage, t, type Word } from "./i18n.js";
import { Sentences } from "./sentences.js";

const section = byId("chat", HTMLElement);
const log = byId("log", HTMLDivElement);
const prompt = byId("prompt", HTMLTextAreaElement);
const send = byId("send", HTMLButtonElement);
const stop = byId("stop", HTMLButtonElement);
const speed = byId("speed", HTMLParagraphElement);

const TRY: readonly Word[] = ["try1", "try2", "try3"];
/** Nearer to the end than this, the view follows the answer. */
const FOLLOW_PX = 80;

/** What small models are made for; `?temperature=0` makes answers the same each time. */
const TEMPERATURE = Number(new URLSearchParams(location.search).get("temperature") ?? 0.2);

let engine: Engine | undefined;
let messages: Message[] = [];
let running: AbortController | undefined;
let speedWords: () => string = () => "";
let onLeave: () => void = () => undefined;

function render(): void {
  prompt.placeholder = t("promptHint");
  speed.textContent = speedWords();
  if (engine !== undefined) {
    byId("model-name", HTMLElement).textContent = shortName(engine.info.name);
    const { adapter, context } = engine.info;
    byId("model-facts", HTMLElement).textContent = [t("contextOf", { context: formatNumber(context) }), adapter.description || adapter.vendor].filter(Boolean).join(" · ");
  }
  if (messages.length === 0 && running === undefined) showEmpty();
}

function showEmpty(): void {
  const tries = make("div", "try", ...TRY.map((word) => button(t(word), "quiet", () => void say(t(word)))));
  log.replaceChildren(make("div", "empty", t("empty"), tries));
}

function setSpeed(words: () => string): void {
  speedWords = words;
  speed.textContent = words();
}

function setBusy(busy: boolean): void {
  send.hidden = busy;
  stop.hidden = !busy;
  send.disabled = prompt.value.trim() === "";
}

function grow(): void {
  prompt.style.height = "auto";
  prompt.style.height = `${String(prompt.scrollHeight)}px`;
}

function turn(role: "user" | "assistant", text: string): HTMLDivElement {
  const element = make("div", `turn ${role}`, text);
  element.setAttribute("aria-label", t(role === "user" ? "you" : "model"));
  if (messages.length === 0 && role === "user") log.replaceChildren(element);
  else log.append(element);
  log.scrollTop = log.scrollHeight;
  return element;
}

/** Appends what comes, once a frame, and follows it unless the reader has scrolled away. */
class Writer {
  readonly #element: HTMLElement;
  #waiting = "";
  #frame = 0;

  constructor(element: HTMLElement) {
    this.#element = element;
  }

  write(text: string): void {
    this.#waiting += text;
    this.#frame ||= requestAnimationFrame(() => { this.flush(); });
  }

  flush(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#waiting === "") return;
    const follows = log.scrollHeight - log.scrollTop - log.clientHeight < FOLLOW_PX;
    this.#element.append(this.#waiting);
    this.#waiting = "";
    if (follows) log.scrollTop = log.scrollHeight;
  }
}

function finished(usage: Usage, decodeTps: number): void {
  const prefillTps = usage.prefillMs > 0 ? ((usage.promptTokens - usage.cachedTokens) / usage.prefillMs) * 1000 : 0;
  const tokens = formatNumber(usage.completionTokens);
  setSpeed(() => t("speedBoth", { tokens, decode: formatNumber(decodeTps, 1), prefill: formatNumber(prefillTps, 0) }));
}

/** Streams one answer into `element`; gives its text, also when it was stopped. */
async function stream(model: Engine, element: HTMLElement, signal: AbortSignal): Promise<string> {
  const writer = new Writer(element);
  const spoken = new Sentences(byId("spoken", HTMLDivElement));
  let text = "";
  let tokens = 0;
  let first = 0;
  let rate = 0;
  try {
    for await (const item of model.generate(messages, { temperature: TEMPERATURE, topP: 0.9, maxTokens: 1024, signal })) {
      text += item.text;
      writer.write(item.text);
      spoken.add(item.text);
      if (item.usage !== undefined) {
        finished(item.usage, rate);
      } else {
        if (tokens === 0) first = performance.now();
        else rate = tokens / ((performance.now() - first) / 1000);
        tokens += 1;
        if (tokens % 4 === 0) setSpeed(() => t("speed", { decode: formatNumber(rate, 1) }));
      }
    }
    spoken.end(t("answered"));
  } catch (error) {
    if (!signal.aborted) throw error;
    spoken.end(t("stopped"));
    setSpeed(() => `${t("stopped")} ${rate > 0 ? t("speed", { decode: formatNumber(rate, 1) }) : ""}`);
  } finally {
    writer.flush();
  }
  return text;
}

async function say(text: string): Promise<void> {
  if (engine === undefined || running !== undefined || text.trim() === "") return;
  const controller = new AbortController();
  running = controller;
  prompt.value = "";
  grow();
  setBusy(true);
  turn("user", text);
  messages = [...messages, { role: "user", content: text }];
  const before = messages;
  const element = turn("assistant", "");
  element.setAttribute("aria-busy", "true");
  setSpeed(() => t("reading"));
  try {
    const answer = await stream(engine, element, controller.signal);
    // A chat that was begun anew meanwhile does not get the old answer.
    if (messages === before) messages = [...messages, { role: "assistant", content: answer }];
  } catch (error) {
    setSpeed(() => "");
    const problem = make("div", "problem");
    problem.setAttribute("role", "alert");
    showProblem(problem, error);
    element.replaceWith(problem);
    if (messages === before) messages = messages.slice(0, -1);
    if (error instanceof DoranError && ["unloaded", "device_lost", "internal"].includes(error.code)) leave();
  } finally {
    element.setAttribute("aria-busy", "false");
    running = undefined;
    setBusy(false);
  }
}

function newChat(): void {
  running?.abort();
  messages = [];
  setSpeed(() => "");
  showEmpty();
  prompt.focus();
}

function leave(): void {
  running?.abort();
  const leaving = engine;
  engine = undefined;
  messages = [];
  log.replaceChildren();
  setSpeed(() => "");
  section.hidden = true;
  document.body.classList.remove("chatting");
  void leaving?.unload().finally(onLeave);
}

/** Begins to talk with `loaded`. */
export function startChat(loaded: Engine): void {
  engine = loaded;
  section.hidden = false;
  document.body.classList.add("chatting");
  render();
  newChat();
}

/** Makes the view work; `left` is called when the reader wants another model. */
export function setUpChat(left: () => void): void {
  onLeave = left;
  onLanguage(render);
  setBusy(false);
  byId("composer", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    void say(prompt.value);
  });
  prompt.addEventListener("input", () => {
    grow();
    setBusy(running !== undefined);
  });
  prompt.addEventListener("keydown", (event) => {
    // While an input method composes (Korean, Japanese, Chinese), Enter belongs to it; Safari says so by keyCode 229 only.
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only sign there
    const composing = event.isComposing || event.keyCode === 229;
    if (event.key === "Enter" && !event.shiftKey && !composing) {
      event.preventDefault();
      void say(prompt.value);
    }
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") running?.abort();
  });
  stop.addEventListener("click", () => running?.abort());
  byId("new-chat", HTMLButtonElement).addEventListener("click", newChat);
  byId("leave", HTMLButtonElement).addEventListener("click", leave);
}
