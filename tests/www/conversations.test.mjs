/** Conversations: the tree of turns, files, search, and the store where there is no database. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { importRoom } from "./bundle.mjs";

const {
  addTurn, choose, edit, fileName, fromJson, leaf, newConversation, openConversations, path, regenerate, remove, siblings, StoreError, titleFrom, toJson, toMarkdown,
  updateTurn, withTitle,
} = await importRoom("conversations/index.ts");
const { findIn, needleOf, searchIn } = await importRoom("conversations/search.ts");

/** Freezes what is given to pure functions, so that a change in place throws. */
function frozen(value) {
  if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(frozen);
  return value;
}

/** A conversation of these turns, one after another; even ones are the user's. */
function talk(...contents) {
  const turns = contents.map((content, at) => ({ role: at % 2 === 0 ? "user" : "assistant", content }));
  return frozen(turns.reduce((conversation, turn, at) => addTurn(conversation, turn, at + 2), newConversation("model", { temperature: 0 }, 1)));
}

const contents = (conversation) => path(conversation).map(({ content }) => content);
const idOf = (conversation, content) => conversation.turns.find((turn) => turn.content === content).id;

test("turns follow one another", () => {
  assert.deepEqual(path(newConversation()), []);
  assert.equal(leaf(newConversation()), undefined);
  const conversation = talk("a", "b", "c");
  assert.deepEqual(contents(conversation), ["a", "b", "c"]);
  assert.deepEqual(path(conversation).map(({ parent }) => parent), [null, idOf(conversation, "a"), idOf(conversation, "b")]);
  assert.deepEqual([conversation.created, conversation.updated, leaf(conversation).created], [1, 4, 4]);
  assert.equal(new Set(conversation.turns.map(({ id }) => id)).size, 3);
});

test("an answer that grows stays where it is", () => {
  const before = talk("a", "b", "c");
  const after = updateTurn(before, idOf(before, "b"), { content: "b more", stopped: true }, 9);
  assert.deepEqual(contents(after), ["a", "b more", "c"]);
  assert.equal(after.updated, 9);
  assert.deepEqual(after.turns[1], { ...before.turns[1], content: "b more", stopped: true });
  // What is the same is shared.
  assert.equal(after.turns[0], before.turns[0]);
});

test("an edit branches, and each branch keeps its own leaf", () => {
  const first = talk("a", "b", "c", "d");
  const second = frozen(addTurn(edit(first, idOf(first, "c"), "c2", 9), { role: "assistant", content: "d2" }, 10));
  assert.deepEqual(contents(second), ["a", "b", "c2", "d2"]);
  assert.deepEqual(siblings(second, idOf(second, "c2")).turns.map(({ content }) => content), ["c", "c2"]);
  assert.equal(siblings(second, idOf(second, "c2")).index, 1);
  assert.deepEqual(contents(choose(second, idOf(second, "c"))), ["a", "b", "c", "d"]);
  assert.deepEqual(contents(choose(choose(second, idOf(second, "c")), idOf(second, "c2"))), ["a", "b", "c2", "d2"]);
  // The first turn may be edited too.
  const third = frozen(edit(second, idOf(second, "a"), "a2"));
  assert.deepEqual(contents(third), ["a2"]);
  assert.deepEqual(siblings(third, idOf(third, "a2")).turns.map(({ content }) => content), ["a", "a2"]);
  // A turn on a branch that is not shown, as search finds it, is shown with all before it.
  assert.deepEqual(contents(choose(third, idOf(third, "d"))), ["a", "b", "c", "d"]);
  assert.deepEqual(contents(edit(third, idOf(third, "c"), "c3")), ["a", "b", "c3"]);
});

test("an answer is made anew beside the first", () => {
  const first = talk("a", "b", "c", "d");
  const second = frozen(regenerate(first, idOf(first, "b"), 9));
  assert.deepEqual(path(second).map(({ role, content }) => [role, content]), [["user", "a"], ["assistant", ""]]);
  assert.equal(siblings(second, leaf(second).id).turns.length, 2);
  assert.equal(second.updated, 9);
  assert.throws(() => regenerate(first, idOf(first, "a")), RangeError);
  assert.throws(() => regenerate(first, "nobody"), RangeError);
});

