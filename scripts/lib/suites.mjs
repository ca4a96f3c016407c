/** The suites of `npm test`, in order: what fails fast comes first. A suite is a list of commands. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ask, ROOT } from "./util.mjs";

const WASM = ["--target", "wasm32-unknown-unknown"];
const cargo = (...args) => ["cargo", args];
const node = (...args) => ["node", args];

const hasRustWebTests = () => existsSync(join(ROOT, "tests/web")) && readdirSync(join(ROOT, "tests/web")).some((file) => file.endsWith(".rs"));

const testsIn = (folder) => readdirSync(join(ROOT, folder)).filter((file) => file.endsWith(".test.mjs")).map((file) => `${folder}/${file}`);

const hasCargoDeny = () => ask("cargo-deny", ["--version"]) !== undefined;

/** `quick`: part of `npm run test:quick`. `env`: beside the usual. `only`: left out, and said so, where it is false. */
export const SUITES = [
  { name: "fmt", quick: true, commands: [cargo("fmt", "--all", "--check")] },
  { name: "lint", quick: true, commands: [["npm", ["run", "--silent", "lint"]]] },
  { name: "clippy native", commands: [cargo("clippy", "--workspace", "--all-targets", "--", "-D", "warnings")] },
  {
    name: "clippy wasm", env: { CLIPPY_CONF_DIR: join(ROOT, ".ci/clippy-wasm") },
    commands: [cargo("clippy", "--workspace", "--lib", ...WASM, "--", "-D", "warnings")],
  },
  { name: "catalogue", quick: true, commands: [node("tests/catalogue.mjs")] },
  { name: "tools", quick: true, commands: [node("--test", ...testsIn("tests/tools"))] },
  { name: "www", quick: true, commands: [node("--test", ...testsIn("tests/www"))] },
  { name: "bench tables", quick: true, commands: [node("--test", ...testsIn("tests/bench"))] },
  { name: "models page", quick: true, commands: [node("scripts/models-page.mjs", "--check")] },
  { name: "protocol", quick: true, commands: [["playwright", ["test", "--project=protocol"]]] },
  { name: "www page", quick: true, commands: [["playwright", ["test", "--project=www"]]] },
  { name: "packaging of the stand-in", quick: true, commands: [node("tests/packaging/run.mjs", "--fake")] },
  { name: "native", quick: true, env: { REQUIRE_GPU: "1" }, commands: [cargo("test", "--workspace")] },
  { name: "constrained", quick: true, commands: [node("tests/constrained/run.mjs")] },
  { name: "build", commands: [node("scripts/build.mjs")], quick: true },
  { name: "supply chain", quick: true, commands: [node("tests/supply-chain.mjs")] },
  { name: "package lint", quick: true, commands: [node("tests/package-lint.mjs")] },
  // Advisories are a matter of the day, not of a change: `cargo deny check advisories` asks for them, over the network.
  { name: "licences", quick: true, only: hasCargoDeny, commands: [cargo("deny", "--offline", "check", "licenses", "bans", "sources")] },
  { name: "budgets", quick: true, commands: [node("scripts/budgets.mjs")] },
  {
    // wasm-bindgen's own runner: wasm-pack would build the library a second time, for nobody.
    name: "web", only: hasRustWebTests,
    env: {
      CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER: "wasm-bindgen-test-runner", CHROMEDRIVER: "/usr/bin/chromedriver",
      WASM_BINDGEN_TEST_ONLY_WEB: "1", WASM_BINDGEN_TEST_TIMEOUT: "1800", WASM_BINDGEN_USE_BROWSER: "1",
    },
    commands: [cargo("test", ...WASM, "--test", "web")],
  },
  { name: "goldens", commands: [node("tests/goldens/run.mjs")] },
  { name: "bad files", commands: [node("tests/goldens/bad.mjs")] },
  { name: "packaging", commands: [node("tests/packaging/run.mjs")] },
  { name: "examples", commands: [node("tests/examples.mjs", "--fake"), node("tests/examples.mjs")] },
  { name: "engine", commands: [["playwright", ["test", "--project=engine"]]] },
  { name: "surfaces", commands: [["playwright", ["test", "--project=surfaces"]]] },
  { name: "e2e", commands: [["playwright", ["test", "--project=e2e"]]] },
  { name: "lighthouse", commands: [node("tests/lighthouse.mjs")] },
  { name: "start", commands: [node("tests/start.mjs")] },
  { name: "bench", commands: [node("tests/bench.mjs")] },
  { name: "docs", commands: [node("scripts/docs.mjs")] },
  { name: "records", commands: [node("scripts/test-long.mjs", "--check")] },
];
