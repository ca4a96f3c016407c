/** How quick the demo's pages are there, in Lighthouse's judgement: on a phone of middling speed, as it simulates one. */
import { judge } from "../../scripts/lib/lighthouse.mjs";

export const title = "Lighthouse: performance, accessibility and best practices of the demo's pages, 95 of 100 at least";

const LEAST = 95;

export async function run({ build, log }) {
  await build();
  const pages = await judge(["performance", "accessibility", "best-practices"]);
  let [passed, failed] = [0, 0];
  for (const { page, scores, lost } of pages) {
    for (const [name, score] of Object.entries(scores)) {
      if (score >= LEAST) passed += 1;
      else failed += 1;
      log(`${page} ${name}: ${score}${lost.length === 0 ? "" : ` (${lost.join(", ")})`}`);
    }
  }
  return { passed, failed, pages };
}
