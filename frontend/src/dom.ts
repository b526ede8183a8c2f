/** The element with this id. Throws if the page has none of that type. */
export function byId<T extends HTMLElement>(id: string, kind: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return element;
}

/** The element with this id, of any type. */
export function text(id: string): HTMLElement {
  return byId(id, HTMLElement);
}

/** A new element with text. */
export function create<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  content = "",
  className = "",
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.textContent = content;
  if (className) element.className = className;
  return element;
}

/** Insert `element` at the start of `list`, and remove the last ones beyond `limit`. */
export function prepend(list: HTMLElement, element: HTMLElement, limit: number): void {
  list.prepend(element);
  while (list.children.length > limit) list.lastElementChild?.remove();
}

/** Set the text if it differs, so that screen readers announce only changes. */
export function setText(element: HTMLElement, content: string): void {
  if (element.textContent !== content) element.textContent = content;
}

/** Set the tone of an element, which the style sheet shows as a colour. */
export function setTone(element: HTMLElement, tone: "good" | "bad" | "idle"): void {
  element.dataset.tone = tone;
}
