import js from "@eslint/js";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["**/node_modules/", "pkg/dist/", "pkg/wasm/", "www/dist/", "examples/*/dist/", "target/", ".cache/", "docs/api/", "test-results/", "playwright-report/"] },
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: ["pkg/tsconfig.json", "www/tsconfig.json", "tests/tsconfig.json"] } },
    rules: {
      "@typescript-eslint/consistent-type-assertions": ["error", { assertionStyle: "never" }],
      "@typescript-eslint/consistent-type-definitions": ["error", "interface"],
      "@typescript-eslint/prefer-readonly": "error",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true, ignoreVoidOperator: true }],
      // Platform objects are typed as always there; older browsers and Node do not have them.
      "@typescript-eslint/no-unnecessary-condition": "off",
      // `signal.reason` is whatever the caller chose.
      "@typescript-eslint/prefer-promise-reject-errors": "off",
      "@typescript-eslint/only-throw-error": "off",
      "max-lines": ["error", { max: 320, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    files: ["tests/**/*.ts"],
    rules: {
      // Playwright's fixtures are destructured even when empty.
      "no-empty-pattern": "off",
      "@typescript-eslint/no-non-null-assertion": "error",
      "@typescript-eslint/require-await": "off",
    },
  },
  {
    // Components of Vue and Svelte are read by their compilers alone.
    files: ["**/*.mjs", "**/*.js", "**/*.jsx"],
    languageOptions: {
      ecmaVersion: 2024,
      globals: Object.fromEntries([
        "process", "console", "URL", "URLSearchParams", "Buffer", "fetch", "setTimeout", "clearTimeout", "performance", "window", "document", "location",
        "WebAssembly", "Navigator", "File", "indexedDB", "navigator", "structuredClone", "AbortSignal", "AbortController", "Response", "Headers", "DOMException",
        "Worker", "addEventListener", "postMessage",
      ].map((name) => [name, "readonly"])),
    },
  },
  {
    files: ["examples/react/**/*.jsx"],
    languageOptions: { parserOptions: { ecmaFeatures: { jsx: true } } },
  },
  {
    // The test runs some of its code in the extension.
    files: ["examples/extension/**/*.js", "tests/examples.mjs"],
    languageOptions: { globals: { chrome: "readonly" } },
  },
);
