/**
 * <berth-gantt>: when the nodes of a pipeline run ran. A row is a node; a map has the outline of how many of its items ran, and
 * opens to pages of them. Names and bars are in one scrolled box, of which only the rows in sight are in the document.
 */
import { busy, clock, date, density, Scale, type Span, spansOf, took } from "./scale.ts";
import { describe, ended, type GraphNode, type Item, type ItemPage, number, PAGE, type Phase, shapes } from "./pipeline.ts";
import { make, seen, SVG, Viewer } from "./viewer.ts";

interface Opened { offset: number; items: Item[]; total: number; problem: string; loading: boolean }

/** Row is a node, an item of an open map, or the line that turns the pages of its items. */
type Row = { node: number; item?: Item; pages?: Opened };

const ROW = 28; // pixels
const OVER = 6; // rows beyond the sight
const NAMES = 240; // pixels, as in graph.css
const LEAST = 1, LARGEST = 200; // zoom
const MARGIN = 60; // pixels right of the last bar

class GanttView extends Viewer {
  private readonly tall = make("div", "tall");
  private readonly axis = make("div", "axis");
  private readonly rowsBox = make("div", "rows");
  private readonly percent = make("span", "quiet number");
  private rows: Row[] = [];
  private readonly opened = new Map<number, Opened>();
  private scale = new Scale([], 1);
  private zoom = 1;
  private rescale = true; // bars have other places
  private grown = false; // something has begun or ended that the scale does not know
  private shownFrom = -1;
  private shownTo = -1;
  private focusedRow = 0;
  private pressedAt: { x: number; left: number } | undefined;

  protected built(): void {
    this.view.tabIndex = 0;
    this.view.setAttribute("role", "region");
    this.view.setAttribute("aria-label", "Gantt chart: arrows move between nodes, Right opens a map, plus and minus zoom");
    this.axis.setAttribute("aria-hidden", "true");
    this.tall.append(this.axis, this.rowsBox);
    this.view.append(this.tall);
    this.bar.append(this.button("−", () => this.zoomBy(0.5), "Zoom out"), this.percent, this.button("+", () => this.zoomBy(2), "Zoom in"), this.button("Fit", () => this.zoomTo(1, 0)));
    const zoom = Number((new URLSearchParams(location.search).get("zoom") ?? "").split(",")[0]);
    if (zoom >= LEAST && zoom <= LARGEST) this.zoom = zoom;
    this.number();
    this.listen();
    // The scale grows with what runs, but not at each frame.
    setInterval(() => {
      if (document.hidden || !(this.grown || this.pipeline.nodes.some(({ state }) => state === "active"))) return;
      this.rescale = true;
      this.later();
    }, 1000);
  }

  /** number gives each node a row, and each open map those of its items. */
  private number(): void {
    this.rows = [];
    this.pipeline.nodes.forEach((_, node) => {
      this.rows.push({ node });
      const pages = this.opened.get(node);
      if (!pages) return;
      this.rows.push({ node, pages });
      for (const item of pages.items) this.rows.push({ node, item });
    });
    this.shownFrom = -1;
  }

  // Items

  private toggle(node: number, open = !this.opened.has(node)): void {
    if (!this.pipeline.nodes[node]!.map?.items || open === this.opened.has(node)) return;
    if (open) void this.page(node, { offset: "0" });
    else { this.opened.delete(node); this.number(); this.later(); }
  }

