/** The page of `npm start -- --prompt`: loads a model, answers once, tells the terminal what comes. */
import { Engine } from "/pkg/dist/index.js";

window.answer = async ({ source, prompt, maxTokens, temperature }) => {
  try {
    const url = new URL(source.url ?? "/", location.href);
    const model = source.files === undefined ? url : { files: source.files.map((file) => ({ ...file, url: new URL(file.url, url) })) };
    const begun = performance.now();
    const engine = await Engine.load(model, { onProgress: (progress) => void window.tell("progress", progress) });
    const loadMs = performance.now() - begun;
    let usage;
    for await (const item of engine.generate([{ role: "user", content: prompt }], { maxTokens, temperature })) {
      if (item.text !== "") await window.tell("text", item.text);
      usage = item.usage ?? usage;
    }
    const { prefillTps, decodeTps } = await engine.stats();
    const { adapter, name } = engine.info;
    await engine.unload();
    return { loadMs, usage, prefillTps, decodeTps, adapter, name };
  } catch (error) {
    return { error: { code: error?.code ?? "internal", message: String(error?.message ?? error) } };
  }
};