test("a turn goes with all that follows it, and a sibling is shown", () => {
  const first = talk("a", "b", "c", "d");
  const second = edit(first, idOf(first, "c"), "c2");
  const third = frozen(addTurn(edit(second, idOf(second, "c"), "c3"), { role: "assistant", content: "d3" }));
  assert.deepEqual(contents(third), ["a", "b", "c3", "d3"]);
  const without = remove(third, idOf(third, "c3"), 99);
  assert.deepEqual(contents(without), ["a", "b", "c2"]);
  assert.equal(without.updated, 99);
  assert.deepEqual(without.turns.map(({ content }) => content), ["a", "b", "c", "d", "c2"]);
  assert.ok(Object.entries(without.chosen).every(([from, to]) => [from, to].every((id) => id === "" || without.turns.some((turn) => turn.id === id))));
  // The first of its siblings gives way to the next; one that is not shown changes nothing.
  const chosen = choose(third, idOf(third, "c"));
  assert.deepEqual(contents(remove(chosen, idOf(third, "c"))), ["a", "b", "c2"]);
  assert.deepEqual(contents(remove(third, idOf(third, "c"))), ["a", "b", "c3", "d3"]);
  assert.deepEqual(contents(remove(third, idOf(third, "a"))), []);
});

test("titles: the reader's stays, another is the first words", () => {
  const conversation = withTitle(talk("a"), "made", false);
  assert.equal(conversation.title, "made");
  const named = withTitle(conversation, "mine", true);
  assert.deepEqual([named.title, named.titledByHand], ["mine", true]);
  assert.equal(withTitle(named, "made", false), named);
  assert.equal(titleFrom("\n\n# What is *this*?\nmore"), "What is *this*?");
  assert.equal(titleFrom(`${"word ".repeat(20)}`), `${"word ".repeat(11)}word…`);
  assert.equal(titleFrom("가".repeat(80)), `${"가".repeat(59)}…`);
  assert.equal(titleFrom("👩‍👩‍👧".repeat(20)), `${"👩‍👩‍👧".repeat(7)}…`);
  assert.equal(titleFrom(" \n"), "");
});

/** The match that a snippet points at. */
const matched = (text, query) => {
  const snippet = findIn(text, needleOf(query));
  return snippet === undefined ? undefined : snippet.text.slice(snippet.start, snippet.end);
};

test("search sees past case, width and composition, and points at the text as written", () => {
  assert.equal(matched("The Quick Fox", "quick"), "Quick");
  assert.equal(matched("ＱＵＩＣＫ", "quick"), "ＱＵＩＣＫ");
  assert.equal(matched("quick", "ＱＵＩ"), "qui");
  assert.equal(matched("오늘 서울의 날씨", "서울"), "서울");
  assert.equal(matched("오늘 서울의".normalize("NFD"), "서울"), "서울".normalize("NFD"));
  assert.equal(matched("오늘 서울의", "서울".normalize("NFD")), "서울");
  assert.equal(matched("ｶﾞｷﾞ ㎏", "ギ kg"), "ｷﾞ ㎏");
  assert.equal(matched("ΟΔΟΣ", "οδος"), "ΟΔΟΣ");
  assert.equal(matched("two\n  lines", " two lines "), "two\n  lines");
  assert.equal(matched("İstanbul is big", "is big"), "is big");
  assert.equal(matched("x👩‍👩‍👧y Z", "z"), "Z");
  for (const query of ["", "  ", "absent", "서율"]) assert.equal(matched("text 서울", query), undefined);
});

test("snippets are short, whole and say what was left out", () => {
  const text = `${"가나다 ".repeat(50)}찾을 말${" 라마바".repeat(50)}`;
  const snippet = findIn(text, needleOf("찾을 말"));
  assert.deepEqual([snippet.start, snippet.end, snippet.text.length, snippet.cutBefore, snippet.cutAfter], [30, 34, 104, true, true]);
  assert.deepEqual(findIn("a b", needleOf("B")), { text: "a b", start: 2, end: 3, cutBefore: false, cutAfter: false });
  assert.ok(text.includes(snippet.text));
});