  /** page reads a page of a map's items. */
  private async page(node: number, parameters: Record<string, string>): Promise<void> {
    const before = this.opened.get(node) ?? { offset: 0, items: [], total: this.pipeline.nodes[node]!.map!.total, problem: "", loading: true };
    this.opened.set(node, { ...before, loading: true, problem: "" });
    this.number();
    this.later();
    try {
      const address = new URL(this.pipeline.nodes[node]!.map!.items!, location.href);
      for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
      const response = await fetch(address, { headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      const { offset, total, items } = (await response.json()) as ItemPage;
      if (!this.opened.has(node)) return; // it was closed
      this.opened.set(node, { offset, total, items: items.slice(0, PAGE), problem: "", loading: false });
    } catch (error) {
      if (!this.opened.has(node)) return;
      this.opened.set(node, { ...before, loading: false, problem: error instanceof Error ? error.message : String(error) });
    }
    this.number();
    this.rescale = true;
    this.draw();
  }

  // Sight

  protected show(node: number, item: string, focus: boolean): void {
    const shown = () => {
      const row = this.rows.findIndex((one) => one.node === node && (item === "" ? !one.item && !one.pages : one.item?.key === item));
      if (row >= 0) this.reveal(row, focus);
    };
    if (item !== "" && this.pipeline.nodes[node]!.map?.items && !this.opened.get(node)?.items.some(({ key }) => key === item)) {
      void this.page(node, { key: item }).then(shown);
    }
    shown();
  }

  private reveal(row: number, focus: boolean): void {
    this.focusedRow = row;
    const top = row * ROW;
    const height = this.view.clientHeight - ROW; // without the axis
    if (top < this.view.scrollTop || top + ROW > this.view.scrollTop + height) this.view.scrollTop = top - height / 2;
    this.shownFrom = -1;
    this.draw();
    if (focus) this.nameOf(row)?.focus({ preventScroll: true });
  }

  private nameOf(row: number): HTMLElement | null { return this.rowsBox.querySelector(`[data-row="${row}"] .name`); }

  private zoomBy(factor: number, at = (this.view.clientWidth - NAMES) / 2): void {
    this.zoomTo(Math.min(LARGEST, Math.max(LEAST, this.zoom * factor)), at);
  }

  /** zoomTo keeps the time at a distance from the names where it is. */
  private zoomTo(zoom: number, at: number): void {
    const left = ((this.view.scrollLeft + at) * zoom) / this.zoom - at;
    this.zoom = zoom;
    this.rescale = true;
    this.draw();
    this.view.scrollLeft = left;
    this.settle();
  }

  protected changed(node: number, _before: Readonly<GraphNode>): void {
    this.grown = true;
    for (let row = Math.max(0, this.shownFrom); row < this.shownTo; row++) if (this.rows[row]?.node === node) this.shownFrom = -1;
  }

  protected address(query: URLSearchParams): void {
    if (this.zoom === 1) query.delete("zoom");
    else query.set("zoom", String(Math.round(this.zoom * 100) / 100));
    query.delete("open");
  }

  // The document

  protected draw(): void {
    const width = Math.max(100, (this.view.clientWidth - NAMES - MARGIN) * this.zoom);
    if (this.rescale || this.scale.width !== width) this.measure(width);
    if (this.rescale) this.grown = false;
    this.rescale = false;
    this.tall.style.height = `${ROW * (this.rows.length + 1)}px`;
    this.tall.style.width = `${NAMES + width + MARGIN}px`;
    const percent = `${Math.round(this.zoom * 100)} %`;
    if (this.percent.textContent !== percent) this.percent.textContent = percent;
    const from = Math.max(0, Math.floor(this.view.scrollTop / ROW) - OVER);
    const to = Math.min(this.rows.length, Math.ceil((this.view.scrollTop + this.view.clientHeight) / ROW) + OVER);
    if (from === this.shownFrom && to === this.shownTo) return;
    const focused = this.rowsBox.contains(document.activeElement) ? this.focusedRow : -1;
    [this.shownFrom, this.shownTo] = [from, to];
    const now = Date.now();
    this.rowsBox.replaceChildren(...this.rows.slice(from, to).map((row, i) => this.rowElement(row, from + i, now)));
    this.rowsBox.style.top = `${ROW * (from + 1)}px`;
    if (focused >= from && focused < to) this.nameOf(focused)?.focus({ preventScroll: true });
    else if (focused >= 0) this.view.focus({ preventScroll: true });
  }

  /** measure finds the scale of all bars, and draws its axis. */
  private measure(width: number): void {
    const now = Date.now();
    const spans: Span[] = [];
    for (const node of this.pipeline.nodes) spans.push(...spansOf(node, now));
    this.scale = new Scale(busy(spans), width);
    this.shownFrom = -1;
    const ticks = this.scale.ticks(110);
    const seconds = ticks.length > 1 && ticks[1]! - ticks[0]! < 60_000;
    const long = ticks.length > 1 && ticks[ticks.length - 1]! - ticks[0]! > 12 * 3_600_000;
    const text = (at: number, i: number) => (long && (i === 0 || date(at) !== date(ticks[i - 1]!)) ? `${date(at)} ` : "") + clock(at, seconds);
    this.axis.replaceChildren(...ticks.map((at, i) => placed(make("span", "tick", text(at, i)), this.scale.x(at))),
      ...this.scale.pieces.filter(({ folded }) => folded).map((piece) => {
        const fold = placed(make("span", "fold", `⋯ ${took(piece.to - piece.from)}`), piece.x, piece.w);
        fold.title = `${took(piece.to - piece.from)} in which nothing ran`;
        return fold;
      }));
  }

  private rowElement(row: Row, at: number, now: number): HTMLElement {
    const element = make("div", "row");
    element.dataset["row"] = String(at);
    if (row.pages) { element.append(this.pager(row.node, row.pages)); return element; }
    const node = this.pipeline.nodes[row.node]!;
    const { state, started, ended: end, note } = row.item ?? node;
    const name = make("button", "name plain");
    name.type = "button";
    name.tabIndex = at === this.focusedRow ? 0 : -1;
    name.append(...seen(make("span", `shape ${state}`, shapes[state]), make("span", "text", row.item?.key ?? node.id)));
    const length = started === undefined ? "" : took((end === undefined ? now : Date.parse(end)) - Date.parse(started));
    const label = `${row.item ? [row.item.key, state, ...(note ? [note] : [])].join(", ") : describe(node)}${length === "" ? "" : `, ${length}`}`;
    name.append(make("span", "unseen", label));
    name.title = label;
    if (!row.item && node.map) {
      name.setAttribute("aria-expanded", String(this.opened.has(row.node)));
      name.append(...seen(make("span", "quiet", `${number(ended(node.map.counts))} of ${number(node.map.total)}`)));
    }
    element.classList.toggle("critical", !row.item && node.critical === true);
    element.classList.toggle("item", row.item !== undefined);
    element.classList.toggle("chosen", node.id === this.node && (row.item?.key ?? "") === this.item);
    const track = make("div", "track");
    if (!row.item && node.map?.bands) track.append(this.bands(node, label));
    else track.append(...this.bars(row.item ?? node, state, now));
    element.append(name, track);
    return element;
  }

  /** bars are the phases of a node, or one bar; each is wide enough to hit. */
  private bars(of: { started?: string; ended?: string; phases?: Phase[] }, state: string, now: number): HTMLElement[] {
    const phases: { kind: string; from: string; to?: string }[] = of.phases ?? (of.started === undefined ? [] : [{ kind: "running", from: of.started, ...(of.ended === undefined ? {} : { to: of.ended }) }]);
    return phases.map(({ kind, from, to }) => {
      const [left, right] = [this.scale.x(Date.parse(from)), this.scale.x(to === undefined ? now : Date.parse(to))];
      const bar = placed(make("span", `hit ${kind === "running" ? state : kind}`), left, right - left);
      bar.title = `${kind} ${took((to === undefined ? now : Date.parse(to)) - Date.parse(from))}`;
      return bar;
    });
  }

  private bands({ map, state, started, ended: end }: GraphNode, label: string): HTMLElement {
    const height = ROW - 8;
    const [left, right] = [this.scale.x(Date.parse(started ?? "")), this.scale.x(end === undefined ? Date.now() : Date.parse(end))];
    const box = placed(make("span", `hit band ${state}`), 0, Math.max(right, left));
    box.title = label;
    const drawn = document.createElementNS(SVG, "svg");
    drawn.setAttribute("width", "100%");
    drawn.setAttribute("height", String(height));
    for (const [name, way] of Object.entries(density(map!.bands!, this.scale, height))) {
      const path = document.createElementNS(SVG, "path");
      path.classList.add(name);
      path.setAttribute("d", way);
      drawn.append(path);
    }
    box.append(drawn);
    return box;
  }

  private pager(node: number, { offset, items, total, problem, loading }: Opened): HTMLElement {
    const line = make("div", "pager");
    const turn = (text: string, to: number, label: string) => {
      const one = this.button(text, () => void this.page(node, { offset: String(to) }), label);
      one.disabled = to < 0 || to >= total || loading;
      return one;
    };
    const last = offset + items.length;
    const text = problem !== "" ? `the items cannot be read: ${problem}` : loading ? "reading…" : `items ${number(offset + 1)} to ${number(last)} of ${number(total)}`;
    line.append(turn("‹", offset > 0 ? Math.max(0, offset - PAGE) : -1, "Items before"), turn("›", last > 0 ? last : total, "Items after"), make("span", "quiet", text));
    return line;
  }

  // Mouse and keys

  private listen(): void {
    this.view.addEventListener("scroll", () => this.later(), { passive: true });
    this.view.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // else it scrolls
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY * 0.005), event.clientX - this.view.getBoundingClientRect().left - NAMES);
    }, { passive: false });
    this.view.addEventListener("pointerdown", (event) => {
      if (event.button === 0 && event.pointerType === "mouse" && (event.target as Element).closest(".track, .axis")) this.pressedAt = { x: event.clientX, left: this.view.scrollLeft };
    });
    this.view.addEventListener("pointermove", (event) => { if (this.pressedAt) this.view.scrollLeft = this.pressedAt.left + this.pressedAt.x - event.clientX; });
    addEventListener("pointerup", () => { this.pressedAt = undefined; });
    this.rowsBox.addEventListener("click", (event) => {
      const target = event.target as Element;
      const row = this.rowOf(target);
      if (row === undefined || !target.closest(".name, .hit")) return;
      this.press(row);
    });
    this.view.addEventListener("focusin", (event) => { this.focusedRow = this.rowOf(event.target as Element) ?? this.focusedRow; });
    this.view.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.later()).observe(this.view);
  }

  private rowOf(target: Element): number | undefined {
    const row = target.closest<HTMLElement>("[data-row]")?.dataset["row"];
    return row === undefined ? undefined : Number(row);
  }

  /** press chooses a node or an item; a map that is chosen opens. */
  private press(at: number): void {
    const row = this.rows[at]!;
    const again = this.node === this.pipeline.nodes[row.node]!.id;
    this.choose(row.node, row.item?.key ?? "");
    if (!row.item && (again || !this.opened.has(row.node))) this.toggle(row.node);
    this.reveal(at, true);
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey && event.key.startsWith("Arrow")) return;
    const row = this.rows[this.focusedRow];
    const page = Math.max(1, Math.floor(this.view.clientHeight / ROW) - 2);
    const moves: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.rows.length, End: this.rows.length };
    const by = moves[event.key];
    if (by !== undefined) this.step(by);
    else if (event.key === "ArrowRight" && row) this.toggle(row.node, true);
    else if (event.key === "ArrowLeft" && row) {
      if (row.item || row.pages) this.reveal(this.rows.findIndex((one) => one.node === row.node), true);
      else this.toggle(row.node, false);
    } else if (event.key === "+" || event.key === "=") this.zoomBy(2);
    else if (event.key === "-") this.zoomBy(0.5);
    else if (event.key === "0") this.zoomTo(1, 0);
    else return;
    event.preventDefault();
  }

  private step(by: number): void {
    const last = this.rows.length - 1;
    let to = Math.min(last, Math.max(0, this.focusedRow + by));
    if (this.rows[to]?.pages) to = Math.min(last, Math.max(0, to + Math.sign(by))); // its buttons have the Tab key
    this.reveal(to, true);
  }
}

function placed<T extends HTMLElement>(one: T, x: number, w?: number): T {
  one.style.left = `${x}px`;
  if (w !== undefined) one.style.width = `${w}px`;
  return one;
}

customElements.define("berth-gantt", GanttView);
