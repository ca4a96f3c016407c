/** A page whose policy requires Trusted Types, with a bundler that makes none: scripts of the page's own origin may be started. */
globalThis.trustedTypes.createPolicy("default", {
  createScriptURL(url) {
    if (new URL(url, location.href).origin === location.origin) return url;
    throw new TypeError(`${url} is not of this origin`);
  },
});
await import("./app.js");
