/** Markdown as HTML, and the same when it comes in pieces. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { importRoom } from "./bundle.mjs";
import { DOCUMENTS } from "./documents.mjs";

const { toHtml } = await importRoom("markdown/html.ts");
const { BlockStream } = await importRoom("markdown/blocks.ts");
const OPTIONS = { words: { copy: "복사", image: "그림" } };
/** Random documents; more of them find nothing more. */
const ROUNDS = Number(process.env.ROUNDS ?? 1500);
const html = (text, options = OPTIONS) => toHtml(text, options);

/** What stands on the page after pieces came, each with a frame after it. */
function streamed(pieces) {
  const stream = new BlockStream(OPTIONS);
  const blocks = [];
  for (const piece of pieces) {
    stream.push(piece);
    blocks.push(...stream.advance().finished);
  }
  const { open, changed } = stream.end();
  for (const [index, block] of changed) blocks[index] = block;
  return blocks.join("") + open;
}

for (const [name, text] of Object.entries(DOCUMENTS)) {
  test(`${name}: the end of a stream is a render of the whole, however it is cut`, () => {
    const whole = html(text);
    for (let cut = 0; cut <= text.length; cut += 1) assert.equal(streamed([text.slice(0, cut), text.slice(cut)]), whole, `cut at ${cut}`);
    for (const step of [1, 2, 3, 7, 31]) {
      assert.equal(streamed(text.match(new RegExp(`[^]{1,${step}}`, "g"))), whole, `in steps of ${step}`);
    }
  });
}

test("pairs of documents, letter by letter: a block says nothing of the next", () => {
  const texts = Object.values(DOCUMENTS);
  for (const first of texts) {
    for (const second of texts) {
      for (const between of ["", "\n", "\n\n"]) {
        const text = first + between + second;
        assert.equal(streamed(text.match(/[^]{1,5}/g)), html(text), text);
      }
    }
  }
});

test("random lines, in random pieces", () => {
  const lines = [
    "", "", "", "text", "- a", "  - b", "    c", "\tc", "1. x", "2) y", "> q", ">", "# h", "===", "---", "***", "***b***", "```", "```js", "~~~", "| a | b |", "|---|---|", "|-|",
    "[a]: /u", "[b]: <v>", "[a]:", "'title", "title'", "\"t\"", "[a] [b]", "[b][a]", "![i][a]", "+", "*", "    code", "\\", "  ", "<b>", "&amp;", "`", "**", "한국어", "- [a]: /w", "> [c]: /x", "[c]",
  ];
  let state = 42;
  const below = (n) => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return ((state ^ (state >>> 13)) >>> 0) % n;
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    const text = Array.from({ length: 2 + below(14) }, () => lines[below(lines.length)]).join("\n") + (below(2) === 0 ? "\n" : "");
    const pieces = [];
    for (let at = 0; at < text.length;) {
      const next = at + 1 + below(6);
      pieces.push(text.slice(at, next));
      at = next;
    }
    assert.equal(streamed(pieces), html(text), JSON.stringify(text));
  }
});

test("what is shown meanwhile is a render of what came, but for links that are defined later", () => {
  for (const name of ["prose", "korean", "lists", "tables", "fences", "quotes", "odd", "returns"]) {
    const text = DOCUMENTS[name].replace(/\r\n?/g, "\n");
    const stream = new BlockStream(OPTIONS);
    let shown = "";
    for (const [at, letter] of text.split("").entries()) {
      stream.push(letter);
      const { finished, open } = stream.advance();
      shown += finished.join("");
      assert.equal(shown + open, html(text.slice(0, at + 1)), `${name} at ${at}`);
    }
  }
});

test("finished blocks are not rendered again: a long answer costs what its blocks cost", () => {
  const stream = new BlockStream(OPTIONS);
  let [open, finished] = [0, 0];
  const block = "A paragraph of some words.\n\n- a\n- list\n\n```js\ncode\n```\n\n";
  for (let at = 0; at < 200; at += 1) {
    stream.push(block);
    const progress = stream.advance();
    open = Math.max(open, progress.open.length);
    finished += progress.finished.length;
  }
  assert.ok(finished >= 199);
  assert.ok(open < 2 * html(block).length, `the open rest grew to ${open}`);
});

