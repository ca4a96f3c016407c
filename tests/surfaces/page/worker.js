/** A page's own worker with a `LanguageModel`: the engine's worker is a worker of this one. */
import { installLanguageModel } from "doran/prompt-api";

addEventListener("message", async ({ data }) => {
  const { installed } = installLanguageModel(data);
  try {
    const session = await globalThis.LanguageModel.create({ samplingMode: "most-predictable" });
    postMessage({ installed, answer: await session.prompt("What is the capital of France?") });
  } catch (error) {
    postMessage({ installed, error: `${error.name}: ${error.message}` });
  }
});
