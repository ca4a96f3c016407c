/** A manifest names its files, so they keep their names. `public/` has the manifest, and is copied as it is. */
export default {
  build: {
    // What old browsers need to preload modules, an extension does not.
    modulePreload: false,
    rolldownOptions: {
      input: { popup: "popup.html", offscreen: "offscreen.html", background: "src/background.js" },
      output: { entryFileNames: "[name].js" },
    },
  },
};
