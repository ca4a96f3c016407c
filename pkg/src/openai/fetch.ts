/** An engine as a server: what a client of the OpenAI API would fetch, answered in the page. */
import type { Engine } from "../engine.js";
import { DoranError, isRecord, toWire, type ErrorCode } from "../errors.js";
import { until } from "../signals.js";
import { checkChatRequest, createChatCompletion } from "./chat.js";
import { checkEmbeddingRequest, createEmbeddings } from "./embeddings.js";
import { CompletionStream } from "./stream.js";
import { checkTextRequest, createCompletion } from "./text.js";

/**
 * A `fetch` that answers requests of the OpenAI API by `engine`: give it to the `openai` client as its `fetch`. Nothing leaves the page.
 * It knows `/chat/completions`, `/completions`, `/embeddings` and `/models`, below whatever base URL the client has.
 *
 * @example
 * ```ts
 * import OpenAI from "openai";
 * import { Engine } from "doran";
 * import { createFetch } from "doran/openai";
 *
 * const engine = await Engine.load("./model.gguf");
 * const openai = new OpenAI({ apiKey: "none", baseURL: "http://localhost/v1", fetch: createFetch(engine), dangerouslyAllowBrowser: true });
 * const answer = await openai.chat.completions.create({ model: "local", messages: [{ role: "user", content: "Hello" }] });
 * ```
 */
export function createFetch(engine: Engine | Promise<Engine> | (() => Engine | Promise<Engine>)): typeof fetch {
  return async (input, init) => {
    const request = input instanceof Request ? input : undefined;
    const url = new URL(input instanceof Request ? input.url : input, globalThis.location?.href);
    const method = (init?.method ?? request?.method ?? "GET").toUpperCase();
    const signal = init?.signal ?? request?.signal;
    signal?.throwIfAborted();
    try {
      const loaded = await until(signal, typeof engine === "function" ? engine() : engine);
      const body: unknown = method === "POST" ? parsed(request === undefined || init?.body !== undefined ? await new Response(init?.body).text() : await request.text()) : undefined;
      return await answer(loaded, `${method} ${url.pathname}`, body, signal);
    } catch (thrown) {
      if (signal?.aborted === true) throw thrown;
      return failed(thrown);
    }
  };
}

async function answer(engine: Engine, route: string, body: unknown, signal: AbortSignal | null | undefined): Promise<Response> {
  const options = signal === undefined ? {} : { signal };
  if (route.startsWith("POST ") && route.endsWith("/chat/completions")) {
    checkChatRequest(body);
    return respond(await createChatCompletion(engine, body, options));
  }
  if (route.startsWith("POST ") && route.endsWith("/completions")) {
    checkTextRequest(body);
    return respond(await createCompletion(engine, body, options));
  }
  if (route.startsWith("POST ") && route.endsWith("/embeddings")) {
    checkEmbeddingRequest(body);
    return respond(await createEmbeddings(engine, body, options));
  }
  const model = { id: engine.info.name, object: "model", created: 0, owned_by: "doran" };
  if (route.startsWith("GET ") && route.endsWith("/models")) return respond({ object: "list", data: [model] });
  if (route.startsWith("GET ") && route.includes("/models/")) return respond(model);
  throw new DoranError("unsupported", `there is no ${route} here`, { what: route });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new DoranError("bad_argument", "the request's body is no JSON", { argument: "body" });
  }
}

async function respond(result: object | CompletionStream<object>): Promise<Response> {
  if (!(result instanceof CompletionStream)) return Response.json(result);
  const pieces = result[Symbol.asyncIterator]();
  // What fails before anything was said is an answer with an error's status.
  let next: Promise<IteratorResult<object, undefined>> | undefined = Promise.resolve(await pieces.next());
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { value, done } = await (next ?? pieces.next());
        next = undefined;
        controller.enqueue(encoder.encode(done === true ? "data: [DONE]\n\n" : `data: ${JSON.stringify(value)}\n\n`));
        if (done === true) controller.close();
      } catch (thrown) {
        controller.error(thrown);
      }
    },
    async cancel() {
      await pieces.return(undefined);
    },
  });
  return new Response(stream, { headers: { "content-type": "text/event-stream" } });
}

/** Statuses that tell a client whether it is worth to try again: 4xx is not, 503 is. */
const STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  device_lost: 503, internal: 500, gpu: 500, non_finite: 500, not_found: 404, unloaded: 410, out_of_memory: 413, context_overflow: 400,
};

function failed(thrown: unknown): Response {
  const { code, message, data } = toWire(thrown);
  const parameter = isRecord(data) ? data["parameter"] ?? data["argument"] : undefined;
  const status = STATUS[code] ?? 400;
  const type = status >= 500 ? "server_error" : "invalid_request_error";
  return Response.json({ error: { message, type, code, param: typeof parameter === "string" ? parameter : null } }, { status });
}
