import { keysOff } from "./preference.ts";

/** goes are the second keys after `g`, and where each leads. */
const goes: Record<string, string> = { o: "./", r: "runs", d: "deployments", p: "pools", s: "schedules" };

/** keys are the single-letter keys of the page. They can be turned off in the menu (WCAG 2.1.4). */
export function keys(root: string): void {
  let after = "";
  document.addEventListener("keydown", (event) => {
    const target = event.target as Element;
    if (event.key === "k" && (event.ctrlKey || event.metaKey)) { find(event); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, select, textarea, dialog, [contenteditable], [data-keep]") || keysOff()) return;
    const before = after;
    after = "";
    const to = goes[event.key];
    if (before === "g" && to !== undefined) { location.href = new URL(root + to, location.href).href; return; }
    if (event.key === "g") after = "g";
    else if (event.key === "/") find(event);
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "x") choose();
  });
}

function find(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLInputElement>("#find")?.focus();
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
