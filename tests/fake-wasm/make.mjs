/** Writes the stand-ins' `doran_bg.wasm` and `doran_constrained_bg.wasm`: one exported memory, padded so that no bundler inlines it as a data URL. */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const PAD_BYTES = 16384;

/** An unsigned LEB128 number. */
function leb(n) {
  const out = [];
  for (; n >= 0x80; n >>>= 7) out.push((n & 0x7f) | 0x80);
  return [...out, n];
}

const section = (id, bytes) => [id, ...leb(bytes.length), ...bytes];
const name = (text) => [...leb(text.length), ...Buffer.from(text)];

/** Writes the fake module into `dir`. */
export function makeFakeWasm(dir) {
  mkdirSync(dir, { recursive: true });
  const module = [
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,
    ...section(5, [1, 0x00, 1]), // one memory of at least one page
    ...section(7, [1, ...name("memory"), 0x02, 0]), // exported by its name
    ...section(0, [...name("padding"), ...new Array(PAD_BYTES).fill(0)]),
  ];
  for (const of of ["doran", "doran_constrained"]) {
    writeFileSync(join(dir, `${of}_bg.wasm`), Uint8Array.from(module));
    copyFileSync(join(here, `${of}.js`), join(dir, `${of}.js`));
  }
}
