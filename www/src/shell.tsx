/** What stands around every view: the mark, the ways to the views, and the count of requests that shows that nothing leaves. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { requests, type SeenRequest } from "./requests.js";
import { hrefOf, view, VIEWS } from "./route.js";
import { theme, type Theme } from "./theme.js";
import { Button, Dialog } from "./ui/controls.js";
import { Icon } from "./ui/icons.js";
import { language, speak } from "./words.js";
import { t } from "./words/shell.js";
import { newVersion, takeNewVersion } from "./offline.js";

const THEMES: readonly Theme[] = ["system", "light", "dark"];

/** The header and the view below it. `home` is the way to the main page; `bench`: this is the page of the benchmark. */
export function Shell({ children, home = "./", bench = false }: { readonly children: ComponentChildren; readonly home?: string; readonly bench?: boolean }): JSX.Element {
  useEffect(() => {
    document.documentElement.lang = language.value;
    document.title = `${t("title")} · ${t(bench ? "bench" : view.value)}`;
  }, [language.value, view.value]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>{t("skip")}</a>
      <header class="top">
        <a class="mark" href={bench ? home : "#/"} aria-label="doran"><img src={`${home}icon.svg`} alt="" width="26" height="26" /><span>doran</span><span class="mark-ko" lang="ko">도란도란</span></a>
        <nav aria-label={t("views")}>
          {VIEWS.map((name) => (
            <a key={name} href={bench ? `${home}${hrefOf(name)}` : hrefOf(name)} aria-current={!bench && view.value === name ? "page" : undefined}><Icon name={name} /><span>{t(name)}</span></a>
          ))}
          <a href={bench ? "./" : "bench/"} aria-current={bench ? "page" : undefined}><Icon name="bench" /><span>{t("bench")}</span></a>
        </nav>
        <div class="top-end">
          <Requests />
          <ThemeButton />
          <button type="button" class="button bare language" id="language" lang={language.value === "en" ? "ko" : "en"} onClick={() => { speak(language.value === "en" ? "ko" : "en"); }}>{t("otherLanguage")}</button>
        </div>
      </header>
      {newVersion.value && (
        <div class="notice" role="status">{t("newVersion")} <Button kind="bare" onClick={takeNewVersion}>{t("reload")}</Button></div>
      )}
      <main id="main" tabIndex={-1}>{children}</main>
    </>
  );
}

function ThemeButton(): JSX.Element {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "system";
  const icon = theme.value === "dark" ? "moon" : "sun";
  return <Button kind="bare" icon={icon} label={t("theme", { theme: t(theme.value) })} class="theme" onClick={() => { theme.value = next; }} />;
}

/** How many requests there were, and which. */
function Requests(): JSX.Element {
  const [open, setOpen] = useState(false);
  const seen = requests.value;
  const fresh = seen?.filter(({ again }) => !again).length;
  const label = fresh === undefined ? t("private") : fresh === 0 ? t("requestsNone") : t.count("requests", fresh);
  return (
    <>
      <button type="button" class="button bare requests" id="requests" data-count={fresh} aria-label={label} title={label} onClick={() => { setOpen(true); }}>
        <Icon name="shield" />{fresh !== undefined && <span>{t.count("requestsShort", fresh)}</span>}
      </button>
      {open && (
        <Dialog title={t("private")} closeLabel={t("close")} onClose={() => { setOpen(false); }}>
          <p>{seen === undefined ? t("requestsBefore") : label}</p>
          {seen !== undefined && seen.length > 0 && <RequestList seen={seen} />}
          <p class="small">{t("requestsWhy")}</p>
        </Dialog>
      )}
    </>
  );
}

function RequestList({ seen }: { readonly seen: readonly SeenRequest[] }): JSX.Element {
  return <ul class="plain small">{seen.map(({ url, where, again }, at) => <li key={at}><span class="chip">{t(where === "page" ? "ofPage" : "ofWorker")}</span> {again && <span class="chip">{t("again")}</span>} {url}</li>)}</ul>;
}
