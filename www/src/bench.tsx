/** The benchmark's own page. */
import { render } from "preact";
import { Bench } from "./bench/bench.js";
import { keepOffline } from "./offline.js";
import { Shell } from "./shell.js";

const app = document.getElementById("app");
if (app !== null) render(<Shell home="../" bench><Bench /></Shell>, app);
await keepOffline("../sw.js");
