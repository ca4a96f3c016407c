/** The types of the public API. */
export type * from "./types/generate.js";
export type * from "./types/info.js";
export type * from "./types/load.js";
