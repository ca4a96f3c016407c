/** Markdown on a page: what stands there is harmless, nothing is asked for, and finished blocks stay. */
import { expect, test } from "./fixture.js";
import { DOCUMENTS } from "./documents.mjs";

const OPTIONS = { words: { copy: "Copy", image: "Image" } };
const TEXTS = Object.values(DOCUMENTS);

test("no attack reaches the page, and nothing is asked for", async ({ rooms }) => {
  const asked: string[] = [];
  rooms.on("request", (request) => asked.push(request.url()));
  rooms.on("dialog", (dialog) => {
    asked.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  const seen = await rooms.evaluate(async ({ texts, options }) => {
    const main = document.querySelector("main");
    if (main === null) throw new Error("no main");
    const wrong: string[] = [];
    for (const text of texts) {
      main.append(window.markdown.render(text, options));
      const stream = new window.markdown.StreamingMarkdown(main.appendChild(document.createElement("div")), { ...options, requestFrame: (frame) => frame() });
      for (const letter of text) stream.push(letter);
      await stream.end();
    }
    for (const element of main.querySelectorAll("*")) {
      for (const { name } of element.attributes) {
        if (!["class", "start", "type", "data-copy", "tabindex"].includes(name)) wrong.push(`${element.localName} ${name}`);
      }
      if (!/^(?:p|br|hr|h\d|blockquote|ul|ol|li|em|strong|s|code|pre|span|div|table|thead|tbody|tr|th|td|figure|figcaption|button)$/.test(element.localName)) wrong.push(element.localName);
    }
    for (const button of main.querySelectorAll("button")) button.click();
    return { wrong, n: main.querySelectorAll("*").length, text: main.textContent.includes("<img src=x onerror=alert(1)>") };
  }, { texts: TEXTS, options: OPTIONS });
  expect(seen).toMatchObject({ wrong: [], text: true });
  expect(seen.n).toBeGreaterThan(500);
  await rooms.waitForTimeout(200);
  expect(asked.filter((url) => !/^http:\/\/localhost:\d+\/chunks\/[\w-]+\.js$/.test(url))).toEqual([]);
});

test("the sanitiser is a wall of its own: HTML that a renderer should never give is stripped", async ({ rooms }) => {
  const asked: string[] = [];
  rooms.on("request", (request) => asked.push(request.url()));
  const html = await rooms.evaluate(() => {
    const attack = `<img src="/i.png" onerror="alert(1)"><a href="/a" id="x">link</a><p style="background:url(/s.png)" onclick="x()" class="ok" data-x="1" aria-label="l">p</p>`
      + `<iframe src="/f"></iframe><svg><use href="/u"/></svg><form action="/x"><input name="n"></form><style>*{background:url(/c.png)}</style><script>alert(1)</script><video src="/v"></video>`
      + `<math><mi xlink:href="javascript:alert(1)">m</mi></math><button data-copy="" formaction="/b" name="n">b</button>`;
    const box = document.body.appendChild(document.createElement("div"));
    box.append(window.sanitise(attack));
    return box.innerHTML;
  });
  expect(html).toBe(`link<p class="ok">p</p><button data-copy="">b</button>`);
  await rooms.waitForTimeout(200);
  expect(asked).toEqual([]);
});

test("the end of a stream is a render of the whole, however it is cut", async ({ rooms }) => {
  const wrong = await rooms.evaluate(async ({ texts, options }) => {
    const { highlight, render, StreamingMarkdown } = window.markdown;
    const wrong: unknown[] = [];
    for (const [index, text] of texts.entries()) {
      const whole = document.createElement("div");
      whole.append(render(text, options));
      await highlight(whole);
      for (let cut = 0; cut <= text.length; cut += 5 + index) {
        const target = document.createElement("div");
        const stream = new StreamingMarkdown(target, { ...options, requestFrame: (frame) => frame() });
        stream.push(text.slice(0, cut));
        stream.push(text.slice(cut));
        await stream.end();
        if (target.innerHTML !== whole.innerHTML) wrong.push([index, cut, target.innerHTML, whole.innerHTML]);
      }
    }
    return wrong;
  }, { texts: TEXTS, options: OPTIONS });
  expect(wrong.slice(0, 1)).toEqual([]);
});

test("a frame is asked for once, finished blocks stay the nodes they were, and late definitions come at the end", async ({ rooms }) => {
  const seen = await rooms.evaluate(async (options) => {
    const frames: (() => void)[] = [];
    let shown = 0;
    const target = document.createElement("div");
    const stream = new window.markdown.StreamingMarkdown(target, { ...options, requestFrame: (frame) => frames.push(frame), onRender: () => {
      shown += 1;
    } });
    for (const piece of ["[first]", " one", "\n\nsecond\n\n", "third\n\nfourth"]) stream.push(piece);
    const asked = [frames.length, target.childElementCount];
    frames.shift()?.();
    const [first, second] = target.children;
    stream.push(" more\n\n[first]: /u\n");
    frames.shift()?.();
    const stays = [first === target.children[0], second === target.children[1], target.children[3]?.textContent];
    stream.push("\n");
    await stream.end();
    // A frame that was asked for before the end comes to nothing, and so does text after it.
    frames.shift()?.();
    stream.push("late");
    return { asked, stays, shown, left: frames.length, kept: second === target.children[1], html: target.innerHTML };
  }, OPTIONS);
  expect(seen).toEqual({
    asked: [1, 0], stays: [true, true, "fourth more"], shown: 3, left: 0, kept: true,
    html: `<p><span class="link">first</span> <span class="address">/u</span> one</p>\n<p>second</p>\n<p>third</p>\n<p>fourth more</p>\n`,
  });
});

test("without a frame of its own a stream takes the browser's", async ({ rooms }) => {
  await rooms.evaluate((options) => {
    const main = document.querySelector("main");
    if (main !== null) new window.markdown.StreamingMarkdown(main, options).push("**hello**");
  }, OPTIONS);
  await expect(rooms.locator("main strong")).toHaveText("hello");
});

test("code is highlighted when its block is finished, by a language that is loaded then", async ({ rooms }) => {
  const asked: string[] = [];
  rooms.on("request", (request) => asked.push(new URL(request.url()).pathname.replace(/-\w+\.js$/, "")));
  await rooms.evaluate((options) => {
    const main = document.querySelector("main");
    if (main === null) return;
    const stream = new window.markdown.StreamingMarkdown(main, { ...options, requestFrame: (frame) => frame() });
    window.stream = stream;
    stream.push("```rust\nfn main() {}\n\nlet x = \"<b>\";");
  }, OPTIONS);
  await expect(rooms.locator("figure.code code")).toHaveText("fn main() {}\n\nlet x = \"<b>\";");
  expect(await rooms.locator(".hljs").count()).toBe(0);
  await rooms.waitForTimeout(100);
  expect(asked).toEqual([]);
  await rooms.evaluate(() => {
    window.stream?.push("\n```\n\nThen.\n\n```cobol\nMOVE A TO B\n```\n");
  });
  await expect(rooms.locator("code.hljs .hljs-keyword").first()).toHaveText("fn");
  await expect(rooms.locator("code.hljs .hljs-string")).toHaveText("\"<b>\"");
  expect(asked).toContain("/chunks/rust");
  expect(asked.filter((path) => /python|javascript|cobol/.test(path))).toEqual([]);
  expect(await rooms.locator("code.hljs").count()).toBe(1);
  await expect(rooms.locator("figure.code .language")).toHaveText(["rust", "cobol"]);
  await expect(rooms.locator("figure.code button[data-copy]").first()).toHaveText("Copy");
});

test("a language for every name, each of which highlights", async ({ rooms }) => {
  const plain = await rooms.evaluate(async (options) => {
    const samples: Record<string, string> = {
      js: "const a = 1", typescript: "let a: string", json: "{\"a\": 1}", html: "<b>x</b><style>b { color: red }</style>", xml: "<a/>", css: "a { color: red }", py: "def f(): pass",
      rust: "fn f() {}", bash: "if true; then echo; fi", sql: "SELECT 1", md: "# x", java: "class A {}", c: "int a;", "C++": "class A {};",
    };
    const plain: string[] = [];
    for (const [name, code] of Object.entries(samples)) {
      const box = document.createElement("div");
      box.append(window.markdown.render(`\`\`\`${name}\n${code}\n\`\`\``, options));
      await window.markdown.highlight(box);
      if (box.querySelector("code.hljs [class^=hljs-]") === null || box.querySelector("code")?.textContent !== `${code}\n`) plain.push(name);
    }
    return plain;
  }, OPTIONS);
  expect(plain).toEqual([]);
});

test("without a network code stays plain, and the stream ends", async ({ context, rooms }) => {
  await context.setOffline(true);
  const html = await rooms.evaluate(async (options) => {
    const main = document.querySelector("main");
    if (main === null) return "";
    const stream = new window.markdown.StreamingMarkdown(main, options);
    stream.push("```js\na\n```");
    await stream.end();
    return main.querySelector("pre")?.innerHTML;
  }, OPTIONS);
  expect(html).toBe(`<code class="language-javascript">a\n</code>`);
});
