/** A model's Markdown as safe elements, whole or while it comes. What renders it is fetched when there is first something to render. */
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { MarkdownOptions, StreamingMarkdown } from "../markdown/index.js";
import { t } from "../words/chat.js";

const markdown = (): Promise<typeof import("../markdown/index.js")> => import("../markdown/index.js");

const options = (): MarkdownOptions => ({ words: { copy: t("copy"), image: t("image") } });

/** Text that grows until it is `done`. */
export function Prose({ text, done }: { readonly text: string; readonly done: boolean }): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const stream = useRef<StreamingMarkdown>(undefined);
  const pushed = useRef(0);
  const latest = useRef({ text, done });
  latest.current = { text, done };

  useEffect(() => {
    let gone = false;
    void markdown().then((room) => {
      if (gone || place.current === null) return;
      const now = latest.current;
      if (now.done && stream.current === undefined) {
        place.current.replaceChildren(room.render(now.text, options()));
        void room.highlight(place.current);
        return;
      }
      stream.current ??= new room.StreamingMarkdown(place.current, options());
      stream.current.push(now.text.slice(pushed.current));
      pushed.current = now.text.length;
      if (now.done) {
        void stream.current.end();
        stream.current = undefined;
        pushed.current = 0;
      }
    });
    return () => { gone = true; };
  }, [text, done]);
  return <div class="prose" ref={place} onClick={(event) => { if (event.target instanceof Element) void copyCode(event.target); }} />;
}

/** The copy button of a block of code. */
async function copyCode(target: Element): Promise<void> {
  const button = target.closest<HTMLButtonElement>("button[data-copy]");
  const code = button?.closest("figure")?.querySelector("code")?.textContent;
  if (button === null || code === undefined || code === null) return;
  await navigator.clipboard.writeText(code);
  button.textContent = t("copied");
  setTimeout(() => { button.textContent = t("copy"); }, 2000);
}