test("a fence that is open is code already", () => {
  const stream = new BlockStream(OPTIONS);
  stream.push("Look:\n\n```python\nprint(1)\n\nx = ");
  const { finished, open } = stream.advance();
  assert.deepEqual(finished, ["<p>Look:</p>\n"]);
  assert.match(open, /^<figure class="code">.*<code class="language-python">print\(1\)\n\nx = <\/code>/s);
});

test("links are their text and their address, which cannot be followed", () => {
  assert.equal(html("[text](https://a.example/?x=1&y=2 \"t\")"), `<p><span class="link">text</span> <span class="address">https://a.example/?x=1&amp;y=2</span></p>\n`);
  assert.equal(html("<https://a.example/>"), `<p><span class="address">https://a.example/</span></p>\n`);
  assert.equal(html("[a][r]\n\n[r]: /b"), `<p><span class="link">a</span> <span class="address">/b</span></p>\n`);
  assert.equal(html("https://bare.example"), "<p>https://bare.example</p>\n");
  // A name that looks like another is told as what it is.
  const { host } = new URL("https://b\u0430nk.example");
  assert.match(host, /^xn--/);
  assert.equal(html("[bank](https://b\u0430nk.example)"), `<p><span class="link">bank</span> <span class="address">https://${host}</span></p>\n`);
});

test("images are their description", () => {
  assert.equal(html("![a *b* \"c\"](https://a.example/x.png)"), `<p><span class="image">[그림: a b &quot;c&quot;]</span></p>\n`);
  assert.equal(html("![](x.png)"), `<p><span class="image">[그림]</span></p>\n`);
  assert.equal(html("[![in](a.png)](/b)"), `<p><span class="link"><span class="image">[그림: in]</span></span> <span class="address">/b</span></p>\n`);
});

test("code has its language, a button and only classes that are known", () => {
  const figure = (label, kind, code) => `<figure class="code"><figcaption><span class="language">${label}</span><button type="button" data-copy="">복사</button></figcaption>`
    + `<pre tabindex="0"><code${kind}>${code}</code></pre></figure>\n`;
  assert.equal(html("```TS strict\na < b\n```"), figure("TS", ` class="language-typescript"`, "a &lt; b\n"));
  assert.equal(html("```brainfuck\n+\n```"), figure("brainfuck", "", "+\n"));
  assert.equal(html("    plain"), figure("", "", "plain\n"));
  assert.equal(html("```constructor\n```"), figure("constructor", "", ""));
  assert.equal(html(`~~~${"x".repeat(99)}\n~~~`), figure("x".repeat(30), "", ""));
  assert.equal(html("```\"><b>\n```"), figure("&quot;&gt;&lt;b&gt;", "", ""));
});

test("tables, headings and lists keep their form, without styles", () => {
  assert.match(html("|a|b|\n|-:|-|\n|1|2|"), /^<div class="table"><table>.*<th class="align-right">a<\/th>\s*<th>b<\/th>.*<td class="align-right">1<\/td>.*<\/table><\/div>\n$/s);
  assert.equal(html("# a\n## b\n###### c"), "<h3>a</h3>\n<h4>b</h4>\n<h6>c</h6>\n");
  assert.equal(html("# a", { ...OPTIONS, headingLevel: 1 }), "<h1>a</h1>\n");
  assert.match(html("3. a"), /<ol start="3">/);
  assert.equal(html("a\nb"), "<p>a<br>\nb</p>\n");
});

test("no markup of the model's own, in any document", () => {
  const allowed = /^<\/?(?:p|br|hr|h[3-6]|blockquote|[uo]l|li|em|strong|s|code|pre|span|div|table|thead|tbody|tr|t[hd]|figure|figcaption|button)(?: (?:class|start|type|data-copy|tabindex)="[\w -]*")*>$/;
  for (const text of Object.values(DOCUMENTS)) {
    for (const [tag] of html(text).matchAll(/<[^>]*>?/g)) assert.match(tag, allowed);
  }
});
