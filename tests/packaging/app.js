/** What every packaging app runs: a user's own few lines. The answer goes to the title, where the test reads it. */
import { Engine } from "doran";

const out = document.querySelector("main");
try {
  const engine = await Engine.load(new URL("/model/model.gguf", location.href));
  let text = "";
  for await (const token of engine.generate([{ role: "user", content: "What is the capital of France?" }], { temperature: 0, maxTokens: 24 })) text += token.text;
  await engine.unload();
  out.textContent = text;
  document.title = `answer: ${text}`;
} catch (error) {
  document.title = `error: ${error.code} ${error.message}`;
}
