/** Short words for what the views do with the DOM. */

/** The element of the page with this id, which must be of this class. */
export function byId<T extends Element>(id: string, type: new () => T): T {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new Error(`the page has no ${type.name} #${id}`);
}

/** A new element with text or children; strings are text, never markup. */
export function make<K extends keyof HTMLElementTagNameMap>(
  name: K, className: string, ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  if (className !== "") element.className = className;
  element.append(...children);
  return element;
}

/** A button that does `action`; `quiet` ones are the lesser choice. */
export function button(text: string, className: string, action: () => void): HTMLButtonElement {
  const element = make("button", className, text);
  element.type = "button";
  element.addEventListener("click", action);
  return element;
}

/** A model's name as people read it: the file's, when it is an address. */
export function shortName(name: string): string {
  const last = name.split("/").filter((part) => part !== "").at(-1) ?? name;
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}
