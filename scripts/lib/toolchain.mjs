/** What building and testing need beyond Node, and how each is installed here. Nothing comes from elsewhere than the registries. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { ask, hashOf, Plain, ROOT, run, say, step } from "./util.mjs";

const WASM_TARGET = "wasm32-unknown-unknown";
const WASM_BINDGEN = "0.2.130";
const DEBIAN = ["chromium", "chromium-driver", "mesa-vulkan-drivers", "fonts-noto-cjk"];

const isDebian = () => existsSync("/etc/debian_version") && ask("which", ["apt-get"]) !== undefined;
const isRoot = () => process.getuid?.() === 0;

/** One tool: whether it is here, how it comes, and what to tell who cannot install it. */
const TOOLS = {
  cargo: {
    here: () => ask("cargo", ["--version"]) !== undefined,
    command: "install Rust with rustup from https://rustup.rs",
  },
  target: {
    here: () => ask("rustup", ["target", "list", "--installed"])?.split("\n").includes(WASM_TARGET) ?? targetBySysroot(),
    command: `rustup target add ${WASM_TARGET}`,
    install: () => run("rustup", ["target", "add", WASM_TARGET]),
  },
  wasmBindgen: {
    here: () => ask("wasm-bindgen", ["--version"])?.includes(WASM_BINDGEN) === true,
    command: `cargo install wasm-bindgen-cli --version ${WASM_BINDGEN}`,
    // Without --locked: the crate's lock file names a crate version that was withdrawn.
    install: () => run("cargo", ["install", "wasm-bindgen-cli", "--version", WASM_BINDGEN]),
  },
  chromium: debian("chromium", () => ask("which", ["chromium"]) !== undefined || process.env.CHROME_PATH !== undefined),
  firefox: debian("firefox-esr", () => ask("which", ["firefox-esr"]) !== undefined || process.env.FIREFOX_PATH !== undefined),
  driver: debian("chromium-driver", () => ask("which", ["chromedriver"]) !== undefined),
  vulkan: debian("mesa-vulkan-drivers", () => ["/usr/share", "/etc"].some((dir) => existsSync(join(dir, "vulkan/icd.d")))),
  fonts: debian("fonts-noto-cjk", () => existsSync("/usr/share/fonts/opentype/noto") || ask("fc-list", [":lang=ko"])?.length > 0),
  python: {
    here: () => ask("python3", ["-m", "pip", "--version"]) !== undefined,
    command: "sudo apt-get install python3 python3-pip",
  },
};

let updated = false;
function debian(name, here) {
  return {
    here,
    command: `sudo apt-get update && sudo apt-get install -y ${DEBIAN.join(" ")}`,
    ...(isDebian() && isRoot() ? { install: () => aptInstall(name) } : {}),
  };
}

async function aptInstall(name) {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  if (!updated) await run("apt-get", ["update", "-qq"], { env });
  updated = true;
  await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", name], { env });
}

function targetBySysroot() {
  const sysroot = ask("rustc", ["--print", "sysroot"]);
  return sysroot !== undefined && existsSync(join(sysroot, "lib/rustlib", WASM_TARGET));
}

/** Sets of tools by what one wants to do. */
export const FOR = {
  build: ["cargo", "target", "wasmBindgen"],
  browse: ["chromium", "fonts"],
  second: ["firefox", "vulkan"],
  test: ["cargo", "target", "wasmBindgen", "python", "chromium", "driver", "vulkan", "fonts"],
};

/** Installs what of `names` is missing; what cannot be installed here is one sentence with the command to run. */
export async function need(names) {
  for (const name of names) {
    const tool = TOOLS[name];
    if (tool.here()) continue;
    const sentence = `${name} is missing; run: ${tool.command}`;
    if (tool.install === undefined) throw new Plain(sentence);
    say(`installing ${name} …`);
    try {
      await tool.install();
    } catch (error) {
      throw new Plain(`${name} is missing and could not be installed (${error.message.split("\n")[0]}); run: ${tool.command}`);
    }
    if (!tool.here()) throw new Plain(sentence);
  }
}

