/** A model here, or on a server where the reader agrees: never silently, and chat completions only. */
import { expect, test, TEMPLATE, TINY } from "./fixture.js";

test("nothing is sent to a server before the reader agrees, and then chats alone", async ({ app }) => {
  const seen = await app.evaluate(async ({ model, chatTemplate }) => {
    const { doran, OpenAI } = window.surfaces;
    const client = new OpenAI({ apiKey: "none", baseURL: `${location.origin}/v1`, dangerouslyAllowBrowser: true });
    const requests = async (): Promise<unknown> => {
      const list: unknown = await (await fetch("/v1/seen")).json();
      return list;
    };
    const messages = [{ role: "user" as const, content: "hello there" }];
    const reasons: unknown[] = [];
    const remote = (agrees: boolean) => ({ client, model: "large", consent: async (reason: object) => (reasons.push(reason), agrees) });
    const local = { source: model, chatTemplate, store: false };

    // The device can: the server is not even asked about.
    const here = await doran.createEngine({ local, remote: remote(true) });
    await here.chat.completions.create({ messages, max_tokens: 2 });
    await here.unload();
    const whileHere = { where: here.where, reasons: reasons.splice(0), requests: await requests() };

    // The app prefers the server, and the reader does not.
    const refusedPreference = await doran.createEngine({ local, remote: remote(false), prefer: "remote" });
    await refusedPreference.unload();
    const whilePreferred = { where: refusedPreference.where, reasons: reasons.splice(0), requests: await requests() };

    // The device cannot, and the reader does not agree: the load's own error.
    const large = { ...local, context: 256, createWorker: () => { throw new Error("this page has no workers"); } };
    const refused = await window.refused(doran.createEngine({ local: large, remote: remote(false) }));
    const noDevice = Object.getOwnPropertyDescriptor(Navigator.prototype, "gpu");
    Object.defineProperty(Navigator.prototype, "gpu", { get: () => undefined, configurable: true });
    const denied = await window.refused(doran.createEngine({ local, remote: remote(false) }));
    const whileDenied = { refused: refused.code, denied: denied.code, reasons: reasons.splice(0), requests: await requests() };

    const there = await doran.createEngine({ local, remote: remote(true) });
    if (noDevice !== undefined) Object.defineProperty(Navigator.prototype, "gpu", noDevice);
    const whole = await there.chat.completions.create({ messages, temperature: 0.5 });
    let streamed = "";
    for await (const { choices } of await there.chat.completions.create({ messages, stream: true })) streamed += choices[0]?.delta.content ?? "";
    const codes: Record<string, string> = {};
    for (const call of ["generate", "embed", "tokenize", "loadAdapter", "stats"] as const) {
      codes[call] = await window.misuseCode(there, call);
    }
    codes["adapters"] = (await window.refused(there.chat.completions.create({ messages, adapters: [] }))).code;
    codes["regex"] = (await window.refused(there.chat.completions.create({ messages, response_format: { type: "regex", regex: "a" } }))).code;
    const whileThere = { where: there.where, reasons: reasons.splice(0), requests: await requests(), whole: whole.choices[0]?.message.content, streamed, codes };
    await there.unload();
    return { whileHere, whilePreferred, whileDenied, whileThere };
  }, { model: TINY, chatTemplate: TEMPLATE });
  expect(seen.whileHere).toEqual({ where: "local", reasons: [], requests: [] });
  expect(seen.whilePreferred).toEqual({ where: "local", reasons: [{ code: "chosen", message: expect.any(String) }], requests: [] });
  expect(seen.whileDenied).toMatchObject({ refused: "unsupported", requests: [] });
  expect(seen.whileDenied.denied).toMatch(/webgpu_missing|none/);
  expect(seen.whileDenied.reasons).toContainEqual({ code: "unsupported", message: expect.any(String) });
  expect(seen.whileThere).toMatchObject({ where: "remote", whole: "You said: hello there", streamed: "You said: hello there" });
  expect(seen.whileThere.requests).toEqual([
    { model: "large", temperature: 0.5, messages: [{ role: "user", content: "hello there" }] },
    { model: "large", stream: true, messages: [{ role: "user", content: "hello there" }] },
  ]);
  expect(new Set(Object.values(seen.whileThere.codes))).toEqual(new Set(["unsupported_remote"]));
});

test("an abort ends a server's answer with the signal's reason, whole or in pieces, and before the first piece nothing is sent", async ({ app }) => {
  const seen = await app.evaluate(async () => {
    const { doran, OpenAI } = window.surfaces;
    const chunk = { id: "1", object: "chat.completion.chunk", created: 1, model: "large", choices: [{ index: 0, delta: { content: "word" }, logprobs: null, finish_reason: null }] };
    let asked = 0;
    /** A server that says one word in pieces, or nothing, until it is left. */
    const fetch = (_: unknown, { body, signal }: RequestInit = {}): Promise<Response> => {
      asked += 1;
      if (typeof body !== "string" || !body.includes('"stream":true')) {
        return new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
      }
      const words = new ReadableStream({
        start(stream) {
          stream.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(chunk)}\n\n`));
          signal?.addEventListener("abort", () => stream.error(signal.reason));
        },
      });
      return Promise.resolve(new Response(words, { headers: { "content-type": "text/event-stream" } }));
    };
    const client = new OpenAI({ apiKey: "none", baseURL: "http://doran.invalid/v1", fetch, dangerouslyAllowBrowser: true, maxRetries: 0 });
    const { completions } = new doran.RemoteEngine({ client, model: "large", consent: () => true }).chat;
    const messages = [{ role: "user" as const, content: "hello" }];
    const pieces = (signal?: AbortSignal): ReturnType<typeof completions.create> => completions.create({ messages, stream: true }, signal === undefined ? {} : { signal });
    /** Reads a stream, and does something after each piece. */
    const read = async (stream: Awaited<ReturnType<typeof pieces>>, after: () => void): Promise<string> => {
      let said = "";
      if (!(Symbol.asyncIterator in stream)) return said;
      for await (const { choices } of stream) {
        said += choices[0]?.delta.content ?? "";
        after();
      }
      return said;
    };
    const [inPieces, whole, early] = [new AbortController(), new AbortController(), new AbortController()];

    const cut = await window.rejection(read(await pieces(inPieces.signal), () => inPieces.abort(new RangeError("cut"))));
    const pending = window.rejection(completions.create({ messages }, { signal: whole.signal }));
    while (asked < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    whole.abort(new RangeError("whole"));
    const waited = await pending;

    const unread = await pieces(early.signal);
    early.abort(new RangeError("early"));
    const before = await window.rejection(read(unread, () => undefined));
    const already = [await window.rejection(pieces(early.signal)), await window.rejection(completions.create({ messages }, { signal: early.signal }))];
    const sent = asked;

    // Who stops the stream itself asks for its end.
    const stopped = await completions.create({ messages, stream: true });
    const said = await read(stopped, () => stopped.controller.abort());
    return { errors: [cut, waited, before, ...already].map(({ name, message }) => [name, message]), sent, said };
  });
  expect(seen.errors).toEqual([["RangeError", "cut"], ["RangeError", "whole"], ["RangeError", "early"], ["RangeError", "early"], ["RangeError", "early"]]);
  expect(seen).toMatchObject({ sent: 2, said: "word" });
});
