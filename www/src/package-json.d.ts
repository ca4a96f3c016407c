/** Of the package's manifest what the page tells: its version. */
declare module "doran/package.json" {
  const about: { readonly version: string };
  export default about;
}
