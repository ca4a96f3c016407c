/** What is drawn on a canvas, as far as a test can say. */

/** Pixels of a canvas that are neither clear nor grey. Runs in the page: `locator.evaluate(coloured)`. */
export function coloured(canvas) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) {
    const [red, green, blue] = data.slice(at, at + 3);
    if (data[at + 3] > 200 && Math.max(red, green, blue) - Math.min(red, green, blue) > 40) count += 1;
  }
  return count;
}
