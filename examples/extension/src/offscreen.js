/**
 * The offscreen document: it holds the engine, which stays loaded while popups come and go. Each popup opens a port.
 *
 * From a popup: `{ type: "load", model }`, `{ type: "ask", messages }`, `{ type: "stop" }`.
 * To it: `{ type: "progress", loadedBytes, totalBytes }`, `{ type: "ready" }`, `{ type: "failed", message }` of a load;
 * `{ type: "text", text }`, then `{ type: "end", message? }` of an answer.
 */
import { Engine } from "doran";

const ports = new Set();
let engine;
let isLoading = false;

chrome.runtime.onConnect.addListener((port) => {
  let running;
  ports.add(port);
  // Who opens a popup later hears how far the load is.
  if (engine !== undefined) port.postMessage({ type: "ready" });
  else if (isLoading) port.postMessage({ type: "progress", loadedBytes: 0, totalBytes: 0 });
  port.onMessage.addListener(async (message) => {
    if (message.type === "load") await load(message.model);
    if (message.type === "stop") running?.abort();
    if (message.type === "ask") {
      running = new AbortController();
      await answer(message.messages, running.signal, port);
    }
  });
  port.onDisconnect.addListener(() => {
    ports.delete(port);
    // Nobody reads the rest.
    running?.abort();
  });
});

const tellAll = (message) => ports.forEach((port) => port.postMessage(message));

async function load(model) {
  if (engine !== undefined || isLoading) return;
  isLoading = true;
  try {
    engine = await Engine.load(model, { onProgress: ({ loadedBytes, totalBytes }) => tellAll({ type: "progress", loadedBytes, totalBytes }) });
    tellAll({ type: "ready" });
  } catch (error) {
    tellAll({ type: "failed", message: error.message });
  }
  isLoading = false;
}

async function answer(messages, signal, port) {
  const tell = (message) => { if (ports.has(port)) port.postMessage(message); };
  try {
    const options = { maxTokens: 512, temperature: 0.2, contextPolicy: "slide", signal };
    for await (const { text } of engine.generate(messages, options)) tell({ type: "text", text });
    tell({ type: "end" });
  } catch (error) {
    tell(signal.aborted ? { type: "end" } : { type: "end", message: error.message });
  }
}
