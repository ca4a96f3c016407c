/** `npm run docs`: rustdoc and TypeDoc, into target/doc and docs/api; a warning is a failure. */
import { entry, run } from "./lib/util.mjs";

entry(async () => {
  await run("cargo", ["doc", "--no-deps", "--workspace", "--document-private-items"], { env: { RUSTDOCFLAGS: "-D warnings" } });
  await run("typedoc", ["--options", "pkg/typedoc.json"]);
});
