/** The page of these tests, bundled as a user's app is: with the real AI SDK and React, and the package by its own exports. */
import { embedMany, generateText, Output, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { z } from "zod";
import * as doran from "doran";
import * as aiSdk from "doran/ai-sdk";
import * as catalogue from "doran/catalogue";
import integrity from "doran/integrity.json";
import * as openaiApi from "doran/openai";
import * as probe from "doran/probe";
import * as promptApi from "doran/prompt-api";
import { mountChat } from "./chat.js";

const { createDoran } = aiSdk;
const { createFetch } = openaiApi;

window.surfaces = {
  OpenAI, createFetch,
  /** Packages by the names that the documentation's examples import them by. */
  modules: {
    ai: { embedMany, generateText, Output, stepCountIs, streamText, tool }, openai: { default: OpenAI }, zod: { z }, doran, "doran/ai-sdk": aiSdk, "doran/catalogue": catalogue,
    "doran/integrity.json": { default: integrity }, "doran/openai": openaiApi, "doran/prompt-api": promptApi, "doran/probe": probe,
  },
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

/** Its code, and what it says of the field that was wrong. */
window.refused = (promise) => promise.then(
  () => ({ code: "none" }),
  ({ code, status, param, data }) => ({ code, status, param, parameter: data?.parameter }),
);

/** The name of what a call with wrong arguments rejects with or throws. */
window.misuse = async (target, method, ...args) => (await window.rejection((async () => target[method](...args))())).name;
window.misuseCode = async (target, method) => (await window.refused((async () => target[method]("x"))())).code;
document.title = "ready";
