/** `node scripts/serve.mjs [--dir www/dist] [--port 8080] [--csp "…"]`: a folder on localhost, as the demo is served. */
import { join } from "node:path";
import { entry, options, ROOT } from "./lib/util.mjs";
import { serve, STRICT_CSP } from "./lib/serve.mjs";

entry(async () => {
  const { dir = join(ROOT, "www/dist"), port = "8080", csp = STRICT_CSP } = options(process.argv.slice(2));
  const { address } = await serve({ mounts: { "/": dir }, port: Number(port), ...(csp === "none" ? {} : { csp }) });
  console.log(address);
});
