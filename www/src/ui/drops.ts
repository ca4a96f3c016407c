/** Files that are dropped anywhere on the page. */
import { useEffect } from "preact/hooks";

/** Gives each drop's files to `take`, while the view that calls it is shown; the page says so by the class `over` of its body. */
export function useDrops(take: (files: readonly File[]) => void): void {
  useEffect(() => {
    const over = (event: DragEvent): void => {
      event.preventDefault();
      document.body.classList.add("over");
    };
    const out = (): void => { document.body.classList.remove("over"); };
    const drop = (event: DragEvent): void => {
      event.preventDefault();
      out();
      take([...event.dataTransfer?.files ?? []]);
    };
    addEventListener("dragover", over);
    addEventListener("dragleave", out);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("dragleave", out);
      removeEventListener("drop", drop);
    };
  }, []);
}
