/** A page with the built package, the AI SDK and React in one bundle, and models beside it. */
import { cpSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { test as base, type Page } from "@playwright/test";
import { serve, STRICT_CSP } from "../../scripts/lib/serve.mjs";
import { CACHE, hashOf, ROOT, step } from "../../scripts/lib/util.mjs";
import type * as Doran from "../../pkg/src/index.js";
import type * as PromptApi from "../../pkg/src/prompt-api/index.js";
import type { createDoran } from "../../pkg/src/ai-sdk/index.js";

/** How a promise failed; `none` where it did not. */
export interface Failure {
  readonly name: string;
  readonly isDomException?: boolean;
  readonly message?: string;
  readonly requested?: number;
  readonly quota?: number;
}

declare global {
  interface Window {
    surfaces: {
      doran: typeof Doran;
      promptApi: typeof PromptApi;
      createDoran: typeof createDoran;
      OpenAI: typeof import("openai").OpenAI;
      createFetch: typeof import("../../pkg/src/openai/index.js").createFetch;
      ai: Pick<typeof import("ai"), "embedMany" | "generateText" | "Output" | "stepCountIs" | "streamText" | "tool">;
      z: typeof import("zod").z;
      mountChat: (props: object) => () => void;
      startWorker: () => Worker;
    };
    rejection: (promise: Promise<unknown>) => Promise<Failure>;
    /** What an example of the documentation has shown. */
    shown: string[];
    /** The code, status and parameter of what a promise rejects with. */
    refused: (promise: Promise<unknown>) => Promise<{ code: string; status?: number; param?: string; parameter?: string }>;
    /** The code of what a call throws or rejects with. */
    misuseCode: (target: object, method: string) => Promise<string>;
    misuse: (target: object, method: string, ...args: readonly unknown[]) => Promise<string>;
    /** An engine of the tiny model, and the `LanguageModel` of it, that tests of one page share. */
    engine: Doran.Engine;
    LM: PromptApi.LanguageModelClass;
    /** The engine's own answer to a conversation, greedily, as sessions of these tests get it. */
    direct: (messages: readonly Doran.Message[]) => Promise<string>;
    /** The options of a session that draws nothing. */
    greedy: PromptApi.LanguageModelCreateOptions;
  }
}

/** Where models are that were made or downloaded. */
const MODELS = process.env["DORAN_MODELS"] ?? join(CACHE, "models");

/** Addresses of models on the page's own server: a real one, and tiny ones with weights of chance. */
export const SMOLLM2 = "/models/SmolLM2-135M-Instruct.Q4_1.gguf";
export const TINY = "/arch/llama/model-f32.gguf";
export const TINY_ENCODER = "/arch/bert/model-f32.gguf";

/** A chat template for tiny models, which have none; it takes an argument. */
export const TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if mood is defined %}{{ mood }}{% endif %}{% if add_generation_prompt %}<assistant>{% endif %}";

/** Bundles the page by webpack without rules, as an app does; gives its folder. */
async function bundle(): Promise<string> {
  const app = join(CACHE, "surfaces");
  const out = join(app, "dist");
  const source = join(ROOT, "tests/surfaces/page");
  const hash = hashOf([source, join(ROOT, "pkg/dist"), join(ROOT, "package-lock.json")]);
  await step("surfaces", hash, [join(out, "main.js")], async () => {
    rmSync(app, { recursive: true, force: true });
    mkdirSync(join(app, "node_modules"), { recursive: true });
    cpSync(source, join(app, "src"), { recursive: true });
    symlinkSync(join(ROOT, "pkg"), join(app, "node_modules/doran"));
    const { default: webpack } = await import("webpack");
    const compiler = webpack({
      mode: "production", context: app, entry: "./src/main.js", output: { path: out, filename: "main.js" },
      // The link stands for an installed package: what it needs is looked for beside it, and here.
      resolve: { symlinks: false, modules: [join(app, "node_modules"), join(ROOT, "node_modules")] },
      performance: false, devtool: false,
    });
    await new Promise<void>((resolve, reject) => {
      compiler?.run((error, stats) => {
        if (error !== null) reject(error);
        else if (stats?.hasErrors() === true) reject(new Error(stats.toString("errors-only")));
        else resolve();
      });
    });
  });
  return out;
}

