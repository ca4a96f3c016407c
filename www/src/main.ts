/** The demo: a user of the package's public API, and of nothing else. */
import { setUpChat, startChat } from "./chat.js";
import { showChoice, startChoice } from "./choose.js";
import { byId } from "./dom.js";
import { isWord, onLanguage, t, tag, toggleLanguage } from "./i18n.js";
import { checkSupport } from "./support.js";

onLanguage(() => {
  document.documentElement.lang = tag();
  for (const element of document.querySelectorAll<HTMLElement>("[data-t]")) {
    const word = element.dataset["t"];
    if (isWord(word)) element.textContent = t(word);
  }
  const language = byId("language", HTMLButtonElement);
  language.textContent = t("language");
  language.lang = tag() === "en" ? "ko" : "en";
});
byId("language", HTMLButtonElement).addEventListener("click", toggleLanguage);

setUpChat(() => void showChoice());
if (await checkSupport()) await startChoice(startChat);
