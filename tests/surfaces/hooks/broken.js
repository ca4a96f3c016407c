/** Fails. */
export default function () {
  throw new Error("this hook fails");
}
