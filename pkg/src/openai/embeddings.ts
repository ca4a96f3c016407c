/** `engine.embeddings`. */
import type { Engine } from "../engine.js";
import { badField, checkFields, unsupportedParameter } from "./fields.js";
import type { EmbeddingRequest, EmbeddingResponse, RequestOptions } from "./types.js";

/** Refuses fields that are not supported: sampling's too, which texts are not embedded with. */
export function checkEmbeddingRequest(body: unknown): asserts body is EmbeddingRequest {
  for (const [name, value] of Object.entries(checkFields(body, ["input", "encoding_format"]))) {
    if (!["input", "model", "encoding_format"].includes(name) && value !== null && value !== undefined) throw unsupportedParameter(name);
  }
}

/** The vectors of texts. */
export async function createEmbeddings(engine: Engine, request: EmbeddingRequest, { signal }: RequestOptions = {}): Promise<EmbeddingResponse> {
  checkEmbeddingRequest(request);
  const { encoding_format: format } = request;
  if (format !== undefined && format !== null && format !== "float" && format !== "base64") throw unsupportedParameter("encoding_format", `cannot be ${JSON.stringify(format)}`);
  const texts = inputsOf(request.input);
  const rows = await engine.embed(texts, signal === undefined || signal === null ? {} : { signal });
  let tokens = 0;
  for (const text of texts) tokens += typeof text === "string" ? (await engine.tokenize(text)).length : text.length;
  return {
    object: "list", model: engine.info.name,
    data: rows.map((row, index) => ({ object: "embedding", index, embedding: format === "base64" ? base64(row) : [...row] })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}

function inputsOf(input: unknown): readonly (string | Uint32Array)[] {
  const isIds = (value: unknown): value is readonly number[] => Array.isArray(value) && value.length > 0 && value.every((id) => typeof id === "number");
  if (typeof input === "string") return [input];
  if (isIds(input)) return [Uint32Array.from(input)];
  if (Array.isArray(input) && input.length > 0 && input.every((one) => typeof one === "string" || isIds(one))) {
    return input.map((one: string | readonly number[]) => (typeof one === "string" ? one : Uint32Array.from(one)));
  }
  throw badField("input", "input is a text, a list of texts, or token ids");
}

/** The floats' bytes, little-endian, as the API sends them. */
function base64(row: Float32Array): string {
  const bytes = new Uint8Array(row.length * 4);
  const view = new DataView(bytes.buffer);
  row.forEach((value, i) => view.setFloat32(i * 4, value, true));
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return btoa(text);
}
