/**
 * Chat templates that publishers wrote, against what transformers renders. They are not ours to copy: `DORAN_TEMPLATES` names a file
 * of them, as `templates.rs` says.
 */
import { spawnSync } from "node:child_process";
import { Plain, ROOT } from "../../scripts/lib/util.mjs";

export const title = "published chat templates, exact to the character";

export function run() {
  if (process.env.DORAN_TEMPLATES === undefined) throw new Plain("set DORAN_TEMPLATES to a file of templates (tests/long/templates.rs says what is in it)");
  const { status, stdout, stderr } = spawnSync("cargo", ["run", "--quiet", "--example", "templates"], { cwd: ROOT, encoding: "utf8" });
  if (status !== 0) throw new Plain(`the templates could not be rendered: ${stderr}`);
  const { exact, refused, wrong } = JSON.parse(stdout);
  process.stderr.write(stderr);
  return { passed: exact + refused, failed: wrong, exact, refused };
}
