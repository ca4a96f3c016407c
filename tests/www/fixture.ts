/** Pages with both rooms, served under the demo's policy; what they ask for is remembered. */
import { test as base, type BrowserContext, type Page } from "@playwright/test";
import type { IncomingMessage, ServerResponse } from "node:http";
import { DEMO_CSP, serve } from "../../scripts/lib/serve.mjs";
import { bundlePage } from "./bundle.mjs";

const PAGE = `<!doctype html><meta charset="utf-8"><title>loading</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script><main></main>`;

export interface Site {
  readonly address: string;
}

/** A page with both rooms in a context. */
export async function openRooms(context: BrowserContext, { address }: Site): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${address}/`);
  await page.waitForFunction(() => document.title === "ready");
  return page;
}

export const test = base.extend<{ rooms: Page }, { site: Site }>({
  site: [async ({}, use) => {
    const files = await bundlePage();
    const server = await serve({
      mounts: {},
      csp: DEMO_CSP,
      handle: (request: IncomingMessage, response: ServerResponse) => {
        const { pathname } = new URL(request.url ?? "/", "http://localhost");
        const script = files.get(pathname);
        // `/empty` has the origin's storage and no script of ours.
        const body = script ?? (pathname === "/" ? PAGE : pathname === "/empty" ? "<!doctype html><title>empty</title>" : undefined);
        if (body === undefined) return false;
        response.writeHead(200, { "Content-Type": script === undefined ? "text/html" : "text/javascript", "Content-Security-Policy": DEMO_CSP }).end(body);
        return true;
      },
    });
    await use({ address: server.address });
    await server.close();
  }, { scope: "worker" }],

  rooms: async ({ context, site }, use) => {
    await use(await openRooms(context, site));
  },
});

export { expect } from "@playwright/test";
