/**
 * Installs the packed package into apps as a user would, and asks each for an answer under the strict policy:
 * webpack 5 without configuration, Vite (build and dev), a plain page; webpack and Vite where Trusted Types are required, too; and
 * imports it in Node.
 *
 * `node tests/packaging/run.mjs [--fake]`: with `--fake`, the stand-in of tests/fake-wasm in place of the engine.
 */
import { cpSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { openPage } from "../../scripts/lib/chromium.mjs";
import { buildFakePackage, pack } from "../../scripts/lib/package.mjs";
import { serve, STRICT_CSP } from "../../scripts/lib/serve.mjs";
import { CACHE, entry, filesUnder, options, ROOT, run } from "../../scripts/lib/util.mjs";
import { defaultModel } from "../../scripts/model.mjs";

const HERE = join(ROOT, "tests/packaging");
const WORK = join(CACHE, "packaging");
const ANSWER_MS = 180_000;
const TRUSTED = `${STRICT_CSP}; require-trusted-types-for 'script'`;

/** An app's folder with the tarball installed into it. */
async function install(name, tarball, appFile) {
  const dir = join(WORK, name);
  rmSync(dir, { recursive: true, force: true });
  cpSync(join(HERE, "apps", name), dir, { recursive: true });
  writeFileSync(join(dir, "package.json"), JSON.stringify({ name: `doran-in-${name}`, private: true, type: "module" }));
  cpSync(join(HERE, "app.js"), join(dir, appFile));
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", "--no-package-lock", tarball], { cwd: dir, quiet: true });
  return dir;
}

/** Each way of using the package: makes the app, and gives the folders to serve or a server of its own. */
const APPS = {
  async webpack(tarball) {
    const dir = await install("webpack", tarball, "src/index.js");
    // No configuration at all: webpack's defaults are src/index.js to dist/main.js.
    await run("webpack", ["--mode", "production"], { cwd: dir, quiet: true });
    cpSync(join(dir, "index.html"), join(dir, "dist/index.html"));
    return { mounts: { "/": join(dir, "dist") } };
  },
  async "webpack with Trusted Types"(tarball) {
    const dir = await install("webpack", tarball, "src/index.js");
    // Webpack has a policy of its own for the scripts that it starts.
    await run("webpack", ["--mode", "production", "--output-trusted-types-policy-name", "app"], { cwd: dir, quiet: true });
    cpSync(join(dir, "index.html"), join(dir, "dist/index.html"));
    return { mounts: { "/": join(dir, "dist") }, csp: `${TRUSTED}; trusted-types app` };
  },
  async "vite build with Trusted Types"(tarball) {
    const dir = await install("vite", tarball, "src/app.js");
    cpSync(join(HERE, "trusted.js"), join(dir, "src/index.js"));
    await run("vite", ["build", "--logLevel", "error"], { cwd: dir, quiet: true });
    return { mounts: { "/": join(dir, "dist") }, csp: `${TRUSTED}; trusted-types default` };
  },
  async "vite build"(tarball) {
    const dir = await install("vite", tarball, "src/index.js");
    await run("vite", ["build", "--logLevel", "error"], { cwd: dir, quiet: true });
    return { mounts: { "/": join(dir, "dist") } };
  },
  async "vite dev"(tarball) {
    const dir = await install("vite", tarball, "src/index.js");
    return { vite: dir };
  },
  async plain(tarball) {
    const dir = await install("plain", tarball, "app.js");
    // Without a bundler, a bare name needs an import map, and an inline import map needs a hash in the policy: a path does not.
    const app = join(dir, "app.js");
    writeFileSync(app, readFileSync(app, "utf8").replace('from "doran"', 'from "./node_modules/doran/dist/index.js"'));
    return { mounts: { "/": dir } };
  },
};

/** Vite's development server with the same policy; its hot reload needs its WebSocket, which is of the page's own origin. */
async function serveVite(dir, modelDir) {
  const { createServer } = await import("vite");
  const model = await serve({ mounts: { "/model/": modelDir } });
  const server = await createServer({
    root: dir, configFile: false, logLevel: "error",
    server: { port: 0, host: "127.0.0.1", headers: { "Content-Security-Policy": STRICT_CSP }, proxy: { "/model/": model.address } },
  });
  await server.listen();
  return {
    address: `http://localhost:${server.httpServer.address().port}`,
    close: async () => {
      await server.close();
      await model.close();
    },
  };
}

async function answerOf(app, modelDir) {
  const site = app.vite === undefined
    ? await serve({ mounts: { ...app.mounts, "/model/": modelDir }, csp: app.csp ?? STRICT_CSP })
    : await serveVite(app.vite, modelDir);
  const { page, close } = await openPage();
  const complaints = [];
  const workers = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) complaints.push(message.text()); });
  page.on("worker", (worker) => workers.push(worker.url()));
  try {
    await page.goto(`${site.address}/`);
    await page.waitForFunction(() => /^(answer|error): /.test(document.title), undefined, { timeout: ANSWER_MS });
    return { title: await page.title(), complaints, workers };
  } catch (error) {
    return { title: `error: ${error.message.split("\n")[0]}`, complaints, workers };
  } finally {
    await close();
    await site.close();
  }
}

