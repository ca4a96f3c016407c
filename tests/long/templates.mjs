/**
 * Chat templates that publishers wrote, against what transformers renders. They are not ours to copy: `DORAN_TEMPLATES` names a file
 * of them, as `tests/chat_template.rs` says.
 */
import { spawnSync } from "node:child_process";
import { Plain, ROOT } from "../../scripts/lib/util.mjs";

export const title = "published chat templates, exact to the character";

export function run() {
  if (process.env.DORAN_TEMPLATES === undefined) throw new Plain("set DORAN_TEMPLATES to a file of templates (tests/chat_template.rs says what is in it)");
  const args = ["test", "--test", "chat_template", "publishers_templates_are_exact", "--", "--ignored", "--nocapture"];
  const { status, stdout, stderr } = spawnSync("cargo", args, { cwd: ROOT, encoding: "utf8" });
  const [, exact, refused] = stdout.match(/(\d+) chats exact, (\d+) refused/) ?? [undefined, 0, 0];
  const wrong = Number(`${stdout}${stderr}`.match(/^(\d+) wrong:/m)?.[1] ?? (status === 0 ? 0 : 1));
  return { passed: Number(exact) + Number(refused), failed: wrong, exact: Number(exact), refused: Number(refused) };
}
