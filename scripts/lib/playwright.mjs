/** Playwright's tests as a part of a long suite. */
import { spawn } from "node:child_process";
import { environment, ROOT } from "./util.mjs";

/** A row of the list that Playwright prints: `✓  3 [engine] › tests/engine/gpu.spec.ts:59:1 › a title (42.1s)`. */
const ROW = /^\s*(?<mark>[✓✘])\s+\d+ \[\w+\] › (?<test>.+) \((?<time>[^)]+)\)$/;

/**
 * Runs `playwright test` with these arguments, and logs each test as it ends. Gives how many passed and failed, and a row a test.
 *
 * @param {readonly string[]} args
 * @param {{ env?: Record<string, string>, log: (line: string) => void }} how
 * @returns {Promise<{ passed: number, failed: number, tests: readonly { test: string, ok: boolean, time: string }[] }>}
 */
export function playwright(args, { env = {}, log }) {
  return new Promise((resolve, reject) => {
    const child = spawn("npx", ["playwright", "test", "--reporter=list", ...args], { cwd: ROOT, env: environment(env), stdio: ["ignore", "pipe", "inherit"] });
    let rest = "";
    let output = "";
    const tests = [];
    child.stdout.setEncoding("utf8").on("data", (text) => {
      output += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (line.trim() !== "") log(line);
        const groups = ROW.exec(line)?.groups;
        // Without its line, which changes with every edit above it, and its tag.
        if (groups !== undefined) tests.push({ test: groups.test.replace(/:\d+:\d+ /, " ").replace(/ @long$/, ""), ok: groups.mark === "✓", time: groups.time });
      }
    });
    child.on("error", reject);
    child.on("close", (code) => {
      const count = (word) => Number(new RegExp(`^\\s+(\\d+) ${word}`, "m").exec(output)?.[1] ?? 0);
      const [passed, failed] = [count("passed"), count("failed") + count("did not run") + count("skipped")];
      resolve({ passed, failed: code === 0 ? failed : Math.max(1, failed), tests });
    });
  });
}
