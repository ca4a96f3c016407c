/**
 * The service worker: it makes the offscreen document, once, for whichever popup asks first. Chrome ends service workers that are idle,
 * so a model would not stay here.
 */
const DOCUMENT = "offscreen.html";
let making;

chrome.runtime.onMessage.addListener((message, _sender, reply) => {
  if (message !== "make offscreen document") return false;
  making ??= makeDocument().finally(() => { making = undefined; });
  making.then(() => reply({}), (error) => reply({ error: error.message }));
  // The reply comes later.
  return true;
});

async function makeDocument() {
  const there = await chrome.runtime.getContexts({ contextTypes: ["OFFSCREEN_DOCUMENT"] });
  if (there.length > 0) return;
  await chrome.offscreen.createDocument({ url: DOCUMENT, reasons: ["WORKERS"], justification: "A language model runs in a worker, and stays loaded" });
}
