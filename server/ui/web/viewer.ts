/** What the graph and the Gantt chart of a pipeline run share: their data, the search, the choice of a node, and the address. */
import { type Delta, type Graph, type GraphNode, number, Pipeline } from "./pipeline.ts";

export function make<K extends keyof HTMLElementTagNameMap>(name: K, cls = "", text = ""): HTMLElementTagNameMap[K] {
  const one = document.createElement(name);
  if (cls !== "") one.className = cls;
  if (text !== "") one.textContent = text;
  return one;
}

/** seen keeps what is in shapes from screen readers, which read the words beside it. */
export function seen(...elements: HTMLElement[]): HTMLElement[] {
  for (const one of elements) one.setAttribute("aria-hidden", "true");
  return elements;
}

export const SVG = "http://www.w3.org/2000/svg";

const SETTLED = 250; // milliseconds without a change, after which the address is written

export abstract class Viewer extends HTMLElement {
  protected pipeline!: Pipeline;
  protected readonly bar = make("div", "bar");
  protected readonly view = make("div", "view");
  protected readonly field = make("input");
  protected node = ""; // that is chosen
  protected item = "";
  private readonly status = make("span", "quiet");
  private hits: number[] = [];
  private hit = -1;
  private pending = false;
  private begun = false;
  private settling: ReturnType<typeof setTimeout> | undefined;

  /** built makes what is shown, when the data is here. */
  protected abstract built(): void;
  /** draw brings the document up to date. */
  protected abstract draw(): void;
  /** show brings a node, and an item of it, into sight; with focus, the keys go there. */
  protected abstract show(node: number, item: string, focus: boolean): void;
  /** changed takes in what a delta has changed of a node. */
  protected abstract changed(node: number, before: Readonly<GraphNode>): void;
  /** address adds the parameters that keep what is seen. */
  protected abstract address(query: URLSearchParams): void;

  connectedCallback(): void {
    if (this.begun) return;
    this.begun = true;
    const query = new URLSearchParams(location.search);
    [this.node, this.item] = [query.get("node") ?? "", query.get("item") ?? ""];
    this.field.type = "search";
    this.field.placeholder = "Find a node";
    this.field.setAttribute("aria-label", "Find a node, or an item as node/item");
    let wait: ReturnType<typeof setTimeout> | undefined;
    this.field.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(() => this.search(), 100); });
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      clearTimeout(wait);
      this.stepHit(event.shiftKey ? -1 : 1);
    });
    this.status.setAttribute("role", "status");
    this.status.textContent = "reading…";
    this.bar.append(this.field, this.status);
    this.replaceChildren(this.bar, this.view);
    this.addEventListener("delta", (event) => this.apply((event as CustomEvent<Delta>).detail));
    this.addEventListener("keydown", (event) => {
      const find = event.key === "/" || (event.key === "f" && (event.ctrlKey || event.metaKey));
      if (find && event.target !== this.field) { event.preventDefault(); this.field.select(); }
    });
    void this.load();
  }

  private async load(): Promise<void> {
    try {
      const { src, island } = this.dataset;
      let graph: Graph;
      if (src) {
        const response = await fetch(src, { headers: { Accept: "application/json" } });
        if (!response.ok) throw new Error(`the server answered ${response.status}`);
        graph = (await response.json()) as Graph;
      } else graph = JSON.parse(document.getElementById(island ?? "")?.textContent ?? "") as Graph;
      this.pipeline = new Pipeline(graph);
    } catch (error) {
      const again = this.button("Try again", () => { again.remove(); void this.load(); });
      this.status.textContent = `The nodes cannot be read: ${error instanceof Error ? error.message : String(error)}.`;
      this.bar.append(again);
      return;
    }
    this.status.textContent = `${number(this.pipeline.nodes.length)} nodes`;
    this.built();
    const chosen = this.pipeline.number(this.node);
    if (chosen === undefined) [this.node, this.item] = ["", ""];
    else this.show(chosen, this.item, false);
    this.link();
    this.draw();
    this.dataset["ready"] = "";
    performance.mark("berth-drawn");
  }

  /** apply shows what has changed. */
  apply(delta: Delta): void {
    this.pipeline?.apply(delta, (node, before) => this.changed(node, before));
    this.later();
  }

  /** later draws once, with the next frame. */
  protected later(): void {
    if (this.pending || !this.pipeline) return;
    this.pending = true;
    requestAnimationFrame(() => { this.pending = false; this.draw(); });
  }

  protected choose(node: number, item = ""): void {
    [this.node, this.item] = [this.pipeline.nodes[node]?.id ?? "", item];
    this.dispatchEvent(new CustomEvent("selected", { bubbles: true, detail: { node: this.node, item } }));
    this.link();
    this.settle();
    this.later();
  }

  private search(): void {
    const [name, item] = this.split();
    this.hits = this.pipeline.find(name);
    this.hit = this.hits.length > 0 ? 0 : -1;
    if (this.hit >= 0) this.jump(item, false);
    else this.status.textContent = name === "" ? `${number(this.pipeline.nodes.length)} nodes` : "no node has this in its name";
  }

  /** split divides "load/berlin-17" into a node with a map, and an item. */
  private split(): [string, string] {
    const text = this.field.value.trim();
    const cut = text.indexOf("/");
    const node = cut < 0 ? undefined : this.pipeline.number(text.slice(0, cut));
    return node !== undefined && this.pipeline.nodes[node]!.map ? [text.slice(0, cut), text.slice(cut + 1)] : [text, ""];
  }

  private stepHit(by: number): void {
    const [name, item] = this.split();
    const found = this.pipeline.find(name);
    if (found.length === 0) { this.search(); return; }
    const same = found.length === this.hits.length && found.every((one, i) => one === this.hits[i]);
    this.hits = found;
    this.hit = same ? (this.hit + by + found.length) % found.length : 0;
    this.jump(item, false);
  }

  private jump(item: string, focus: boolean): void {
    const node = this.hits[this.hit]!;
    this.status.textContent = `${number(this.hit + 1)} of ${number(this.hits.length)}: ${this.pipeline.nodes[node]!.id}`;
    this.choose(node, item);
    this.show(node, item, focus);
  }

  /** settle writes the address once nothing has moved for a moment. */
  protected settle(): void {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      const here = this.withChoice(location.href);
      this.address(here.searchParams);
      history.replaceState(history.state, "", here);
    }, SETTLED);
  }

  /** link makes the links to other views keep the choice. */
  private link(): void {
    for (const link of document.querySelectorAll<HTMLAnchorElement>("a[data-view]")) link.href = this.withChoice(link.href).href;
  }

  private withChoice(address: string): URL {
    const url = new URL(address);
    for (const [name, value] of [["node", this.node], ["item", this.item]] as const) {
      if (value === "") url.searchParams.delete(name);
      else url.searchParams.set(name, value);
    }
    return url;
  }

  protected button(text: string, act: () => void, label = ""): HTMLButtonElement {
    const one = make("button", "second small", text);
    one.type = "button";
    if (label !== "") { one.setAttribute("aria-label", label); one.title = label; }
    one.addEventListener("click", act);
    return one;
  }
}
