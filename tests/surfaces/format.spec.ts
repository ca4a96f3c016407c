/** Answers that must have a form, hooks, and what callers hear of tokens: in the browser, with the module for formats. */
import { Ajv2020 } from "ajv/dist/2020.js";
import type { OutputFormat } from "../../pkg/src/index.js";
import { expect, SMOLLM2, test } from "./fixture.js";

/** Ten schemas of the kinds that applications write. */
const SCHEMAS: readonly Record<string, unknown>[] = [
  { type: "object", properties: { name: { type: "string", maxLength: 12 }, age: { type: "integer", minimum: 0, maximum: 130 } }, required: ["name", "age"], additionalProperties: false },
  { enum: ["yes", "no", "아마도"] },
  { type: "array", items: { type: "integer", minimum: -5, maximum: 5 }, minItems: 2, maxItems: 4 },
  { type: "object", properties: { mood: { const: "calm" }, score: { type: "number", minimum: 0, maximum: 1 } }, required: ["mood", "score"], additionalProperties: false },
  { type: "string", pattern: "^[a-z]{2,6}-[0-9]{3}$" },
  { anyOf: [{ type: "boolean" }, { type: "null" }] },
  {
    type: "object", required: ["point"], additionalProperties: false,
    properties: { point: { $ref: "#/$defs/point" } },
    $defs: { point: { type: "object", properties: { x: { type: "integer" }, y: { type: "integer" } }, required: ["x", "y"], additionalProperties: false } },
  },
  { type: "array", prefixItems: [{ type: "boolean" }, { type: "string", maxLength: 6 }], items: false, minItems: 2 },
  { type: "object", properties: { tags: { type: "array", items: { enum: ["a", "b", "c"] }, maxItems: 3 } }, required: ["tags"], additionalProperties: false },
  { type: "object", properties: { date: { type: "string", format: "date" } }, required: ["date"], additionalProperties: false },
];

test("at a high temperature the real model says nothing but what its schema lets it", { tag: "@long" }, async ({ app }) => {
  test.setTimeout(600_000);
  const answers = await app.evaluate(async ({ model, schemas }) => {
    window.engine = await window.surfaces.doran.Engine.load(model);
    const given = [];
    for (const [seed, schema] of schemas.entries()) {
      let text = "";
      let finish = "";
      const options = { temperature: 1.5, seed, maxTokens: 160, format: { type: "json_schema" as const, schema } };
      for await (const item of window.engine.generate([{ role: "user", content: "Give me an example." }], options)) {
        text += item.text;
        finish = item.finishReason ?? finish;
      }
      given.push({ text, finish });
    }
    return given;
  }, { model: SMOLLM2, schemas: SCHEMAS });
  const ajv = new Ajv2020({ strict: false, formats: { date: /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/ } });
  for (const [i, { text, finish }] of answers.entries()) {
    // A number may be longer than the answer was allowed to be.
    if (finish === "length") continue;
    expect(ajv.validate(SCHEMAS[i] ?? false, JSON.parse(text)), `${JSON.stringify(SCHEMAS[i])}: ${text}`).toBe(true);
  }
  expect(answers.filter(({ finish }) => finish === "stop").length).toBeGreaterThanOrEqual(9);
});

test("what cannot be, is too long, or is malformed, is told", async ({ app }) => {
  const seen = await app.evaluate(async ({ model }) => {
    const engine = await window.surfaces.doran.Engine.load(model);
    const run = async (format: OutputFormat, maxTokens = 60): Promise<{ text: string; finish: string }> => {
      let text = "";
      let finish = "";
      for await (const item of engine.generate("Say: ", { temperature: 0, maxTokens, format })) {
        text += item.text;
        finish = item.finishReason ?? finish;
      }
      return { text, finish };
    };
    const code = async (format: OutputFormat): Promise<string> => (await window.refused(run(format))).code;
    const seen = {
      never: await code({ type: "json_schema", schema: false }),
      contradiction: await code({ type: "json_schema", schema: { type: "integer", minimum: 5, maximum: 4 } }),
      noRegex: await code({ type: "regex", pattern: "(" }),
      noLark: await code({ type: "lark", grammar: "start: missing_rule_of_nothing(" }),
      // @ts-expect-error: JavaScript may ask for anything.
      noKind: await code({ type: "yaml" }),
      long: await run({ type: "regex", pattern: "a{200}" }, 20),
      regex: await run({ type: "regex", pattern: "(red|green|blue)(, (red|green|blue)){2}" }),
      lark: await run({ type: "lark", grammar: "start: \"I say: \" WORD \"!\"\nWORD: /[a-z]{2,8}/" }),
      object: await run({ type: "json_object" }, 120),
    };
    await engine.unload();
    return seen;
  }, { model: SMOLLM2 });
  expect(seen).toMatchObject({
    never: "schema_unsatisfiable", contradiction: "schema_unsatisfiable", noRegex: "bad_argument", noLark: "bad_argument", noKind: "bad_argument",
  });
  expect(seen.long.finish).toBe("length");
  expect(seen.long.text).toMatch(/^a+$/);
  expect(seen.regex.text).toMatch(/^(red|green|blue)(, (red|green|blue)){2}$/);
  expect(seen.lark.text).toMatch(/^I say: [a-z]{2,8}!$/);
  if (seen.object.finish === "stop") expect(JSON.parse(seen.object.text)).toBeInstanceOf(Object);
});

