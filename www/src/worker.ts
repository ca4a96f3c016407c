/** The engine's worker with a witness in it: tells the page of each request that is made here, whoever makes it. Its name is the tab's. */
import "doran/worker";
import { CHANNEL } from "./requests-channel.js";

const channel = new BroadcastChannel(CHANNEL);
new PerformanceObserver((list) => {
  for (const { name } of list.getEntries()) channel.postMessage({ id: self.name, url: name });
}).observe({ type: "resource" });
