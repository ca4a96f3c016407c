/**
 * The catalogue as the bundle of `doran/catalogue` takes it in. The file stands outside `src`, where it is a file of the package too;
 * `tests/catalogue.mjs` holds it to this type.
 */
declare module "*/models.json" {
  const models: readonly import("./catalogue.js").CatalogueEntry[];
  export default models;
}
