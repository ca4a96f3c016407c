/** Markdown texts as models write them, and as they should not. */

/** By what they are for. */
export const DOCUMENTS = {
  prose: "# Title\n\nA paragraph with *emphasis*, **strength** and `code`.\nA second line.\n\nLast ~~words~~.\n\n---\n\nSetext\n======\n\nTwo\n---\nend",
  korean: "## 서울의 날씨\n\n오늘은 **맑음**입니다. 기온은 `23°C`예요.\n\n1. 아침: 흐림\n2. 낮: *맑음*\n\n> 우산은 필요 없어요.\n> 하지만 모자는 좋아요 👩‍👩‍👧.\n\n끝.",
  lists: "- a\n- b\n  - c\n    1. d\n    2. e\n\n       still e\n  - f\n\n* other list\n* more\n\n14. fourteen\n15) fifteen\n\n- loose\n\n- items\n\nafter\n- interrupts\n1. also",
  tables: "Before\n| a | b | c |\n|:--|:-:|--:|\n| 1 | `x|y` | **3** |\n| 한국 | 값 |\n\nafter\n\n| not | a table |\n| --- |\n\n| a |\n|---|x\n\n|h|\n|-|\n|c|\nend | row",
  fences: "Look:\n```js\nconst a = `1`;\n\n// ```not the end\n```\nthen\n\n~~~~\n~~~\nnested\n~~~~\n\n```` c++ extra words\n```\n````\n\ntext ```inline``` text\n\n    indented\n\n    more\n\n```python\nopen = True\n\nstill",
  quotes: "> a\nlazy\n> > deep\n> - list\n>   in it\n\n> ```\n> code\n\nout\n\n> last\n***\n> x\n***bold***\n# h\n    code after heading\n> q\n# h2",
  links: "See [the docs](https://example.com/a?b=1&c=2 \"title\"), <https://example.org/x>, <me@example.org>.\n\n[text][ref] and [ref] and [later][].\n\n[ref]: https://ref.example/path 'a\ntitle'\n[later]: /relative\n\nThen [ref] again.\n\n# [later]\n[odd]: /odd\n'not\na title' more\n\n[odd]",
  definitions: "[a] [b] [c]\n\nmiddle\n\n- [a]\n- [b]\n\n[a]: https://a.example\n\n# h\n[b]: https://b.example\n'title\nover lines'\n> [c]: https://c.example\n\nend [c] [A]\n\n[a]: https://second.example\n\n[a]",
  titles: "- [a]: /w\n'title\n===\n***b***\ntitle'\n===\n\n# h\n[b]: /u\n'title\nof b'\n- [b] [a]\n\n> [c\n===\nd]: /v\n# e\n[c\n===\nd]",
  images: "![alt *text*](https://evil.example/x.png)\n\n![ref][pic] [![inner](https://evil.example/y.png)](https://evil.example/z)\n\n![](data:image/png;base64,AAAA)\n\n[pic]: https://evil.example/p.png \"t\"\n\n- ![in list](//evil.example/q.png)",
  attacks: [
    "<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(1))", "<javascript:alert(1)>",
    "[x](data:text/html;base64,PHNjcmlwdD4=)", "![x](javascript:alert(1))", "<iframe src=https://evil.example></iframe>", "<a href=https://evil.example onclick=alert(1)>x</a>",
    "<div style=\"background:url(https://evil.example/s.png)\">", "```\"><img src=https://evil.example/f.png onerror=alert(1)>\ncode\n```", "```js\n</code></pre><img src=https://evil.example/g.png>\n```",
    "[![<img src=https://evil.example/n.png>](https://evil.example/m.png)](https://evil.example/\"onmouseover=alert(1))", "<svg><style><img src=https://evil.example/v.png>",
    "![a\"onerror=\"alert(1)](https://evil.example/a.png)", "| <img src=https://evil.example/t.png> |\n|---|\n| [x](https://evil.example/\"><b>) |", "`<img src=https://evil.example/c.png>`",
    "<https://evil.example/\"onclick=alert(1)>", "https://evil.example/bare", "&lt;img src=https://evil.example/e.png&gt;", "<math><mtext><table><mglyph><style><img src=https://evil.example/w.png>",
  ].join("\n\n"),
  returns: "a\r\nb\r\n\r\n- c\r\n- d\r\rlast\r\n```\r\ncode\r\n```\r",
  odd: "\n\n  \n\tindented by a tab\n\n\n\n***\n***a***\n- \n-\n\n+ x\n\n      deep\n\\*not\\* &amp; &#0; &copy;\n\0zero\u2028sep\n===\n| |\n|-|\n```",
};
