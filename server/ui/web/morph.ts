/**
 * morph makes the element `a` of the page like `b` of a newer rendering of it. What has an id keeps its identity, and so its
 * focus and its listeners; what a user is typing in or has opened is left alone; `data-keep` marks what belongs to a script.
 */
export function morph(a: Node, b: Node): void {
  if (a.nodeType !== b.nodeType || a.nodeName !== b.nodeName) {
    (a as ChildNode).replaceWith(document.importNode(b, true));
    return;
  }
  if (!(a instanceof Element)) {
    if (a.nodeValue !== b.nodeValue) a.nodeValue = b.nodeValue;
    return;
  }
  if (a.hasAttribute("data-keep")) return;
  if (a === document.activeElement && a.matches("input, select, textarea")) return;
  morphAttributes(a, b as Element);
  if (a.matches("textarea, select") && a.closest("form")?.matches("[data-typed]")) return;
  morphChildren(a, b as Element);
}

/** kept are attributes that a visitor changes, not the server. */
const kept = new Set(["open"]);

function morphAttributes(a: Element, b: Element): void {
  for (const { name, value } of b.attributes) if (a.getAttribute(name) !== value && !kept.has(name)) a.setAttribute(name, value);
  for (const { name } of [...a.attributes]) if (!b.hasAttribute(name) && !kept.has(name)) a.removeAttribute(name);
}

function morphChildren(a: Element, b: Element): void {
  const known = new Map([...a.children].filter((one) => one.id !== "").map((one) => [one.id, one]));
  let at: ChildNode | null = a.firstChild;
  for (const want of [...b.childNodes]) {
    const id = want instanceof Element ? want.id : "";
    const same = id === "" ? undefined : known.get(id);
    if (same) {
      if (same === at) at = at.nextSibling;
      else a.insertBefore(same, at);
      morph(same, want);
    } else if (at && id === "" && !(at instanceof Element && known.has(at.id))) {
      const next: ChildNode | null = at.nextSibling;
      morph(at, want);
      at = next;
    } else {
      a.insertBefore(document.importNode(want, true), at);
    }
  }
  while (at) {
    const next: ChildNode | null = at.nextSibling;
    if (!(at instanceof Element && at.hasAttribute("data-keep"))) at.remove();
    at = next;
  }
}
