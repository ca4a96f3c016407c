/** The list of conversations: to search, open, rename, export, import and delete. */
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { fileName, fromJson, toJson, toMarkdown, type Found, type MarkdownWords, type Summary } from "../conversations/index.js";
import { formatAgo } from "../format.js";
import { save } from "../save.js";
import { Button } from "../ui/controls.js";
import { Icon } from "../ui/icons.js";
import { t } from "../words/chat.js";
import { isEscape } from "./composer.js";
import { kept, rename, shown, storeProblem, summaries, withStore } from "./store.js";
import { newChat, openChat, wipe } from "./talk.js";
import { Problem } from "../ui/problem.js";

/** On narrow windows the list is shown when asked for. */
export const listOpen = signal(false);

/** The sidebar. */
export function Sidebar(): JSX.Element {
  const [query, setQuery] = useState("");
  const found = useSearch(query);
  return (
    <aside class={listOpen.value ? "sidebar open" : "sidebar"} id="sidebar" aria-label={t("conversations")}>
      <Button kind="main" icon="plus" id="new-chat" onClick={() => { newChat(); listOpen.value = false; }}>{t("newChat")}</Button>
      <input type="search" id="search" aria-label={t("search")} placeholder={t("search")} value={query} onInput={(event) => { setQuery(event.currentTarget.value); }} />
      {storeProblem.value !== undefined && <Problem error={storeProblem.value} />}
      {!kept.value && <p class="small">{t("notKept")}</p>}
      {query.trim() !== "" ? <Matches found={found} /> : <List />}
      <Foot />
    </aside>
  );
}

/** What was found; nothing before the first look has ended. */
function useSearch(query: string): readonly Found[] | undefined {
  const [found, setFound] = useState<readonly Found[]>();
  useEffect(() => {
    const controller = new AbortController();
    if (query.trim() === "") setFound(undefined);
    else {
      void withStore(async (store) => {
        const matches = await store.search(query, controller.signal).catch((error: unknown) => {
          if (controller.signal.aborted) return undefined;
          throw error;
        });
        if (matches !== undefined && !controller.signal.aborted) setFound(matches);
      });
    }
    return () => { controller.abort(); };
  }, [query, summaries.value]);
  return found;
}

function List(): JSX.Element {
  if (summaries.value.length === 0) return <p class="small">{t("noConversations")}</p>;
  return <ul class="plain conversations" id="conversations">{summaries.value.map((summary) => <Entry key={summary.id} summary={summary} />)}</ul>;
}

const titleOf = ({ title }: { readonly title: string }): string => (title === "" ? t("untitled") : title);

function open(id: string): void {
  listOpen.value = false;
  void openChat(id);
}

function Entry({ summary }: { readonly summary: Summary }): JSX.Element {
  const [renaming, setRenaming] = useState(false);
  const title = titleOf(summary);
  if (renaming) return <li><Rename summary={summary} onDone={() => { setRenaming(false); }} /></li>;
  return (
    <li class="conversation" data-title={title}>
      <button type="button" class="open" aria-current={shown.value?.id === summary.id ? "true" : undefined} onClick={() => { open(summary.id); }}>
        <span class="name">{title}</span>
        <span class="small">{formatAgo(summary.updated)}</span>
      </button>
      <Menu summary={summary} onRename={() => { setRenaming(true); }} />
    </li>
  );
}