/** `npm ci`, when the lock file changed since or never. */
export async function needNodeModules() {
  const lock = join(ROOT, "package-lock.json");
  const installed = join(ROOT, "node_modules/.package-lock.json");
  const wanted = JSON.parse(readFileSync(lock, "utf8")).packages;
  const have = existsSync(installed) ? JSON.parse(readFileSync(installed, "utf8")).packages : {};
  // Packages for other platforms are optional and absent.
  const same = Object.entries(wanted).every(([path, { version, optional }]) => path === "" || optional || have[path]?.version === version);
  if (same) return;
  say("installing node_modules …");
  try {
    await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { quiet: true });
  } catch (error) {
    throw new Plain(`the npm packages could not be installed (${error.message.split("\n").at(-1)}); run: npm ci --ignore-scripts`);
  }
}

const RUST_INPUTS = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo", "build.rs", "src", "shaders", "crates"];
/** Features that every browser with WebGPU has; named, because wasm-bindgen drops the section that lists them. */
const WASM_FEATURES = [
  "bulk-memory", "bulk-memory-opt", "mutable-globals", "nontrapping-float-to-int", "sign-ext", "reference-types", "multivalue", "simd",
  "extended-const",
].map((feature) => `--enable-${feature}`);

/** Each module: a crate of the workspace, and the name of what it becomes in `pkg/wasm`. */
const MODULES = [
  { crate: "doran", name: "doran" },
  // llguidance exports functions for C by itself, which nobody here calls.
  { crate: "doran-constrained", name: "doran_constrained", foreign: /^llg_/ },
];

/** The real modules: Rust → WebAssembly → `pkg/wasm`. */
export async function buildWasm() {
  const out = join(ROOT, "pkg/wasm");
  const target = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");
  const hash = hashOf([...RUST_INPUTS, "scripts/lib/toolchain.mjs"].map((path) => join(ROOT, path)), process.env.RUSTFLAGS ?? "");
  const made = MODULES.flatMap(({ name }) => [join(out, `${name}_bg.wasm`), join(out, `${name}.js`)]);
  await step("wasm", hash, made, async () => {
    // Panic messages name source files: short names, and none of this machine's folders.
    const home = process.env.CARGO_HOME ?? join(homedir(), ".cargo");
    const sources = join(home, "registry/src");
    const registries = existsSync(sources) ? readdirSync(sources).map((name) => join(sources, name)) : [];
    const remap = [...registries, target, ROOT].map((path) => `--remap-path-prefix=${path}/=`);
    const flags = [process.env.RUSTFLAGS ?? "", ...remap].join(" ").trim();
    for (const { crate } of MODULES) {
      // Each by itself: built together, they would share the features of what both stand on.
      await run("cargo", ["build", "--release", "--package", crate, "--lib", "--target", WASM_TARGET], { env: { RUSTFLAGS: flags } });
    }
    await Promise.all(MODULES.map(async ({ name, foreign }) => {
      await run("wasm-bindgen", ["--target", "web", "--out-name", name, "--out-dir", out, join(target, WASM_TARGET, `release/${name}.wasm`)]);
      const module = join(out, `${name}_bg.wasm`);
      if (foreign !== undefined) await dropExports(module, foreign);
      // Twice: a second round takes two parts in a thousand, and a third nothing. The lowest 1024 bytes are the far end of the stack
      // (wasm-ld puts it first), so that an address that is a sum may take its constant from the instruction. What has one caller stays
      // by itself unless it is short: functions that hold all of a load compress worse by 6 %, and browsers, which compile anew where
      // much time is spent, take four times as long for them.
      await run("wasm-opt", ["-Oz", "-Oz", "--low-memory-unused", "--one-caller-inline-max-function-size=30", ...WASM_FEATURES, "-o", module, module]);
    }));
  });
}

/** Takes exports out of a module, and all that only they reach. */
async function dropExports(path, foreign) {
  const names = WebAssembly.Module.exports(new WebAssembly.Module(readFileSync(path))).map(({ name }) => name);
  const graph = names.filter((name) => !foreign.test(name)).map((name) => ({ name: `export ${name}`, root: true, export: name }));
  const file = `${path}.graph.json`;
  writeFileSync(file, JSON.stringify(graph));
  await run("wasm-metadce", [...WASM_FEATURES, "--graph-file", file, "-o", path, path], { quiet: true });
  rmSync(file);
}
