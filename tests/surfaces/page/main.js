/** The page of these tests, bundled as a user's app is: with the real AI SDK and React, and the package by its own exports. */
import { embedMany, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import * as doran from "doran";
import { createDoran } from "doran/ai-sdk";
import * as promptApi from "doran/prompt-api";
import { mountChat } from "./chat.js";

window.surfaces = {
  doran, createDoran, promptApi, mountChat,
  ai: { embedMany, generateText, Output, stepCountIs, streamText, tool },
  z,
  startWorker: () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }),
};

/** What a promise rejects with, as a test can compare it. */
window.rejection = (promise) => promise.then(
  () => ({ name: "none" }),
  (error) => ({
    name: error.name, isDomException: error instanceof DOMException, message: error.message,
    ...(error.requested === undefined ? {} : { requested: error.requested, quota: error.quota }),
  }),
);

/** The name of what a call with wrong arguments rejects with or throws. */
window.misuse = async (target, method, ...args) => (await window.rejection((async () => target[method](...args))())).name;
document.title = "ready";
