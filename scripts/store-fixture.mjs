/**
 * `node scripts/store-fixture.mjs`: writes tests/fixtures/store/manifest-1.json, the manifest of a tiny model as the first version of
 * the store has it (schema 1), in chunks of 28 KiB. It must not change with the code: what it says is in readers' browsers.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./lib/util.mjs";

const CHUNK_BYTES = 28 << 10;
const MODEL = "tests/fixtures/arch/llama/model-f32.gguf";

const bytes = readFileSync(join(ROOT, MODEL));
const hash = (of) => createHash("sha256").update(of).digest("hex");
const chunks = [];
for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
  const chunk = bytes.subarray(start, start + CHUNK_BYTES);
  chunks.push({ start, len: chunk.length, sha256: hash(chunk), stored: true });
}
const file = { url: "https://example.com/llama.gguf", size: bytes.length, etag: '"5f"', last_modified: null, sha256_verified: hash(bytes), chunks };
const manifest = { schema: 1, model: "tiny llama", files: [file], complete: true, created_ms: 1_790_000_000_000, last_used_ms: 1_790_000_000_000 };
const folder = join(ROOT, "tests/fixtures/store");
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "manifest-1.json"), `${JSON.stringify(manifest, null, 2)}\n`);