test("search finds hits in the title and in branches that are not shown", () => {
  const first = talk("a needle", "b", "c");
  const conversation = withTitle(edit(first, idOf(first, "a needle"), "other words"), "Needles", true);
  const { conversation: summary, hits } = searchIn(conversation, needleOf("needle"));
  assert.deepEqual(hits.map(({ turn }) => turn), [null, idOf(first, "a needle")]);
  assert.equal(summary.turns, 4);
  assert.equal(searchIn(conversation, needleOf("absent")), undefined);
  assert.equal(searchIn(talk("n", "n", "n", "n", "n"), needleOf("n")).hits.length, 3);
});

test("Markdown has the branch that is shown, with its code", () => {
  const code = "```js\n# no heading\n```";
  const first = talk("question", code, "old");
  const turn = { role: "assistant", content: "Look:\n````\n```\ncut off", reasoning: "first\nthen", stopped: true };
  const call = { id: "1", type: "function", function: { name: "get_time", arguments: "{\"a\":\"```\"}" } };
  const asked = addTurn(edit(first, idOf(first, "old"), "new"), { role: "assistant", content: "", toolCalls: [call] });
  const full = addTurn(addTurn(asked, { role: "tool", content: "12:00", toolCallId: "1" }), turn);
  const text = toMarkdown({ ...full, title: "A *title*\n# x", settings: { systemPrompt: "Be brief." }, created: 0 });
  assert.equal(text, [
    "# A \\*title\\* \\# x", "- Model: model\n- Date: 1970-01-01T00:00:00.000Z", "## System", "Be brief.", "## You", "question", "## Model", code, "## You", "new",
    "## Model", "get\\_time:", "````json\n{\"a\":\"```\"}\n````", "## Tool", "```\n12:00\n```",
    "## Model", "> **Thoughts**\n> first\n> then", "Look:\n````\n```\ncut off\n````", "*Stopped*\n",
  ].join("\n\n"));
  assert.match(toMarkdown(newConversation()), /^# Conversation\n\n- Date: /);
});

test("JSON keeps all branches, and an import is a conversation of its own", () => {
  const first = talk("a", "b", "c");
  const settings = { systemPrompt: "s", temperature: 0.5, topP: 1, topK: 3, minP: 0, repetitionPenalty: 1.1, maxTokens: 5, seed: 1, stop: ["x"] };
  const statistics = { tokens: 1, promptTokens: 2, tokensPerSecond: 3.5, timeToFirstTokenMs: 4, model: "m", settings, finishReason: "stop" };
  const call = { id: "1", type: "function", function: { name: "f", arguments: "{}" } };
  const last = { role: "assistant", content: "서울", reasoning: "r", statistics, toolCalls: [call], stopped: false };
  const conversation = { ...addTurn(edit(first, idOf(first, "a"), "a2"), last), settings };
  const { ok, conversations } = fromJson(toJson(conversation, talk("other")));
  assert.ok(ok);
  assert.equal(conversations.length, 2);
  assert.deepEqual({ ...conversations[0], id: conversation.id }, conversation);
  assert.notEqual(conversations[0].id, conversation.id);
  assert.deepEqual(contents(conversations[1]), ["other"]);
});

test("JSON of the first schema is read", () => {
  const old = { id: "1", title: "t", created: 5, updated: 6, model: "m", messages: [{ role: "user", content: "a" }, { role: "odd", content: { b: 1 } }, "c"] };
  const { conversations: [conversation] } = fromJson(JSON.stringify({ format: "doran-conversations", schema: 1, conversations: [old] }));
  assert.deepEqual(path(conversation).map(({ role, content, created }) => [role, content, created]), [["user", "a", 5], ["user", "{\"b\":1}", 5], ["user", "c", 5]]);
  assert.deepEqual([conversation.title, conversation.updated, conversation.model], ["t", 6, "m"]);
});

test("what is no file of conversations is told as what is wrong with it", () => {
  const good = JSON.parse(toJson(talk("a", "b")));
  const [conversation] = good.conversations;
  const problem = (file) => fromJson(typeof file === "string" ? file : JSON.stringify(file)).problem;
  const field = (change) => problem({ ...good, conversations: [{ ...conversation, ...change }] });
  const turn = (change) => field({ turns: [conversation.turns[0], { ...conversation.turns[1], ...change }] });
  assert.deepEqual(problem("{"), { code: "not_json" });
  for (const file of [null, [], "1", {}, { format: "other" }]) assert.equal(problem(JSON.stringify(file)).code, "not_ours");
  assert.deepEqual(problem({ ...good, schema: 99 }), { code: "newer", schema: 99 });
  for (const schema of [0, 1.5, "2", null]) assert.equal(problem({ ...good, schema }).path, "schema");
  assert.deepEqual(problem({ ...good, conversations: {} }), { code: "bad_field", path: "conversations", expected: "a list" });
  assert.deepEqual(turn({ role: "root" }), { code: "bad_field", path: "conversations[0].turns[1].role", expected: "a role" });
  assert.equal(turn({ parent: "nobody" }).path, "conversations[0].turns[1].parent");
  assert.equal(turn({ parent: conversation.turns[1].id }).path, "conversations[0].turns[1].parent");
  assert.equal(turn({ id: conversation.turns[0].id }).path, "conversations[0].turns[1].id");
  for (const id of ["", "__proto__", 1]) assert.equal(turn({ id }).path, "conversations[0].turns[1].id");
  assert.equal(turn({ content: null }).path, "conversations[0].turns[1].content");
  assert.equal(turn({ created: 1e300 }).path, "conversations[0].turns[1].created");
  assert.equal(turn({ toolCalls: [{ id: "1", type: "function" }] }).path, "conversations[0].turns[1].toolCalls[0].function");
  assert.equal(turn({ statistics: { tokens: "1" } }).path, "conversations[0].turns[1].statistics.tokens");
  assert.equal(field({ settings: { temperature: "hot" } }).path, "conversations[0].settings.temperature");
  assert.equal(field({ settings: { stop: [1] } }).path, "conversations[0].settings.stop[0]");
  assert.equal(field({ chosen: { "": conversation.turns[1].id } }).path, `conversations[0].chosen[""]`);
  assert.equal(field({ title: undefined }).path, "conversations[0].title");
  assert.equal(field({ turns: "many" }).path, "conversations[0].turns");
  // A file is taken whole or not at all.
  assert.equal(problem({ ...good, conversations: [conversation, {}] }).path, "conversations[1].turns");
});

test("names of files are safe", () => {
  const name = (title) => fileName({ ...newConversation(), title }, "md");
  assert.equal(name("서울의 날씨?"), "서울의 날씨.md");
  assert.equal(name("서울".normalize("NFD")), "서울.md");
  assert.equal(name("../../etc/passwd"), "etc passwd.md");
  assert.equal(name("a\u202Efdp.exe\n\0b"), "a fdp exe b.md");
  assert.equal(name("CON"), "conversation CON.md");
  for (const title of ["", "...", "/"]) assert.equal(name(title), "conversation.md");
  assert.ok(Buffer.byteLength(name("가".repeat(300))) <= 255);
});

test("without a database conversations live in memory, and it is told", async () => {
  const store = await openConversations();
  assert.equal(store.kept, false);
  const changes = [];
  const leave = store.onChange((change) => changes.push(change));
  const [older, newer] = [{ ...talk("서울"), id: "1", updated: 5 }, { ...talk("b"), id: "2", updated: 9 }];
  await store.put(older);
  await store.put(newer);
  assert.deepEqual((await store.list()).map(({ id, turns }) => [id, turns]), [["2", 1], ["1", 1]]);
  assert.deepEqual(await store.get("1"), older);
  await store.rename("1", "mine");
  assert.deepEqual([(await store.get("1")).title, (await store.get("1")).titledByHand], ["mine", true]);
  assert.deepEqual((await store.search("서울")).map(({ conversation }) => conversation.id), ["1"]);
  await store.delete("1");
  assert.equal(await store.get("1"), undefined);
  await assert.rejects(store.rename("1", "x"), (error) => error instanceof StoreError && error.code === "missing");
  await store.deleteAll();
  assert.deepEqual(await store.list(), []);
  leave();
  await store.put(older);
  assert.deepEqual(changes.map(({ kind, id, elsewhere }) => [kind, id, elsewhere]), [
    ["put", "1", false], ["put", "2", false], ["put", "1", false], ["deleted", "1", false], ["wiped", undefined, false],
  ]);
});
