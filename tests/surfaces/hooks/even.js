/** Lets even ids through. */
export default function (logits) {
  for (let id = 1; id < logits.length; id += 2) logits[id] = -Infinity;
}
