/** The end of the context, with the real engine: what stays when the oldest goes. */
import { expect, test } from "./fixture.js";

const chatTemplate = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

for (const name of ["llama", "gpt2"]) {
  test(`the oldest turn of a chat leaves the context, and the answer is that to what stays (${name})`, { tag: name === "llama" ? [] : "@long" }, async ({ doran }) => {
    const seen = await doran.evaluate(async ({ model, chatTemplate }) => {
      const system = { role: "system", content: "be kind" };
      const oldest = [{ role: "user", content: "one" }, { role: "assistant", content: "two" }];
      const last = { role: "user", content: "three" };
      const chat = [system, ...oldest, last];
      const probe = await window.doran.Engine.load(model, { chatTemplate });
      const prompt = await probe.countTokens(chat);
      const kept = await probe.countTokens([system, last]);
      const keptIds = await probe.tokenize(await probe.applyChatTemplate([system, last]), { addSpecialTokens: false });
      // Room for three tokens; then the first turn goes.
      const context = prompt + 3;
      const engine = await window.doran.Engine.load(model, { chatTemplate, context });
      const options = { temperature: 0, ignoreEos: true, maxTokens: 1000 };
      const ends = await window.read(engine.generate(chat, options));
      const slides = await window.read(engine.generate(chat, { ...options, contextPolicy: "slide" }));
      // After each change the next token is the likeliest after what stays and what was said.
      const after = async (n: number) => {
        const { top1 } = await probe.logits(Uint32Array.from([...keptIds, ...slides.ids.slice(0, n)]));
        return top1[top1.length - 1];
      };
      const wanted = [await after(3), await after(4), await after(slides.ids.length - 1)];
      const tight = await window.doran.Engine.load(model, { chatTemplate, context: kept });
      const refused = await window.failure(window.read(tight.generate(chat, { ...options, contextPolicy: "slide" })));
      const unknown: object = { contextPolicy: "forget" };
      const wrong = await window.failure(window.read(engine.generate(chat, { ...options, ...unknown })));
      await Promise.all([probe.unload(), engine.unload(), tight.unload()]);
      return { ends, slides, wanted, refused, wrong, prompt, kept, context };
    }, { model: `/arch/${name}/model-f32.gguf`, chatTemplate });
    expect(seen.ends.ids).toHaveLength(3);
    expect(seen.ends.end.finishReason).toBe("length");
    expect(seen.ends.end.usage.droppedTokens).toBe(0);
    expect(seen.slides.ids.slice(0, 3)).toEqual(seen.ends.ids);
    expect(seen.slides.ids).toHaveLength(seen.context - seen.kept);
    expect(seen.slides.end.finishReason).toBe("length");
    expect(seen.slides.end.usage).toMatchObject({ promptTokens: seen.prompt, droppedTokens: seen.prompt - seen.kept });
    expect([seen.slides.ids[3], seen.slides.ids[4], seen.slides.ids.at(-1)]).toEqual(seen.wanted);
    expect(seen.refused).toMatchObject({ code: "context_overflow", data: { context: seen.kept } });
    expect(seen.wrong).toMatchObject({ code: "bad_argument", data: { argument: "contextPolicy" } });
  });
}