/** Opens the page. */
export async function open(page: Page, address: string): Promise<void> {
  await page.goto(`${address}/`);
  await page.waitForFunction(() => document.title === "ready");
}

/** Requests that came to the server that speaks the OpenAI API, which is asked for them at `/v1/seen`. */
const seen: unknown[] = [];

/** A server of another's model, as vLLM, llama-server and Ollama are: it says the last message back, in pieces where it is asked to stream. */
function answerRemotely(request: IncomingMessage, response: ServerResponse, pathname: string): boolean {
  const json = (value: unknown): void => void response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(value));
  if (pathname === "/v1/seen") {
    json(seen.splice(0));
    return true;
  }
  let text = "";
  request.on("data", (piece: Buffer) => { text += piece.toString(); });
  request.on("end", () => {
    const body = asked(JSON.parse(text));
    seen.push(body);
    const said = `You said: ${body.messages.at(-1)?.content}`;
    const head = { id: "chatcmpl-1", created: 1, model: body.model };
    if (body.stream !== true) {
      json({ ...head, object: "chat.completion", choices: [{ index: 0, message: { role: "assistant", content: said, refusal: null }, logprobs: null, finish_reason: "stop" }] });
      return;
    }
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    const chunk = (delta: object, finish: string | null): string => (
      `data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] })}\n\n`
    );
    for (const word of said.split(/(?<= )/)) response.write(chunk({ content: word }, null));
    response.end(`${chunk({}, "stop")}data: [DONE]\n\n`);
  });
  return true;
}

/** A request, once it is certain that it is one. */
function asked(body: unknown): { model: string; stream?: boolean; messages: { content: string }[] } {
  const isAsked = (value: unknown): value is ReturnType<typeof asked> => typeof value === "object" && value !== null && "model" in value && "messages" in value;
  if (!isAsked(body)) throw new Error("this is no request for a chat completion");
  return body;
}

const PAGE = `<!doctype html><meta charset="utf-8"><title>loading</title><body><script src="/app/main.js"></script>`;

export const test = base.extend<{ app: Page }, { address: string; tiny: Page }>({
  address: [async ({}, use) => {
    const server = await serve({
      mounts: { "/app/": await bundle(), "/arch/": join(ROOT, "tests/fixtures/arch"), "/adapters/": join(ROOT, "tests/fixtures/adapters"), "/hooks/": join(ROOT, "tests/surfaces/hooks"), "/models/": MODELS },
      csp: STRICT_CSP,
      handle: (request: IncomingMessage, response: ServerResponse) => {
        const { pathname } = new URL(request.url ?? "/", "http://localhost");
        if (pathname.startsWith("/v1/")) return answerRemotely(request, response, pathname);
        if (pathname !== "/") return false;
        response.writeHead(200, { "Content-Type": "text/html", "Content-Security-Policy": STRICT_CSP }).end(PAGE);
        return true;
      },
    });
    await use(server.address);
    await server.close();
  }, { scope: "worker", timeout: 300_000 }],

  app: async ({ page, address }, use) => {
    await open(page, address);
    await use(page);
  },

  tiny: [async ({ browser, address }, use) => {
    const page = await browser.newPage();
    await open(page, address);
    await page.evaluate(async ({ model, chatTemplate }) => {
      const { doran, promptApi } = window.surfaces;
      window.engine = await doran.Engine.load(model, { chatTemplate, store: false });
      const generate = { maxTokens: 6, ignoreEos: true };
      window.LM = promptApi.createLanguageModel({ engine: window.engine, generate });
      window.greedy = { samplingMode: "most-predictable" };
      window.direct = async (messages) => {
        let text = "";
        for await (const item of window.engine.generate(messages, { ...generate, temperature: 0 })) text += item.text;
        return text;
      };
    }, { model: TINY, chatTemplate: TEMPLATE });
    await use(page);
    await page.close();
  }, { scope: "worker", timeout: 120_000 }],
});

export { expect } from "@playwright/test";
