/** The tool syntaxes as the package has them, bundled from their TypeScript. */
import { build } from "esbuild";
import { fileURLToPath } from "node:url";

const entry = fileURLToPath(new URL("../../pkg/src/tools/index.ts", import.meta.url));
const { outputFiles } = await build({ entryPoints: [entry], bundle: true, write: false, format: "esm", target: "es2022" });

export const { SYNTAXES, syntaxOf, reasoningOf, ReasoningSplitter, renamedStart } = await import(
  `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`
);

/** The syntax of that name. */
export function syntaxNamed(name) {
  const syntax = SYNTAXES.find((syntax) => syntax.name === name);
  if (syntax === undefined) throw new Error(`no syntax is called ${name}`);
  return syntax;
}
