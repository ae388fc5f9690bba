/**
 * copies listens for the buttons with `data-copy`: they copy the element whose ID they name, or the command before them. Where
 * the browser lets no page write to the clipboard, as without TLS, the text is selected, so that one key copies it.
 */
export function copies(): void {
  document.addEventListener("click", ({ target }) => {
    const button = target instanceof Element ? target.closest<HTMLElement>("button[data-copy]") : null;
    if (!button) return;
    const named = button.dataset["copy"] ?? "";
    const source = named === "" ? button.previousElementSibling : document.getElementById(named);
    if (source) void copy(source, button);
  });
}

async function copy(source: Element, button: HTMLElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(source.textContent ?? "");
    say(button, "Copied");
  } catch {
    getSelection()?.selectAllChildren(source);
    say(button, "Selected: copy it with Ctrl C");
  }
}

function say(button: HTMLElement, text: string): void {
  const before = button.nextElementSibling?.matches(".copied") ? button.nextElementSibling : document.createElement("span");
  before.className = "copied quiet";
  before.setAttribute("role", "status");
  button.after(before);
  before.textContent = text;
}
