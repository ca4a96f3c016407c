/** The demo speaks two languages throughout: every string is in both, with the same places, and no view has words of its own. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";

const SOURCE = new URL("../../www/src/", import.meta.url).pathname;
const CATALOGUE = JSON.parse(readFileSync(new URL("../../pkg/models.json", import.meta.url), "utf8"));

/** Words that are the same in both languages: names, and the other language's own. */
const SAME = new Set(["title doran", "topP Top-p", "topK Top-k", "minP Min-p"]);
/** Words of the bench's charts that are the names of units and formats. */
const isName = (text) => /^[\s\d{}\w./·:%()–-]*$/.test(text) && /^(PNG|JSON|GPU|KV|tok\/s|ms|int8|FMA|\{\w+\})/.test(text);

/** What a page has that a module asks for as it begins. */
const PAGE = "globalThis.navigator ??= { language: 'en' }; globalThis.location ??= { search: '', href: 'http://localhost/', hash: '' }; globalThis.localStorage ??= { getItem: () => null, setItem() {} };";

async function dictionaries() {
  const files = readdirSync(join(SOURCE, "words")).filter((file) => file !== "catalogue.ts");
  const contents = `${files.map((file, i) => `import { t as t${i} } from "./words/${file}";`).join("\n")}\nexport default { ${files.map((file, i) => `"${file}": t${i}`).join(", ")} };`;
  const { outputFiles } = await build({ stdin: { contents, resolveDir: SOURCE, loader: "ts" }, bundle: true, write: false, format: "esm", banner: { js: PAGE } });
  return (await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`)).default;
}

const places = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

/** All sources of the demo, by path. */
function sources() {
  return readdirSync(SOURCE, { recursive: true }).filter((file) => /\.tsx?$/.test(file)).map((file) => [file, readFileSync(join(SOURCE, file), "utf8")]);
}

test("every string is in both languages, with the same places", async () => {
  const wrong = [];
  let strings = 0;
  for (const [file, { en, ko }] of Object.entries(await dictionaries())) {
    for (const [word, text] of Object.entries(en)) {
      strings += 1;
      const korean = word.endsWith("_one") ? ko[word.replace(/_one$/, "_other")] : ko[word];
      if (typeof korean !== "string" || korean.trim() === "") wrong.push(`${file}: ${word} is not in Korean`);
      else if (`${places(korean)}` !== `${places(text)}`) wrong.push(`${file}: ${word} has other places in Korean`);
      else if (korean === text && !SAME.has(`${word} ${text}`) && !isName(text)) wrong.push(`${file}: ${word} is not translated`);
      else if (!/[가-힣]/.test(korean) && !SAME.has(`${word} ${text}`) && word !== "otherLanguage" && !isName(korean)) wrong.push(`${file}: ${word} has no Korean in it: ${korean}`);
    }
    for (const word of Object.keys(ko)) if (!(word in en)) wrong.push(`${file}: ${word} is in Korean only`);
  }
  assert.deepEqual(wrong, []);
  assert.ok(strings > 250, `${strings} strings were looked at`);
});

test("every model of the catalogue is described in Korean", async () => {
  const { KOREAN } = await import(`data:text/javascript,${encodeURIComponent(readFileSync(join(SOURCE, "words/catalogue.ts"), "utf8").replace(/: Readonly<Record<string, string>>/, ""))}`);
  assert.deepEqual(Object.keys(KOREAN).sort(), CATALOGUE.map(({ id }) => id).sort());
});

test("no view has words of its own", () => {
  const wrong = [];
  for (const [file, text] of sources()) {
    if (!file.endsWith(".tsx")) continue;
    // Text between tags, and attributes that are read out or seen.
    for (const [, words] of text.matchAll(/<\/?\w[^<>]*>([^<>{}=;()]*[A-Za-z가-힣]{2,}[^<>{}=;()]*)<\//g)) if (!/^(doran|도란도란)$/.test(words.trim())) wrong.push(`${file}: ${words.trim()}`);
    for (const [, name, words] of text.matchAll(/\b(aria-label|title|placeholder|alt|label)="([^"]*[A-Za-z가-힣]{2,}[^"]*)"/g)) {
      if (!/^(doran|owner\/name|https:\/\/huggingface\.co)$/.test(words)) wrong.push(`${file}: ${name}="${words}"`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("every word is used", async () => {
  // Phases, verdicts and reasons are the package's, and are words by their names.
  const named = ["types/load.ts", "inspection.ts"].map((file) => readFileSync(new URL(`../../pkg/src/${file}`, import.meta.url), "utf8"));
  const all = [...named, ...sources().filter(([file]) => !file.startsWith("words/")).map(([, text]) => text)].join("\n");
  const unused = [];
  for (const [file, { en }] of Object.entries(await dictionaries())) {
    // Errors come by their codes.
    if (file === "problems.ts") continue;
    for (const word of Object.keys(en)) {
      const plain = word.replace(/_(one|other)$/, "");
      const parts = [plain, plain.replace(/(_why|_steps|Help|Prompt)$/, "")];
      // Words of one kind are named by what they are of: `step_${kind}`.
      const [kind] = word.split(/(?<=_)/);
      if (kind !== word && all.includes(`\`${kind}\${`)) continue;
      if (!parts.some((part) => new RegExp(`["\`.]${part}["\`]|\\b${part}:|\`${part}_|name: "${part}"`).test(all))) unused.push(`${file}: ${word}`);
    }
  }
  assert.deepEqual(unused, []);
});
