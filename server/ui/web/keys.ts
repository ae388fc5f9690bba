import { openPalette } from "./palette.ts";
import { keysOff } from "./preference.ts";

/** goes are the second keys after `g`, and where each leads. */
const goes: Record<string, string> = { o: "./", r: "runs", d: "deployments", p: "pools", s: "schedules" };

/** help is what `?` shows: keys, and what they do. */
const help: [string, string][] = [
  ["/ or Ctrl K", "find runs, deployments, pools and pages"], ["g o", "overview"], ["g r", "runs"], ["g d", "deployments"], ["g p", "pools"], ["g s", "schedules"],
  ["j, k", "next and previous row"], ["x", "choose the row"], ["Enter", "open the row"], ["e", "first error of the output"], ["?", "this help"],
];

/** keys are the single-letter keys of the page. They can be turned off in the menu (WCAG 2.1.4). */
export function keys(root: string): void {
  let after = "";
  document.addEventListener("keydown", (event) => {
    const target = event.target as Element;
    if (event.key === "k" && (event.ctrlKey || event.metaKey) && !target.closest("berth-code, berth-merge")) { find(event); return; }
    // A palette that Escape has just closed still has the focus, until the browser draws the page again.
    const typing = target.closest("input, select, textarea, dialog, [contenteditable], [data-keep]")?.checkVisibility();
    if (event.ctrlKey || event.metaKey || event.altKey || typing || keysOff()) return;
    const before = after;
    after = "";
    const to = goes[event.key];
    if (before === "g" && to !== undefined) { location.href = new URL(root + to, location.href).href; return; }
    if (event.key === "g") after = "g";
    else if (event.key === "/") find(event);
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "x") choose();
    else if (event.key === "e") document.querySelector("berth-log")?.dispatchEvent(new Event("first-error"));
    else if (event.key === "?") showHelp();
  });
  const sheet = document.querySelector(".menu .sheet");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  button.textContent = "Keyboard shortcuts";
  button.addEventListener("click", showHelp);
  sheet?.append(button);
}

function find(event: Event): void {
  event.preventDefault();
  openPalette("");
}

function showHelp(): void {
  if (document.querySelector("dialog[open]")) return;
  const dialog = document.createElement("dialog");
  dialog.className = "help";
  dialog.setAttribute("aria-labelledby", "help-title");
  const heading = document.createElement("h2");
  heading.id = "help-title";
  heading.textContent = "Keyboard shortcuts";
  const list = document.createElement("dl");
  for (const [key, what] of help) {
    const [term, meaning] = [document.createElement("dt"), document.createElement("dd")];
    for (const [i, part] of key.split(/(, | or )/).entries()) {
      const piece = document.createElement(i % 2 === 0 ? "kbd" : "span");
      piece.textContent = part;
      term.append(piece);
    }
    meaning.textContent = what;
    list.append(term, meaning);
  }
  const note = document.createElement("p");
  note.className = "quiet";
  note.textContent = keysOff() ? "Single-letter keys are off. The menu turns them on." : "The menu turns single-letter keys off. Ctrl K works all the same.";
  const close = document.createElement("button");
  close.type = "button";
  close.className = "second";
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.append(heading, list, note, close);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

const rows = () => [...document.querySelectorAll<HTMLElement>("main tr[id] a.row-link")];

function step(by: number): void {
  const all = rows();
  const at = all.indexOf(document.activeElement as HTMLElement);
  all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))]?.focus();
}

function choose(): void {
  document.activeElement?.closest("tr")?.querySelector<HTMLInputElement>("input[type=checkbox]")?.click();
}
