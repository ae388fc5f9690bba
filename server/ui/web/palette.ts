/**
 * The palette: runs, deployments, pools and pages by a part of their names, over any page. The list is that of the search page,
 * which is asked for while one types; without this script the field in the header leads there.
 */
import { fetchPage } from "./page.ts";
import { tick } from "./time.ts";

const PAUSE = 120; // milliseconds without a key, after which the server is asked

let root = "./";
let open: Palette | undefined;

/** palette makes the field in the header open the palette. */
export function palette(site: string): void {
  root = site;
  const field = document.querySelector<HTMLInputElement>("#find");
  field?.addEventListener("click", () => openPalette(field.value));
  field?.addEventListener("input", () => { const text = field.value; field.value = ""; openPalette(text); });
}

/** openPalette opens the palette with a text to look for. Pages that need no sign-in have none. */
export function openPalette(text: string): void {
  if (!document.querySelector("#find") || document.querySelector("dialog[open]")) return;
  open ??= new Palette();
  open.show(text);
}

class Palette {
  private readonly dialog = document.createElement("dialog");
  private readonly field = document.createElement("input");
  private readonly list = document.createElement("ul");
  private readonly status = document.createElement("p");
  private at = 0; // the option that Enter opens
  private asked = ""; // the text whose list is shown
  private entered = false; // Enter was pressed before the list came
  private waiting: ReturnType<typeof setTimeout> | undefined;
  private stop: AbortController | undefined;

  constructor() {
    this.dialog.className = "palette";
    this.dialog.setAttribute("aria-label", "Find");
    this.field.type = "text";
    this.field.placeholder = "Find runs, deployments, pools, pages";
    this.field.maxLength = 200;
    this.field.autocomplete = "off";
    this.field.spellcheck = false;
    for (const [name, value] of Object.entries({
      "role": "combobox", "aria-label": "Name, or the beginning of a run's ID", "aria-controls": "palette-list", "aria-expanded": "true", "aria-autocomplete": "list",
    })) this.field.setAttribute(name, value);
    this.list.id = "palette-list";
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "Found");
    this.status.className = "quiet";
    this.status.setAttribute("role", "status");
    this.dialog.append(this.field, this.list, this.status);
    this.field.addEventListener("input", () => {
      this.stop?.abort();
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => void this.ask(), PAUSE);
    });
    this.field.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("pointermove", ({ target }) => { const i = this.indexOf(target); if (i >= 0 && i !== this.at) this.choose(i); });
    this.list.addEventListener("click", (event) => { const i = this.indexOf(event.target); if (i >= 0) this.go(i, event.ctrlKey || event.metaKey); });
    this.dialog.addEventListener("click", (event) => { if (event.target === this.dialog) this.dialog.close(); }); // beside it
    this.dialog.addEventListener("close", () => { this.stop?.abort(); clearTimeout(this.waiting); this.dialog.remove(); });
  }

  show(text: string): void {
    this.field.value = text;
    this.entered = false;
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.field.focus();
    void this.ask();
  }

  /** ask shows what the text finds. An answer to what is no longer typed is not waited for. */
  private async ask(): Promise<void> {
    this.stop?.abort();
    const stop = (this.stop = new AbortController());
    const text = this.field.value.trim();
    const address = new URL(`${root}search?${new URLSearchParams({ q: text }).toString()}`, location.href).href;
    let options: HTMLElement[];
    let said = "";
    try {
      const { page, url } = await fetchPage(address, stop.signal);
      const answer = page.getElementById("found");
      if (new URL(url).pathname.endsWith("/session")) { location.href = url; return; } // the session is over
      if (answer) options = [...answer.querySelectorAll("li")].map((one) => option(one, url));
      else options = new URL(url).pathname !== new URL(address).pathname ? [plain(page.querySelector("h1")?.textContent ?? url, url)] : []; // an ID leads to its run
      if (options.length === 0) said = answer?.textContent.trim() ?? page.querySelector("main")?.textContent.trim() ?? "";
    } catch (error) {
      if (stop.signal.aborted) return;
      options = [];
      said = `The search failed: ${error instanceof Error ? error.message : String(error)}.`;
    }
    if (stop.signal.aborted) return;
    this.asked = text;
    this.list.replaceChildren(...options);
    this.list.hidden = options.length === 0;
    this.field.setAttribute("aria-expanded", String(options.length > 0));
    this.status.textContent = said !== "" ? said : `${options.length} found`;
    this.choose(0);
    tick();
    if (this.entered && options.length > 0) this.go(0, false);
    this.entered = false;
  }

  private choose(at: number): void {
    this.at = at;
    [...this.list.children].forEach((one, i) => {
      one.id = `palette-${i}`;
      one.setAttribute("aria-selected", String(i === at));
    });
    const chosen = this.list.children[at];
    if (chosen) this.field.setAttribute("aria-activedescendant", chosen.id);
    else this.field.removeAttribute("aria-activedescendant");
    chosen?.scrollIntoView({ block: "nearest" });
  }

  private key(event: KeyboardEvent): void {
    const count = this.list.children.length;
    const moves: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    const move = moves[event.key];
    if (move !== undefined && count > 0) this.choose(Math.abs(move) === 1 ? (this.at + move + count) % count : Math.min(count - 1, Math.max(0, this.at + move)));
    else if (event.key === "Enter" && this.asked === this.field.value.trim()) this.go(this.at, event.ctrlKey || event.metaKey);
    else if (event.key === "Enter") this.entered = true;
    else return;
    event.preventDefault();
  }

  private indexOf(target: EventTarget | null): number {
    const one = target instanceof Element ? target.closest("[role=option]") : null;
    return one ? [...this.list.children].indexOf(one) : -1;
  }

  private go(at: number, tab: boolean): void {
    const address = (this.list.children[at] as HTMLElement | undefined)?.dataset["to"];
    if (!address) return;
    if (tab) { window.open(address, "_blank", "noopener"); return; }
    this.dialog.close();
    location.href = address;
  }
}

/** option is a line of the search page, without its link: an option holds no other control. */
function option(line: Element, page: string): HTMLElement {
  const made = document.importNode(line, true) as HTMLElement;
  const link = made.querySelector("a");
  made.dataset["to"] = new URL(link?.getAttribute("href") ?? "", page).href;
  if (link) {
    const name = document.createElement("span");
    name.className = "name";
    name.textContent = link.textContent;
    link.replaceWith(name);
  }
  made.setAttribute("role", "option");
  return made;
}

function plain(text: string, to: string): HTMLElement {
  const made = document.createElement("li");
  made.textContent = text;
  made.dataset["to"] = to;
  made.setAttribute("role", "option");
  return made;
}
