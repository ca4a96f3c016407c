/** Conversations as files: Markdown for people, JSON for this page. A file that is imported is only as good as its guards. */
import { BadField, fieldOf, isRecord } from "./guards.js";
import { cutWhere } from "./letters.js";
import { fromSchema, SCHEMA } from "./migrate.js";
import { newId, path } from "./tree.js";
import type { Conversation, Role, Turn } from "./types.js";

/** The words of a Markdown file, in the reader's language. */
export interface MarkdownWords {
  readonly roles: Readonly<Record<Role, string>>;
  readonly model: string;
  readonly date: string;
  readonly untitled: string;
  readonly reasoning: string;
  readonly stopped: string;
}

const ENGLISH: MarkdownWords = {
  roles: { system: "System", user: "You", assistant: "Model", tool: "Tool" },
  model: "Model", date: "Date", untitled: "Conversation", reasoning: "Thoughts", stopped: "Stopped",
};

/** A fence that begins or ends a block of code, with its marks. */
const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/;

/** The fence that a text leaves open, as an answer that was stopped does. */
function openFence(text: string): string | undefined {
  let open: string | undefined;
  for (const line of text.split("\n")) {
    const [, marks = "", rest = ""] = FENCE.exec(line) ?? [];
    if (marks === "") continue;
    if (open === undefined) {
      if (!(marks.startsWith("`") && rest.includes("`"))) open = marks;
    } else if (marks.startsWith(open) && rest.trim() === "") {
      open = undefined;
    }
  }
  return open;
}

function closed(text: string): string {
  const fence = openFence(text);
  return fence === undefined ? text : `${text.replace(/\n$/, "")}\n${fence}`;
}

/** A text as one block of code, whatever it has in it. */
function fenced(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([marks]) => marks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}

/** A text on one line that Markdown does not read anything into. */
function plain(text: string): string {
  return text.replace(/\s+/g, " ").trim().replace(/[\\`*_[\]<>#|]/g, "\\$&");
}

function turnAsMarkdown(turn: Turn, words: MarkdownWords): string {
  const parts = [`## ${words.roles[turn.role]}`];
  const thoughts = turn.reasoning?.trim() ?? "";
  if (thoughts !== "") parts.push(`**${words.reasoning}**\n${closed(thoughts)}`.split("\n").map((line) => `> ${line}`.trimEnd()).join("\n"));
  if (turn.content.trim() !== "") parts.push(turn.role === "tool" ? fenced(turn.content, "") : closed(turn.content.trim()));
  for (const { function: { name, arguments: given } } of turn.toolCalls ?? []) parts.push(`${plain(name)}:\n\n${fenced(given, "json")}`);
  if (turn.stopped === true) parts.push(`*${words.stopped}*`);
  return parts.join("\n\n");
}

/** The branch that is shown, as a Markdown file. */
export function toMarkdown(conversation: Conversation, words: MarkdownWords = ENGLISH): string {
  const { title, model, created, settings: { systemPrompt = "" } } = conversation;
  const facts = [
    ...(model === null ? [] : [`- ${words.model}: ${plain(model)}`]),
    `- ${words.date}: ${new Date(created).toISOString()}`,
  ];
  const system = systemPrompt.trim() === "" ? [] : [`## ${words.roles.system}\n\n${closed(systemPrompt.trim())}`];
  const turns = path(conversation).map((turn) => turnAsMarkdown(turn, words));
  return `${[`# ${plain(title) || words.untitled}`, facts.join("\n"), ...system, ...turns].join("\n\n")}\n`;
}

/** What a file of this page says it is. */
const FORMAT = "doran-conversations";

/** Conversations with all their branches, as a JSON file. */
export function toJson(...conversations: readonly Conversation[]): string {
  return `${JSON.stringify({ format: FORMAT, schema: SCHEMA, conversations }, undefined, 2)}\n`;
}

/**
 * - `not_json`: no JSON at all.
 * - `not_ours`: JSON, but no file of this page.
 * - `newer`: of a newer version of this page.
 * - `bad_field`: at `path` there is not what was `expected`.
 */
export type ImportProblem =
  | { readonly code: "not_json" }
  | { readonly code: "not_ours" }
  | { readonly code: "newer"; readonly schema: number }
  | { readonly code: "bad_field"; readonly path: string; readonly expected: string };

export type Imported =
  | { readonly ok: true; readonly conversations: readonly Conversation[] }
  | { readonly ok: false; readonly problem: ImportProblem };

function problem(found: ImportProblem): Imported {
  return { ok: false, problem: found };
}

/** Reads a file of `toJson`, whole or not at all. Conversations get new ids, so that an import never replaces one that is here. */
export function fromJson(text: string): Imported {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    return problem({ code: "not_json" });
  }
  if (!isRecord(file) || fieldOf(file, "format") !== FORMAT) return problem({ code: "not_ours" });
  const [schema, conversations] = [fieldOf(file, "schema"), fieldOf(file, "conversations")];
  if (typeof schema !== "number" || !Number.isInteger(schema) || schema < 1) return problem({ code: "bad_field", path: "schema", expected: "a schema" });
  if (schema > SCHEMA) return problem({ code: "newer", schema });
  if (!Array.isArray(conversations)) return problem({ code: "bad_field", path: "conversations", expected: "a list" });
  try {
    const read = conversations.map((value: unknown, index) => fromSchema(schema, value, `conversations[${index}]`));
    return { ok: true, conversations: read.map((conversation) => ({ ...conversation, id: newId() })) };
  } catch (error) {
    if (!(error instanceof BadField)) throw error;
    return problem({ code: "bad_field", path: error.path, expected: error.expected });
  }
}

/** Of a name in UTF-8. File systems take 255, and browsers add to a name that is there already. */
const NAME_BYTES = 200;
/** Names that Windows keeps for devices, with any extension. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)$/i;

/** A name for the file of a conversation that every file system takes: no paths, no hidden files, no signs that turn text around. */
export function fileName({ title }: Conversation, extension: "md" | "json"): string {
  const safe = title.normalize("NFC").replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\\/:*?"<>|.]+/gu, " ").replace(/\s+/g, " ").trim();
  const name = cutWhere(safe, (front) => new TextEncoder().encode(front).length <= NAME_BYTES).trim();
  return `${name === "" || DEVICE.test(name) ? `conversation ${name}`.trim() : name}.${extension}`;
}
