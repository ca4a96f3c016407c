/**
 * The Prompt API, as a table of behaviours: what is done with sessions of a tiny model, and what comes of it. Answers of such a model
 * mean nothing; they are held against what the engine says to the same conversation.
 */
import type { Message } from "../../pkg/src/index.js";
import { expect, test } from "./fixture.js";

interface Behaviour {
  readonly says: string;
  /** Runs in the page. */
  readonly does: () => Promise<unknown>;
  readonly gives: Record<string, unknown> | boolean;
}

const domException = (name: string): object => ({ name, isDomException: true });
const plain = (name: string): object => ({ name, isDomException: false });

const BEHAVIOURS: readonly Behaviour[] = [
  // What a session says.
  {
    says: "an answer is the engine's to the same conversation, and so is the next",
    does: async () => {
      const session = await window.LM.create({ ...window.greedy, initialPrompts: [{ role: "system", content: "be kind" }] });
      const first = await session.prompt("one");
      const second = await session.prompt([{ role: "user", content: [{ type: "text", value: "tw" }, { type: "text", value: "o" }] }]);
      const system = { role: "system", content: "be kind" };
      const firstTurn = [system, { role: "user", content: "one" }];
      const wanted = [await window.direct(firstTurn), await window.direct([...firstTurn, { role: "assistant", content: first }, { role: "user", content: "two" }])];
      return { right: first === wanted[0] && second === wanted[1], long: first.length > 0 && second.length > 0 };
    },
    gives: { right: true, long: true },
  },
  {
    says: "a stream gives deltas, which together are the answer",
    does: async () => {
      const session = await window.LM.create(window.greedy);
      const twin = await session.clone();
      const deltas: string[] = [];
      for await (const delta of session.promptStreaming("hello")) deltas.push(delta);
      return { several: deltas.length > 1, whole: deltas.join("") === await twin.prompt("hello") };
    },
    gives: { several: true, whole: true },
  },
  {
    says: "a stream that nobody reads does not hold up the next prompt",
    does: async () => {
      const session = await window.LM.create(window.greedy);
      session.promptStreaming("hello");
      return (await session.prompt("again")).length > 0;
    },
    gives: true,
  },
  {
    says: "prompts of one session answer in the order in which they were made",
    does: async () => {
      const session = await window.LM.create(window.greedy);
      const twin = await session.clone();
      const together = await Promise.all([session.prompt("one"), session.prompt("two")]);
      const apart = [await twin.prompt("one"), await twin.prompt("two")];
      return together.join("|") === apart.join("|");
    },
    gives: true,
  },
  {
    says: "what was appended is part of the conversation; neighbours of one role are one message",
    does: async () => {
      const session = await window.LM.create(window.greedy);
      const before = session.contextUsage;
      await session.append([{ role: "user", content: "one" }]);
      const answer = await session.prompt("two");
      return { grew: session.contextUsage > before, right: answer === await window.direct([{ role: "user", content: "one\n\ntwo" }]) };
    },
    gives: { grew: true, right: true },
  },
  {
    says: "with prefix the answer goes on with the assistant's words, and the conversation keeps both as one message",
    does: async () => {
      const session = await window.LM.create(window.greedy);
      const answer = await session.prompt([{ role: "user", content: "one" }, { role: "assistant", content: "It is", prefix: true }]);
      const next = await session.prompt("two");
      const prompt = `${await window.engine.applyChatTemplate([{ role: "user", content: "one" }])}It is`;
      const ids = await window.engine.tokenize(prompt, { addSpecialTokens: false });
      let wanted = "";
      for await (const item of window.engine.generate(ids, { temperature: 0, maxTokens: 6, ignoreEos: true })) wanted += item.text;
      const whole = [{ role: "user", content: "one" }, { role: "assistant", content: `It is${answer}` }, { role: "user", content: "two" }];
      return { goesOn: answer === wanted, kept: next === await window.direct(whole) };
    },
    gives: { goesOn: true, kept: true },
  },
  {
    says: "a clone has the conversation so far, and goes on apart",
    does: async () => {
      const session = await window.LM.create(window.greedy);
      await session.prompt("one");
      const copy = await session.clone();
      const usage = session.contextUsage;
      const [a, b] = [await session.prompt("two"), await copy.prompt("two")];
      await copy.prompt("three");
      return { same: a === b, apart: copy.contextUsage > session.contextUsage && session.contextUsage > usage, isLanguageModel: copy instanceof window.LM };
    },
    gives: { same: true, apart: true, isLanguageModel: true },
  },

  // Counting.
  {
    says: "measureContextUsage is what contextUsage grows by; the window is the engine's; the former names still work",
    does: async () => {
      const session = await window.LM.create({ initialPrompts: [{ role: "system", content: "be kind" }] });
      const [before, measured] = [session.contextUsage, await session.measureContextUsage("안녕하세요?")];
      const former = await session.measureInputUsage("안녕하세요?");
      const unchanged = session.contextUsage === before;
      await session.append("안녕하세요?");
      return {
        begun: before > 0, unchanged, grew: session.contextUsage - before === measured && measured > 0, former: former === measured,
        window: session.contextWindow === window.engine.info.context, names: session.inputUsage === session.contextUsage && session.inputQuota === session.contextWindow,
      };
    },
    gives: { begun: true, unchanged: true, grew: true, former: true, window: true, names: true },
  },
  {
    says: "a constraint is told to the model, and takes room, unless it is omitted",
    does: async () => {
      const session = await window.LM.create();
      const responseConstraint = { type: "object", properties: { a: { type: "boolean" } } };
      const [bare, told, omitted] = [
        await session.measureContextUsage("hi"), await session.measureContextUsage("hi", { responseConstraint }),
        await session.measureContextUsage("hi", { responseConstraint, omitResponseConstraintInput: true }),
      ];
      return { told: told > bare, omitted: omitted === bare };
    },
    gives: { told: true, omitted: true },
  },
  {
    says: "where the window is full the oldest turns leave, with an event under both names; what it began with stays",
    does: async () => {
      const initial = [{ role: "system", content: "be kind" }, { role: "user", content: "example" }, { role: "assistant", content: "of an answer" }] as const;
      const session = await window.LM.create({ ...window.greedy, initialPrompts: initial });
      const heard: string[] = [];
      session.oncontextoverflow = () => heard.push("oncontextoverflow");
      session.onquotaoverflow = () => heard.push("onquotaoverflow");
      session.addEventListener("contextoverflow", ({ type }) => heard.push(type));
      session.addEventListener("quotaoverflow", ({ type }) => heard.push(type));
      const said = "x".repeat(60);
      const turns: Message[][] = [];
      while (heard.length === 0 && turns.length < 10) turns.push([{ role: "user", content: said }, { role: "assistant", content: await session.prompt(said) }]);
      // The last answer was made of what it began with and as many of the newest turns as leave an eighth of the window for it.
      const last = turns.pop() ?? [];
      const [prompt, answer] = [last.slice(0, 1), last[1]?.content];
      const fits = async (kept: Message[][]): Promise<boolean> => await window.engine.countTokens([...initial, ...kept.flat(), ...prompt]) <= session.contextWindow * 7 / 8;
      const kept = [...turns];
      while (kept.length > 0 && !await fits(kept)) kept.shift();
      return {
        heard: heard.sort(), left: kept.length < turns.length, within: session.contextUsage <= session.contextWindow,
        initialStays: answer === await window.direct([...initial, ...kept.flat(), ...prompt]) && answer !== await window.direct([...kept.flat(), ...prompt]),
      };
    },
    gives: { heard: ["contextoverflow", "oncontextoverflow", "onquotaoverflow", "quotaoverflow"], left: true, within: true, initialStays: true },
  },
  {
    says: "what does not fit at all is a QuotaExceededError with both numbers, and nothing leaves",
    does: async () => {
      const session = await window.LM.create(window.greedy);
      await session.prompt("one");
      const usage = session.contextUsage;
      let overflows = 0;
      session.oncontextoverflow = () => { overflows += 1; };
      const failed = await window.rejection(session.prompt("x".repeat(1000)));
      const appended = await window.rejection(session.append("x".repeat(1000)));
      const initial = await window.rejection(window.LM.create({ initialPrompts: [{ role: "system", content: "x".repeat(1000) }] }));
      const quota = session.contextWindow - usage;
      return {
        names: [failed.name, appended.name, initial.name], isDomException: failed.isDomException, quota: failed.quota === quota,
        requested: (failed.requested ?? 0) > session.contextWindow, unchanged: session.contextUsage === usage, overflows,
      };
    },
    gives: { names: ["QuotaExceededError", "QuotaExceededError", "QuotaExceededError"], isDomException: true, quota: true, requested: true, unchanged: true, overflows: 0 },
  },

  // Ends.
  {
    says: "an aborted prompt rejects with the signal's reason and leaves no trace",
    does: async () => {
      const session = await window.LM.create(window.greedy);
      const twin = await session.clone();
      const controller = new AbortController();
      const stream = session.promptStreaming("hello", { signal: controller.signal }).getReader();
      await stream.read();
      controller.abort();
      const streamed = await window.rejection((async () => { while (!(await stream.read()).done); })());
      const early = await window.rejection(session.prompt("hello", { signal: AbortSignal.abort(new RangeError("mine")) }));
      const appended = await window.rejection(session.append("hello", { signal: AbortSignal.abort() }));
      return { streamed, early, appended, usage: session.contextUsage, same: await session.prompt("two") === await twin.prompt("two") };
    },
    gives: { streamed: domException("AbortError"), early: plain("RangeError"), appended: domException("AbortError"), usage: 0, same: true },
  },
  {
    says: "a prompt that waits behind another is aborted at once, and the other goes on",
    does: async () => {
      const session = await window.LM.create(window.greedy);
      const controller = new AbortController();
      const first = session.prompt("one");
      const ended: string[] = [];
      const second = window.rejection(session.prompt("two", { signal: controller.signal })).then((failure) => { ended.push("second"); return failure; });
      const firstEnded = first.then(() => ended.push("first"));
      controller.abort();
      const failure = await second;
      await firstEnded;
      return { ended, failure };
    },
    gives: { ended: ["second", "first"], failure: domException("AbortError") },
  },
  {
    says: "cancelling a stream stops the model and leaves no trace",
    does: async () => {
      const session = await window.LM.create(window.greedy);
      const stream = session.promptStreaming("hello").getReader();
      await stream.read();
      await stream.cancel();
      return { next: (await session.prompt("two")) === await window.direct([{ role: "user", content: "two" }]) };
    },
    gives: { next: true },
  },
  {
    says: "destroy ends what runs with AbortError, and what comes later with InvalidStateError; numbers can still be read",
    does: async () => {
      const session = await window.LM.create();
      const running = window.rejection(session.prompt("hello"));
      const streaming = window.rejection(session.promptStreaming("hello").getReader().read());
      session.destroy();
      session.destroy();
      const after = [session.prompt("a"), session.append("a"), session.measureContextUsage("a"), session.clone(), session.promptStreaming("a").getReader().read()];
      const later = await Promise.all(after.map(async (one) => (await window.rejection(one)).name));
      return { running: await running, streaming: await streaming, later: [...new Set(later)], numbers: [typeof session.contextUsage, typeof session.topK, typeof session.temperature] };
    },
    gives: { running: domException("AbortError"), streaming: domException("AbortError"), later: ["InvalidStateError"], numbers: ["number", "number", "number"] },
  },
  {
    says: "the signal of create destroys the session with its reason",
    does: async () => {
      const controller = new AbortController();
      const session = await window.LM.create({ signal: controller.signal });
      const running = window.rejection(session.prompt("hello"));
      controller.abort(new RangeError("mine"));
      const aborted = await window.rejection(window.LM.create({ signal: AbortSignal.abort() }));
      return { running: (await running).name, later: (await window.rejection(session.prompt("a"))).name, aborted: aborted.name };
    },
    gives: { running: "RangeError", later: "InvalidStateError", aborted: "AbortError" },
  },

  // What is refused.
  {
    says: "prompts of a wrong shape are refused as the specification says",
    does: async () => {
      const session = await window.LM.create();
      const say = (input: unknown): Promise<string> => window.misuse(session, "prompt", input);
      return {
        nothing: await say(undefined), object: await say({}), empty: await say([]), role: await say([{ role: "tool", content: "a" }]),
        noContent: await say([{ role: "user" }]), noText: await say([{ role: "user", content: [{ type: "text", value: 1 }] }]),
        type: await say([{ role: "user", content: [{ type: "video", value: "a" }] }]),
        image: await say([{ role: "user", content: [{ type: "image", value: new Blob() }] }]),
        audio: await say([{ role: "user", content: [{ type: "audio", value: new Blob() }] }]),
        system: await say([{ role: "system", content: "a" }]),
        prefixOfUser: await say([{ role: "user", content: "a", prefix: true }]),
        prefixNotLast: await say([{ role: "assistant", content: "a", prefix: true }, { role: "user", content: "a" }]),
      };
    },
    gives: {
      nothing: "TypeError", object: "TypeError", empty: "SyntaxError", role: "TypeError", noContent: "TypeError", noText: "TypeError", type: "TypeError",
      image: "NotSupportedError", audio: "NotSupportedError", system: "NotSupportedError", prefixOfUser: "SyntaxError", prefixNotLast: "SyntaxError",
    },
  },
  {
    says: "options of a wrong kind are refused, and what is too large is brought down",
    does: async () => {
      const create = (options: unknown): Promise<string> => window.misuse(window.LM, "create", options);
      const session = await window.LM.create({ topK: 1000.5, temperature: Infinity });
      const params = await window.LM.params();
      const prompt = (options: unknown): Promise<string> => window.misuse(session, "prompt", "a", options);
      return {
        lateSystem: await create({ initialPrompts: [{ role: "user", content: "a" }, { role: "system", content: "a" }] }),
        prefix: await create({ initialPrompts: [{ role: "assistant", content: "a", prefix: true }] }),
        both: await create({ samplingMode: "creative", topK: 3 }), mode: await create({ samplingMode: "wild" }),
        topK: await create({ topK: 0 }), temperature: await create({ temperature: -1 }),
        image: await create({ expectedInputs: [{ type: "image" }] }), output: await create({ expectedOutputs: [{ type: "audio" }] }),
        language: await create({ expectedInputs: [{ type: "text", languages: ["not a language"] }] }),
        tool: await create({ tools: [{ name: "a" }] }),
        constraint: await prompt({ responseConstraint: "a" }), list: await prompt({ responseConstraint: [] }), flags: await prompt({ responseConstraint: /a/i }),
        omitted: await prompt({ omitResponseConstraintInput: true }),
        down: session.topK === params.maxTopK && session.temperature === params.maxTemperature,
        illegal: await window.misuse({ make: () => { Reflect.construct(window.LM, []); } }, "make"),
      };
    },
    gives: {
      lateSystem: "SyntaxError", prefix: "SyntaxError", both: "TypeError", mode: "TypeError", topK: "RangeError", temperature: "RangeError",
      image: "NotSupportedError", output: "NotSupportedError", language: "RangeError", tool: "TypeError",
      constraint: "TypeError", list: "TypeError", flags: "NotSupportedError", omitted: "TypeError", down: true, illegal: "TypeError",
    },
  },
  {
    says: "availability knows kinds of input, any language, and wrong options",
    does: async () => ({
      plain: await window.LM.availability(),
      korean: await window.LM.availability({ expectedInputs: [{ type: "text", languages: ["ko", "en"] }], expectedOutputs: [{ type: "text", languages: ["ko"] }] }),
      image: await window.LM.availability({ expectedInputs: [{ type: "image" }] }),
      wrong: await window.misuse(window.LM, "availability", { topK: -1 }),
    }),
    gives: { plain: "available", korean: "available", image: "unavailable", wrong: "RangeError" },
  },

  // Form.
  {
    says: "an answer has the form that a JSON Schema or a RegExp asks for",
    does: async () => {
      const { createLanguageModel } = window.surfaces.promptApi;
      const session = await createLanguageModel({ engine: window.engine, generate: { maxTokens: 100 } }).create();
      const json: unknown = JSON.parse(await session.prompt("hi", { responseConstraint: { type: "object", properties: { kind: { enum: ["cat", "dog"] } }, required: ["kind"], additionalProperties: false } }));
      const kind = typeof json === "object" && json !== null && "kind" in json ? json.kind : undefined;
      return { kind: kind === "cat" || kind === "dog", date: /^\d{4}-\d{2}$/.test(await session.prompt("hi", { responseConstraint: /^[0-9]{4}-[0-9]{2}$/ })) };
    },
    gives: { kind: true, date: true },
  },
  {
    says: "an answer that ends before it has its form is a SyntaxError, and leaves no trace",
    does: async () => {
      const session = await window.LM.create();
      const failure = await window.rejection(session.prompt("hi", { responseConstraint: { const: "a text that is longer than six tokens" } }));
      return { failure, usage: session.contextUsage };
    },
    gives: { failure: domException("SyntaxError"), usage: 0 },
  },
];

for (const { says, does, gives } of BEHAVIOURS) {
  test(says, async ({ tiny }) => {
    const given = await tiny.evaluate(does);
    if (typeof gives === "object") expect(given).toMatchObject(gives);
    else expect(given).toEqual(gives);
  });
}
