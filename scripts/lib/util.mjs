/** What all scripts use. Node's own modules only: these run before `npm ci`. */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository. */
export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
/** What is made here and may be deleted at any time. */
export const CACHE = join(ROOT, ".cache");

/** A failure that is the reader's to solve: one plain sentence, no stack. */
export class Plain extends Error {}

/** Says a line to people, on stderr: stdout belongs to the result. */
export const say = (line) => void process.stderr.write(`${line}\n`);

/** The environment of child processes: tools of `node_modules` go before the system's. */
export function environment(extra = {}) {
  const path = [join(ROOT, "node_modules/.bin"), process.env.PATH].join(delimiter);
  return { ...process.env, PATH: path, PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD: "1", ...extra };
}

/** Runs a command to its end. Rejects with its last lines where `quiet`, else it has shown them itself. */
export function run(command, args, { cwd = ROOT, env = {}, quiet = false } = {}) {
  return new Promise((done, failed) => {
    // The command's own output goes to stderr too.
    const child = spawn(command, args, { cwd, env: environment(env), stdio: ["ignore", quiet ? "pipe" : 2, quiet ? "pipe" : 2] });
    let tail = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data) => { tail = (tail + data).slice(-4000); });
    child.on("error", (error) => failed(new Plain(`${command} could not be started: ${error.message}`)));
    child.on("close", (code) => {
      if (code === 0) done(tail);
      else failed(new Plain(`"${[command, ...args].join(" ")}" failed (${code})${quiet ? `:\n${tail.trim()}` : ""}`));
    });
  });
}

/** The output of a command, or `undefined` when it is not there or fails. */
export function ask(command, args, { cwd = ROOT } = {}) {
  const { status, stdout, error } = spawnSync(command, args, { cwd, env: environment(), encoding: "utf8" });
  return error === undefined && status === 0 ? stdout.trim() : undefined;
}

/** All files under `path` (a file or a folder), sorted; nothing where there is none. */
export function filesUnder(path) {
  if (!existsSync(path)) return [];
  if (statSync(path).isFile()) return [path];
  return readdirSync(path).sort().filter((entry) => entry !== "node_modules").flatMap((entry) => filesUnder(join(path, entry)));
}

/** One hash of the names and bytes of files and folders, and of further words. */
export function hashOf(paths, ...words) {
  const hash = createHash("sha256");
  for (const path of paths.flatMap(filesUnder)) hash.update(relative(ROOT, path)).update("\0").update(readFileSync(path)).update("\0");
  return hash.update(words.join("\0")).digest("hex");
}

/** The SHA-256 of a large file. */
export async function sha256(path) {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece);
  return hash.digest("hex");
}

/** Does `work` unless `hash` is what it was when the work last succeeded and `made` exist. */
export async function step(name, hash, made, work) {
  const stamp = join(CACHE, "steps", name);
  const fresh = existsSync(stamp) && readFileSync(stamp, "utf8") === hash && made.every((path) => existsSync(path));
  if (fresh) return false;
  const begun = Date.now();
  say(`${name} …`);
  await work();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, hash);
  say(`${name}: ${((Date.now() - begun) / 1000).toFixed(1)} s`);
  return true;
}

/** Runs `main`; a `Plain` failure is a sentence and exit code 1. */
export function entry(main) {
  main().catch((error) => {
    say(error instanceof Plain ? error.message : String(error?.stack ?? error));
    process.exit(error?.exitCode ?? 1);
  });
}

/** `--name value` and `--flag` of a command line; `flags` take no value. */
export function options(argv, flags = []) {
  const out = { _: [] };
  for (let i = 0; i < argv.length; i += 1) {
    const word = argv[i];
    if (!word.startsWith("--")) {
      out._.push(word);
      continue;
    }
    const [name, inline] = word.slice(2).split(/=(.*)/s);
    if (flags.includes(name)) out[name] = true;
    else if (inline !== undefined) out[name] = inline;
    else if (i + 1 < argv.length) out[name] = argv[++i];
    else throw new Plain(`--${name} wants a value`);
  }
  return out;
}
