/** Lighthouse on pages of the demo, in the browser that the tests use. */
import { chromiumPath, FLAGS } from "./chromium.mjs";
import { demoServer } from "./demo.mjs";
import { defaultModel } from "../model.mjs";

/** The pages that are judged. */
const PAGES = ["/", "/bench/"];

/**
 * Judges each page of the demo in these categories. Gives a row a page: its scores from 0 to 100, and what took points away.
 *
 * @param {readonly ("accessibility" | "best-practices" | "performance")[]} categories
 */
export async function judge(categories) {
  const [{ default: lighthouse }, { launch }] = await Promise.all([import("lighthouse"), import("chrome-launcher")]);
  const server = await demoServer({ model: await defaultModel() });
  const browser = await launch({ chromePath: chromiumPath(), chromeFlags: [...FLAGS, "--headless=new"], logLevel: "error" });
  try {
    const rows = [];
    for (const page of PAGES) {
      const { lhr } = await lighthouse(`${server.address}${page}`, { port: browser.port, onlyCategories: categories, logLevel: "error" });
      const scores = Object.fromEntries(Object.entries(lhr.categories).map(([name, { score }]) => [name, Math.round((score ?? 0) * 100)]));
      const lost = Object.values(lhr.audits).filter(({ score, scoreDisplayMode }) => scoreDisplayMode === "binary" && score === 0).map(({ id }) => id);
      rows.push({ page, scores, lost, browser: lhr.environment.hostUserAgent, lighthouse: lhr.lighthouseVersion });
    }
    return rows;
  } finally {
    await browser.kill();
    await server.close();
  }
}
