/** Makes a model say what its address has: `?ids=` of one answer after the other, each with the id that ends it. */
const ids = new URL(import.meta.url).searchParams.get("ids").split(",").map(Number);
let said = 0;
export default function (logits) {
  logits.fill(-Infinity);
  logits[ids[said]] = 0;
  said += 1;
}
