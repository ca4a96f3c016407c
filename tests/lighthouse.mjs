/** The demo's pages are accessible and well made in Lighthouse's judgement: 95 of 100 at least. `node tests/lighthouse.mjs` */
import { judge } from "../scripts/lib/lighthouse.mjs";
import { entry } from "../scripts/lib/util.mjs";

const LEAST = 95;

entry(async () => {
  let [passed, failed] = [0, 0];
  for (const { page, scores, lost } of await judge(["accessibility", "best-practices"])) {
    for (const [name, score] of Object.entries(scores)) {
      const isEnough = score >= LEAST;
      if (isEnough) passed += 1;
      else failed += 1;
      console.log(`${isEnough ? "ok" : "FAILED"} ${page} ${name}: ${score}${lost.length === 0 ? "" : ` (${lost.join(", ")})`}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
});