test("a constrained step is one submit, and uploads a bit a token; forced tokens take none", async ({ app }) => {
  const seen = await app.evaluate(async ({ model }) => {
    const engine = await window.surfaces.doran.Engine.load(model);
    const spent = async (pattern: string, maxTokens: number): Promise<{ submits: number; bytes: number; writes: number; created: number; tokens: number; text: string }> => {
      const before = (await engine.stats()).counters;
      let text = "";
      let tokens = 0;
      for await (const item of engine.generate("Say: ", { temperature: 1, seed: 2, maxTokens, format: { type: "regex", pattern } })) {
        text += item.text;
        if (item.finishReason === undefined) tokens += 1;
      }
      const after = (await engine.stats()).counters;
      return {
        submits: after.submits - before.submits, bytes: after.bytesWritten - before.bytesWritten, writes: after.bufferWrites - before.bufferWrites,
        created: after.created - before.created, tokens, text,
      };
    };
    await spent("[a-z]{3}", 3);
    const short = await spent("[a-z ]{400}", 6);
    const long = await spent("[a-z ]{400}", 16);
    const forced = await spent("The quick brown fox jumps over the lazy dog(!|\\?)", 40);
    await engine.unload();
    return { short, long, forced, vocab: engine.info.vocabSize };
  }, { model: SMOLLM2 });
  const ten = { submits: seen.long.submits - seen.short.submits, writes: seen.long.writes - seen.short.writes, bytes: seen.long.bytes - seen.short.bytes };
  expect(ten).toEqual({ submits: 10, writes: 10, bytes: 10 * Math.ceil(seen.vocab / 32) * 4 });
  expect(seen.long.created).toBe(0);
  expect(seen.forced.text).toMatch(/^The quick brown fox jumps over the lazy dog[!?]$/);
  // What is drawn is the first token, which may be a part of its word, and the mark at the end.
  expect(seen.forced.tokens).toBeGreaterThan(8);
  expect(seen.forced.submits).toBeLessThanOrEqual(seen.forced.tokens / 2);
});

test("a hook of the page's own changes what is drawn, and callers hear of each token", async ({ tiny }) => {
  const seen = await tiny.evaluate(async () => {
    const { engine } = window;
    const even: number[] = [];
    const heard: number[] = [];
    const options = { temperature: 2, seed: 3, maxTokens: 10, ignoreEos: true };
    for await (const item of engine.generate("one", { ...options, logitsHook: "/hooks/even.js", onToken: ({ id }) => { heard.push(id); } })) {
      if (item.finishReason === undefined) even.push(item.id);
    }
    const read = async (logitsHook: string): Promise<void> => {
      for await (const { id } of engine.generate("one", { ...options, logitsHook })) if (id !== undefined) even.length = 10;
    };
    const code = async (logitsHook: string): Promise<string> => (await window.refused(read(logitsHook))).code;
    return { even, heard, missing: await code("/hooks/missing.js"), empty: await code("/hooks/empty.js"), broken: await code("/hooks/broken.js"), after: await code("/hooks/even.js") };
  });
  expect(seen.even).toHaveLength(10);
  expect(seen.even.every((id) => id % 2 === 0)).toBe(true);
  expect(seen.heard).toEqual(seen.even);
  expect([seen.missing, seen.empty, seen.broken, seen.after]).toEqual(["bad_argument", "bad_argument", "bad_argument", "none"]);
});
