/** `npm run setup [build|browse|test]`: installs what is missing, or says in one sentence what to run. */
import { FOR, need, needNodeModules } from "./lib/toolchain.mjs";
import { entry, Plain, say } from "./lib/util.mjs";

entry(async () => {
  const purpose = process.argv[2] ?? "test";
  if (!Object.hasOwn(FOR, purpose)) throw new Plain(`set-up is for one of: ${Object.keys(FOR).join(", ")}`);
  await needNodeModules();
  await need(FOR[purpose]);
  say("everything needed is here");
});