function Menu({ summary, onRename }: { readonly summary: Summary; readonly onRename: () => void }): JSX.Element {
  const box = useRef<HTMLDetailsElement>(null);
  const title = titleOf(summary);
  useEffect(() => {
    const outside = (event: Event): void => {
      if (box.current !== null && event.target instanceof Node && !box.current.contains(event.target)) box.current.open = false;
    };
    addEventListener("pointerdown", outside);
    return () => { removeEventListener("pointerdown", outside); };
  }, []);
  const close = (): void => {
    if (box.current === null) return;
    if (box.current.open) box.current.querySelector("summary")?.focus();
    box.current.open = false;
  };
  const then = (work: () => unknown) => (): void => {
    if (box.current !== null) box.current.open = false;
    work();
  };
  const exportAs = (kind: "md" | "json") => withStore(async (store) => {
    const whole = await store.get(summary.id);
    if (whole === undefined) return;
    const text = kind === "md" ? toMarkdown(whole, fileWords()) : toJson(whole);
    save(new Blob([text], { type: kind === "md" ? "text/markdown" : "application/json" }), fileName(whole, kind));
  });
  const remove = (): void => { if (confirm(t("confirmDelete", { title }))) void withStore((store) => store.delete(summary.id)); };
  return (
    <details class="menu" ref={box} onKeyDown={(event) => { if (isEscape(event)) close(); }}>
      <summary class="button bare only-icon" aria-label={`${t("more")}: ${title}`}><span aria-hidden="true">⋯</span></summary>
      <div class="menu-items">
        <Button kind="bare" icon="edit" onClick={then(onRename)}>{t("rename")}</Button>
        <Button kind="bare" icon="download" onClick={then(() => exportAs("md"))}>{t("exportMarkdown")}</Button>
        <Button kind="bare" icon="download" onClick={then(() => exportAs("json"))}>{t("exportJson")}</Button>
        <Button kind="bare" icon="trash" class="warn" onClick={then(remove)}>{t("delete")}</Button>
      </div>
    </details>
  );
}

/** The words of an exported file. */
const fileWords = (): MarkdownWords => ({
  roles: { system: t("system"), user: t("you"), assistant: t("model"), tool: t("tool") },
  model: t("model"), date: t("date"), untitled: t("untitled"), reasoning: t("thoughts"), stopped: t("broken"),
});

function Rename({ summary, onDone }: { readonly summary: Summary; readonly onDone: () => void }): JSX.Element {
  const [title, setTitle] = useState(titleOf(summary));
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.select(), []);
  const submit = async (): Promise<void> => {
    if (title.trim() !== "") await rename(summary.id, title.trim());
    onDone();
  };
  return (
    <form class="row" onSubmit={(event) => { event.preventDefault(); void submit(); }}>
      <input
        ref={input} aria-label={t("title")} value={title} onInput={(event) => { setTitle(event.currentTarget.value); }}
        onKeyDown={(event) => {
          if (isEscape(event)) onDone();
        }}
      />
      <Button kind="main" submit>{t("saveTitle")}</Button>
    </form>
  );
}

function Matches({ found }: { readonly found: readonly Found[] | undefined }): JSX.Element | null {
  if (found === undefined) return null;
  if (found.length === 0) return <p class="small" role="status">{t("noMatches")}</p>;
  return (
    <ul class="plain conversations" id="matches">
      {found.map((match) => <Match key={match.conversation.id} match={match} />)}
    </ul>
  );
}

function Match({ match: { conversation, hits } }: { readonly match: Found }): JSX.Element {
  const snippet = hits[0]?.snippet;
  return (
    <li class="conversation">
      <button type="button" class="open" onClick={() => { open(conversation.id); }}>
        <span class="name">{titleOf(conversation)}</span>
        {snippet !== undefined && (
          <span class="small">{snippet.text.slice(0, snippet.start)}<mark>{snippet.text.slice(snippet.start, snippet.end)}</mark>{snippet.text.slice(snippet.end)}</span>
        )}
      </button>
    </li>
  );
}

function Foot(): JSX.Element {
  const [said, setSaid] = useState("");
  const importFile = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    const read = fromJson(await file.text());
    if (!read.ok) {
      setSaid(t("notImported"));
      return;
    }
    let count = 0;
    await withStore(async (store) => {
      for (const one of read.conversations) {
        await store.put(one);
        count += 1;
      }
    });
    // Where there was no room for all, the alert tells why.
    setSaid(t.count("imported", count));
  };
  return (
    <div class="foot">
      <label class="button bare"><Icon name="plus" />{t("import")}<input type="file" accept=".json,application/json" class="unseen" id="import" onChange={(event) => { void importFile(event.currentTarget.files?.[0]); event.currentTarget.value = ""; }} /></label>
      {summaries.value.length > 0 && <Button kind="bare" icon="trash" class="warn" id="wipe" onClick={() => { if (confirm(t("confirmWipe"))) void wipe(); }}>{t("wipe")}</Button>}
      {said !== "" && <p class="small" role="status">{said}</p>}
    </div>
  );
}
