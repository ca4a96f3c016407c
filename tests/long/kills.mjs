/** A store under kills: what `npm test` does eight times, forty times. */
import { playwright } from "../../scripts/lib/playwright.mjs";

export const title = "browsers killed and pages crashed in the middle of a download, at forty seeded offsets";

const KILLS = 40;

export async function run({ build, log }) {
  await build({ demo: false });
  const { passed, failed } = await playwright(["--project=engine", "store", "--grep=killed browsers"], { env: { DORAN_KILLS: String(KILLS) }, log });
  return { passed, failed: passed === 1 ? failed : 1, kills: KILLS };
}
