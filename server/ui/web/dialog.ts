import { fetchPage } from "./page.ts";

/**
 * dialogs shows the form of a page that a link with `data-dialog` leads to in a dialog, over the page that one is on. Without
 * this script the link leads to that page.
 */
export function dialogs(): void {
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>("a[data-dialog]") : null;
    if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    void open(link.href);
  });
  // Pressed twice is sent once.
  document.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset["sent"] !== undefined) { event.preventDefault(); return; }
    form.dataset["sent"] = "";
    setTimeout(() => { delete form.dataset["sent"]; }, 5000);
  });
  addEventListener("pageshow", () => { for (const form of document.querySelectorAll<HTMLFormElement>("form[data-sent]")) delete form.dataset["sent"]; });
}

async function open(url: string): Promise<void> {
  let body: Element | null | undefined;
  try {
    body = (await fetchPage(url)).page.querySelector("main .question");
  } catch {
    body = undefined;
  }
  if (!body) { location.href = url; return; }
  const dialog = document.createElement("dialog");
  const content = document.importNode(body, true);
  for (const form of content.querySelectorAll("form")) form.action = new URL(form.getAttribute("action") ?? "", url).href;
  for (const link of content.querySelectorAll<HTMLAnchorElement>("a.back")) link.addEventListener("click", (event) => { event.preventDefault(); dialog.close(); });
  const heading = content.querySelector("h1, h2");
  if (heading) { heading.id = "dialog-title"; dialog.setAttribute("aria-labelledby", heading.id); }
  dialog.append(content);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
