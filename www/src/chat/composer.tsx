/** Where a message is written. Enter sends it, but not while an input method composes: Korean, Japanese and Chinese need it there. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { engine } from "../model.js";
import { Button } from "../ui/controls.js";
import { t } from "../words/chat.js";
import { running, say, stop } from "./talk.js";

/** Whether an input method is composing. Safari says so of the Enter that ends it by its key code only. */
function isComposing(event: KeyboardEvent): boolean {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only sign there
  return event.isComposing || event.keyCode === 229;
}

/** Whether a key is the writer's Escape. */
export const isEscape = (event: KeyboardEvent): boolean => event.key === "Escape" && !isComposing(event);

/** Whether Escape means something else where it is pressed: a dialog, the list with its search and menus, a message that is edited. */
const isElsewhere = ({ target }: Event): boolean =>
  document.querySelector("dialog[open]") !== null || (target instanceof Element && target.closest("#sidebar, .edit") !== null);

/** Grows a text area with its text. */
export function fitHeight(area: HTMLTextAreaElement): void {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight}px`;
}

/** Calls `send` on Enter, as long as it is the writer's. */
export function onEnter(send: () => void): (event: KeyboardEvent) => void {
  return (event) => {
    if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
    event.preventDefault();
    send();
  };
}

/** The form. */
export function Composer(): JSX.Element {
  const [text, setText] = useState("");
  const area = useRef<HTMLTextAreaElement>(null);
  const busy = running.value !== undefined;
  const canTalk = engine.value !== undefined && engine.value.info.kind !== "encoder";
  useEffect(() => { if (area.current !== null) fitHeight(area.current); }, [text]);
  useEffect(() => {
    const escape = (event: KeyboardEvent): void => { if (isEscape(event) && !isElsewhere(event)) stop(); };
    addEventListener("keydown", escape);
    return () => { removeEventListener("keydown", escape); };
  }, []);
  const send = (): void => {
    if (!canTalk || busy || text.trim() === "") return;
    setText("");
    void say(text);
  };
  return (
    <form class="composer" id="composer" onSubmit={(event) => { event.preventDefault(); send(); }}>
      <label class="unseen" for="prompt">{t("prompt")}</label>
      <textarea
        ref={area} id="prompt" rows={1} enterkeyhint="send" autocomplete="off" placeholder={t(canTalk ? "promptHint" : "promptNoModel")} value={text}
        onInput={(event) => { setText(event.currentTarget.value); }} onKeyDown={onEnter(send)}
      />
      {busy
        ? <Button key="stop" kind="main" icon="stop" label={t("stop")} id="stop" onClick={stop} />
        : <Button key="send" kind="main" icon="send" label={t("send")} id="send" submit disabled={!canTalk || text.trim() === ""} />}
    </form>
  );
}
