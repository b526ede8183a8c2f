/** The element with this id; it is an error in the page if there is none of that kind. */
export function byId<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return found;
}

/** An element that is known by its id alone. */
export function text(id: string): HTMLElement {
  return byId(id, HTMLElement);
}

/** A new element with text. */
export function create<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  content = "",
  className = "",
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.textContent = content;
  if (className) made.className = className;
  return made;
}

/** Put `made` first into `list` and drop what is over `limit` at its end. */
export function prepend(list: HTMLElement, made: HTMLElement, limit: number): void {
  list.prepend(made);
  while (list.children.length > limit) list.lastElementChild?.remove();
}

/** Change the text only where it differs, so that screen readers announce only changes. */
export function setText(element: HTMLElement, content: string): void {
  if (element.textContent !== content) element.textContent = content;
}

/** Mark how an element is meant; the style sheet colours it. */
export function setTone(element: HTMLElement, tone: "good" | "bad" | "idle"): void {
  element.dataset.tone = tone;
}