/** Importing in Node, as a server that renders pages does, touches nothing of a browser. */
async function importInNode(tarball) {
  const dir = await install("plain", tarball, "app.js");
  const script = `const before = Object.keys(globalThis).length;
    const { Engine, DoranError } = await import("doran");
    const rejected = await Engine.load("./m.gguf").then(() => "", (error) => error.code ?? error.message);
    const support = await Engine.support();
    if (Object.keys(globalThis).length !== before) throw new Error("globals changed");
    if (!support.reason || typeof DoranError !== "function") throw new Error("no support reason");
    console.error("load in Node:", rejected, "| support:", support.reason);
    if (rejected !== "unsupported") process.exit(1);
    const { catalogue } = await import("doran/catalogue");
    const { default: models } = await import("doran/models.json", { with: { type: "json" } });
    if (JSON.stringify(catalogue) !== JSON.stringify(models)) throw new Error("the catalogue is not models.json");
    const { measureCeilings } = await import("doran/probe");
    const nothing = await measureCeilings().then(() => "", (error) => error instanceof DoranError && error.code);
    if (nothing !== "webgpu_missing") throw new Error("ceilings in Node: " + nothing);`;
  writeFileSync(join(dir, "ssr.mjs"), script);
  await run("node", ["ssr.mjs"], { cwd: dir, quiet: true });
}

/**
 * What must not be in the package: blob workers, evaluated text, addresses of elsewhere, but for the hub that `hf:` stands for.
 * `catalogue.js` is data, the pages that state what it says of models; it imports nothing and calls nothing, and nothing imports it.
 */
function forbidden(packageDir) {
  const texts = new Map(filesUnder(join(packageDir, "dist")).filter((file) => file.endsWith(".js")).map((file) => [basename(file), readFileSync(file, "utf8")]));
  const catalogue = texts.get("catalogue.js") ?? "";
  texts.delete("catalogue.js");
  if (!/^var \w+ ?= ?\[/.test(catalogue) || /^\s*import\b|\bfetch\(/m.test(catalogue)) throw new Error("catalogue.js is more than data");
  const text = [...texts.values()].join("\n");
  if (text.includes("/catalogue.js")) throw new Error("a script of the package imports the catalogue");
  const found = [/\beval\(/, /new Function\(/, /createObjectURL/, /https?:\/\/(?!localhost|huggingface\.co")[a-z0-9.-]+\.[a-z]{2,}/i, /sendBeacon|WebSocket|RTCPeerConnection/]
    .flatMap((pattern) => pattern.exec(text)?.[0] ?? []);
  if (found.length > 0) throw new Error(`the package's scripts hold ${found.join(", ")}`);
}

entry(async () => {
  const { fake } = options(process.argv.slice(2), ["fake"]);
  const packageDir = fake ? await buildFakePackage() : join(ROOT, "pkg");
  const tarball = pack(packageDir);
  const modelDir = join(WORK, "model");
  rmSync(modelDir, { recursive: true, force: true });
  mkdirSync(modelDir, { recursive: true });
  if (fake) writeFileSync(join(modelDir, "model.gguf"), Buffer.alloc(20_000, 1));
  else await defaultModel().then((path) => {
    try {
      linkSync(path, join(modelDir, "model.gguf"));
    } catch {
      cpSync(path, join(modelDir, "model.gguf"));
    }
  });

  let passed = 0;
  const failures = [];
  const check = async (name, work) => {
    const begun = Date.now();
    try {
      await work();
      passed += 1;
      console.log(`ok ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failures.push(name);
      console.log(`FAILED ${name}: ${error.message}`);
    }
  };
  await check("nothing forbidden in the package", async () => forbidden(packageDir));
  await check("import in Node", () => importInNode(tarball));
  const expected = fake ? "You said: What is the" : "Paris";
  for (const [name, make] of Object.entries(APPS)) {
    await check(name, async () => {
      const { title, complaints, workers } = await answerOf(await make(tarball), modelDir);
      if (!title.startsWith("answer: ") || !title.includes(expected)) throw new Error(`${title} ${complaints.join(" | ")}`);
      const refused = complaints.filter((text) => /Content.Security.Policy|TrustedScript|Trusted Type/i.test(text));
      if (refused.length > 0) throw new Error(`the policy refused something: ${refused.join(" | ")}`);
      if (workers.length === 0 || workers.some((url) => url.startsWith("blob:"))) throw new Error(`workers: ${workers.join(", ")}`);
    });
  }
  console.log(`${passed} passed, ${failures.length} failed`);
  if (failures.length > 0) process.exitCode = 1;
});
