/** `npm start -- --prompt` answers on the terminal and ends with the facts. */
import { spawnSync } from "node:child_process";
import { entry, ROOT } from "../scripts/lib/util.mjs";

entry(async () => {
  const { status, stdout } = spawnSync("npm", ["start", "--silent", "--", "--prompt", "What is the capital of France?"], { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", 2] });
  const lines = stdout.trim().split("\n");
  const facts = /loaded in [\d.]+ s, prefill [\d.]+ tok\/s .*, decode [\d.]+ tok\/s/.test(lines.at(-1));
  const answers = lines.slice(0, -1).join(" ").includes("Paris");
  console.log(`exit code ${status}; ${answers ? "it says Paris" : "it does not say Paris"}; ${facts ? "the last line has the facts" : `the last line: ${lines.at(-1)}`}`);
  const failed = status === 0 && answers && facts ? 0 : 1;
  console.log(`${1 - failed} passed, ${failed} failed`);
  process.exitCode = failed;
});
