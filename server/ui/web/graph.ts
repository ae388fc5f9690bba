/**
 * <berth-graph>: the nodes of a pipeline run and what they need. Groups, and neighbours that are too many, are one box until
 * they are opened; boxes are put into the document when the sight comes near them. What runs changes colours and counts, and moves nothing.
 */
import "./gantt.ts";
import { arrange, type Arrangement, type Point } from "./layout.ts";
import { describe, ended, type GraphNode, inShapes, number, shapes, STATES } from "./pipeline.ts";
import { type Box, count, describeHolder, heldIn, hue, mark, type Tree, treeOf } from "./tree.ts";
import { make, seen, SVG, Viewer } from "./viewer.ts";

interface Rectangle { x: number; y: number; w: number; h: number }
interface Shown extends Rectangle { box: Box; open: boolean }
interface Route { points: Point[]; from: Box; to: Box; near: Rectangle }

const WIDTH = 190, HEIGHT = 54; // pixels of a box
const HEAD = 34, EDGE = 14; // pixels of an open group's heading, and beside its boxes
const MOST = 480; // boxes that are shown at a time
const LEAST = 0.05, LARGEST = 2, READABLE = 0.7; // zoom
const FAR = 0.4; // zoom below which no text is drawn
const STEP = 80; // pixels that a key pans
const STILL = 150; // milliseconds

class GraphView extends Viewer {
  private readonly world = make("div", "world");
  private readonly lines = document.createElementNS(SVG, "svg");
  private readonly paths = new Map<string, SVGPathElement>();
  private readonly scale = make("span", "quiet number");
  private readonly failures = this.button("", () => this.nextFailure());
  private tree!: Tree;
  private readonly open = new Set<Box>(); // in the order of their opening
  private readonly arrangements = new Map<Box, Arrangement>();
  private shown = new Map<Box, Shown>();
  private routes: Route[] = [];
  private size = { w: 0, h: 0 };
  private x = 0; // of the world at the left of the view
  private y = 0;
  private zoom = 1;
  private moved = true; // something was opened or closed
  private culled: Rectangle | undefined; // the part of the world whose boxes are in the document
  private readonly elements = new Map<Box, HTMLElement>();
  private readonly stale = new Set<Box>();
  private focused: Box | undefined;
  private failure = -1;
  private readonly pointers = new Map<number, Point>();
  private dragged = false;
  private moving = "";
  private still: ReturnType<typeof setTimeout> | undefined;

  protected built(): void {
    this.tree = treeOf(this.pipeline);
    this.view.setAttribute("role", "application");
    this.view.setAttribute("aria-label", "Graph of nodes: arrows follow the edges, Enter opens a group or chooses a node, plus and minus zoom");
    this.lines.setAttribute("aria-hidden", "true");
    for (const name of ["plain", "critical", "lit"]) {
      const path = document.createElementNS(SVG, "path");
      path.classList.add(name);
      this.paths.set(name, path);
      this.lines.append(path);
    }
    this.world.append(this.lines);
    this.view.append(this.world);
    this.bar.append(this.failures, this.button("−", () => this.zoomBy(0.8), "Zoom out"), this.scale,
      this.button("+", () => this.zoomBy(1.25), "Zoom in"), this.button("Fit", () => this.fit(LEAST)), this.button("Close groups", () => this.closeAll()));
    this.listen();

    const query = new URLSearchParams(location.search);
    if (query.has("open")) for (const id of query.getAll("open")) this.openAll(this.tree.holders.get(id));
    else this.pipeline.nodes.forEach((node, i) => { if (node.state === "failed") this.openAll(this.tree.leaves[i]!.parent); });
    this.place();
    const [zoom, x, y] = (query.get("zoom") ?? "").split(",").map(Number);
    if (zoom && zoom >= LEAST && zoom <= LARGEST && Number.isFinite(x) && Number.isFinite(y)) [this.zoom, this.x, this.y] = [zoom, x!, y!];
    else {
      this.fit(READABLE);
      const failed = this.pipeline.nodes.findIndex(({ state }) => state === "failed");
      if (failed >= 0) this.reveal(this.visible(this.tree.leaves[failed]!));
    }
    this.sayFailures();
  }

  // Boxes

  /** arrangement is where the children of a holder stand. It changes only with what is open. */
  private arrangement(holder: Box): Arrangement {
    let made = this.arrangements.get(holder);
    if (!made) {
      made = arrange(holder.children.map((child) => {
        if (!this.open.has(child)) return { w: WIDTH, h: HEIGHT };
        const { w, h } = this.arrangement(child);
        return { w: Math.max(w, WIDTH) + 2 * EDGE, h: h + HEAD + EDGE };
      }), holder.edges);
      this.arrangements.set(holder, made);
    }
    return made;
  }

  /** place finds where everything stands. */
  private place(): void {
    this.moved = false;
    this.culled = undefined;
    this.shown = new Map();
    this.routes = [];
    const within = (holder: Box, left: number, top: number) => {
      const { places, routes } = this.arrangement(holder);
      holder.children.forEach((child, i) => {
        const { x, y } = places[i]!;
        const open = this.open.has(child);
        const inside = open ? this.arrangement(child) : undefined;
        this.shown.set(child, {
          box: child, open, x: left + x, y: top + y, w: inside ? Math.max(inside.w, WIDTH) + 2 * EDGE : WIDTH, h: inside ? inside.h + HEAD + EDGE : HEIGHT,
        });
        if (inside) within(child, left + x + EDGE, top + y + HEAD);
      });
      routes.forEach((way, e) => {
        const points = way.map(({ x, y }) => ({ x: left + x, y: top + y }));
        this.routes.push({ points, from: holder.children[holder.edges[2 * e]!]!, to: holder.children[holder.edges[2 * e + 1]!]!, near: around(points) });
      });
    };
    within(this.tree.root, 0, 0);
    const { w, h } = this.arrangement(this.tree.root);
    this.size = { w, h };
    this.lines.setAttribute("width", String(w));
    this.lines.setAttribute("height", String(h));
    for (const element of this.elements.values()) element.remove();
    this.elements.clear();
    if (!this.focused || !this.shown.has(this.focused)) this.focused = this.focused ? this.visible(this.focused) : this.shown.keys().next().value;
  }

  /** toggle opens or closes a holder, whose heading stays where it is. */
  private toggle(holder: Box): void {
    const before = this.shown.get(holder);
    if (this.open.has(holder)) this.close(holder);
    else this.openAll(holder);
    this.place();
    const after = this.shown.get(holder);
    if (before && after) { this.x += after.x - before.x; this.y += after.y - before.y; }
    this.settle();
    this.later();
  }

  /** openAll opens a holder and what holds it. Where that is too much, what was opened first is closed. */
  private openAll(holder: Box | undefined): void {
    if (!holder || holder === this.tree.root) return;
    this.openAll(holder.parent);
    if (this.open.has(holder)) return;
    const keeps = new Set<Box>();
    for (let at: Box | undefined = holder; at; at = at.parent) keeps.add(at);
    const boxes = () => this.tree.root.children.length + [...this.open].reduce((sum, one) => sum + one.children.length, 0);
    for (const one of [...this.open]) {
      if (boxes() + holder.children.length <= MOST) break;
      if (!keeps.has(one)) this.close(one);
    }
    this.open.add(holder);
    this.outdate(holder.parent);
  }

  private close(holder: Box): void {
    this.open.delete(holder);
    for (const one of holder.children) if (this.open.has(one)) this.close(one);
    this.arrangements.delete(holder);
    this.outdate(holder.parent);
  }

  private closeAll(): void {
    this.open.clear();
    this.arrangements.clear();
    this.place();
    this.fit(READABLE);
  }

  /** outdate forgets the places in what holds a box that has grown or shrunk. */
  private outdate(holder: Box | undefined): void {
    for (let at = holder; at; at = at.parent) this.arrangements.delete(at);
    this.moved = true;
  }

  /** visible is the box in which a box is seen: itself, or the outermost closed one that holds it. */
  private visible(box: Box): Box {
    let outer = box;
    for (let at = box.parent; at && at !== this.tree.root; at = at.parent) if (!this.open.has(at)) outer = at;
    return outer;
  }

  // Sight

  private fit(least: number): void {
    const { clientWidth: width, clientHeight: height } = this.view;
    this.zoom = Math.max(least, Math.min(1, (width - 48) / this.size.w, (height - 48) / this.size.h));
    this.x = this.size.w * this.zoom > width - 48 ? -24 / this.zoom : (this.size.w - width / this.zoom) / 2;
    if (least === LEAST) this.x = (this.size.w - width / this.zoom) / 2;
    this.y = (this.size.h - height / this.zoom) / 2;
    this.settle();
    this.later();
  }

  /** reveal moves the sight until a box is in it. */
  private reveal(box: Box): void {
    const at = this.shown.get(box);
    if (!at) return;
    const [width, height] = [this.view.clientWidth / this.zoom, this.view.clientHeight / this.zoom];
    const [w, h] = [Math.min(at.w, width), at.open ? HEAD : at.h];
    if (at.x < this.x || at.x + w > this.x + width) this.x = at.x + w / 2 - width / 2;
    if (at.y < this.y || at.y + h > this.y + height) this.y = at.y + h / 2 - height / 2;
    this.settle();
    this.later();
  }

  private zoomBy(factor: number, at?: Point): void {
    const { x, y } = at ?? { x: this.view.clientWidth / 2, y: this.view.clientHeight / 2 };
    const zoom = Math.min(LARGEST, Math.max(LEAST, this.zoom * factor));
    this.x += x / this.zoom - x / zoom;
    this.y += y / this.zoom - y / zoom;
    this.zoom = zoom;
    this.settle();
    this.later();
  }

  private pan(dx: number, dy: number): void {
    this.x += dx / this.zoom;
    this.y += dy / this.zoom;
    this.settle();
    this.later();
  }

  protected show(node: number, _item: string, focus: boolean): void {
    const leaf = this.tree.leaves[node]!;
    this.openAll(leaf.parent);
    if (this.moved) this.place();
    if (this.zoom < READABLE) this.zoom = READABLE;
    this.focused = leaf;
    this.reveal(leaf);
    if (focus) this.focusOn(leaf);
  }

  private nextFailure(): void {
    const failed = this.pipeline.nodes.flatMap(({ state }, i) => (state === "failed" ? [i] : []));
    if (failed.length === 0) return;
    this.failure = failed.find((i) => i > this.failure) ?? failed[0]!;
    this.choose(this.failure);
    this.show(this.failure, "", true);
  }

  private sayFailures(): void {
    const failed = this.tree.root.counts.failed ?? 0;
    this.failures.hidden = failed === 0;
    this.failures.textContent = `✕ ${number(failed)} failed`;
  }

  protected changed(node: number, before: Readonly<GraphNode>): void {
    const [leaf, now] = [this.tree.leaves[node]!, this.pipeline.nodes[node]!];
    if (Boolean(before.critical) !== Boolean(now.critical)) { mark(leaf, now.critical ? 1 : -1); this.culled = undefined; }
    if (before.state !== now.state) for (const held of count(leaf, before.state, now.state)) this.stale.add(held);
    this.stale.add(leaf);
  }

  protected address(query: URLSearchParams): void {
    query.set("zoom", `${this.zoom.toFixed(3)},${Math.round(this.x)},${Math.round(this.y)}`);
    query.delete("open");
    for (const { id } of this.open) query.append("open", id);
    if (this.open.size === 0) query.set("open", "");
  }

  // The document

  protected draw(): void {
    if (this.moved) this.place();
    const [width, height] = [this.view.clientWidth / this.zoom, this.view.clientHeight / this.zoom];
    // Something of the graph stays in sight.
    this.x = Math.min(Math.max(this.x, -width * 0.8), this.size.w - width * 0.2);
    this.y = Math.min(Math.max(this.y, -height * 0.8), this.size.h - height * 0.2);
    this.move();
    this.world.style.transform = `translate(${-this.x * this.zoom}px, ${-this.y * this.zoom}px) scale(${this.zoom})`;
    this.view.classList.toggle("far", this.zoom < FAR);
    const percent = `${Math.round(this.zoom * 100)} %`;
    if (this.scale.textContent !== percent) this.scale.textContent = percent;
    const sight = { x: this.x, y: this.y, w: width, h: height };
    if (!this.culled || !covers(this.culled, sight)) this.cull(sight);
    if (this.stale.size > 0) this.sayFailures();
    for (const box of this.stale) {
      const element = this.elements.get(box);
      if (element) this.paint(element, this.shown.get(box)!);
    }
    this.stale.clear();
    this.light();
  }

  /** move lets the browser scale what it has painted, until the sight stands still for a moment. */
  private move(): void {
    const place = `${this.x} ${this.y} ${this.zoom}`;
    if (place === this.moving) return;
    this.moving = place;
    this.world.classList.add("moving");
    clearTimeout(this.still);
    this.still = setTimeout(() => this.world.classList.remove("moving"), STILL);
  }

  /** cull puts the boxes and edges near the sight into the document. */
  private cull(sight: Rectangle): void {
    const near = { x: sight.x - sight.w / 2, y: sight.y - sight.h / 2, w: 2 * sight.w, h: 2 * sight.h };
    this.culled = near;
    for (const [box, at] of this.shown) {
      // What is here stays: there are few, and a pan that goes to and fro makes nothing anew.
      if (!this.elements.has(box) && (box === this.focused || touches(near, at))) this.world.append(this.boxElement(at));
    }
    const ways: Record<string, string> = { plain: "", critical: "" };
    for (const { points, from, to, near: place } of this.routes) {
      if (touches(near, place)) ways[from.critical > 0 && to.critical > 0 ? "critical" : "plain"] += curve(points);
    }
    for (const [name, way] of Object.entries(ways)) this.paths.get(name)!.setAttribute("d", way);
  }

  private boxElement(at: Shown): HTMLElement {
    const element = make("div");
    element.setAttribute("role", "button");
    element.style.left = `${at.x}px`;
    element.style.top = `${at.y}px`;
    element.style.width = `${at.w}px`;
    element.style.height = `${at.open ? HEAD : at.h}px`;
    if (at.open) element.style.setProperty("--frame", `${at.h}px`);
    element.append(...seen(make("span", "name", at.box.name), make("span", "what")), make("span", "unseen"));
    if (!at.open && (at.box.node < 0 || this.pipeline.nodes[at.box.node]!.map)) element.append(make("span", "share"));
    this.elements.set(at.box, element);
    this.paint(element, at);
    return element;
  }

  /** paint says what a box is and how it is. */
  private paint(element: HTMLElement, { box, open }: Shown): void {
    const node = box.node < 0 ? undefined : this.pipeline.nodes[box.node]!;
    const counts = node?.map?.counts ?? box.counts;
    const state = node?.state ?? hue(box.counts);
    element.className = `box ${box.kind} ${state}${open ? " open" : ""}${box.critical > 0 ? " critical" : ""}${node?.map ? " map" : ""}`;
    const what = node?.map ? `${shapes[node.state]} ${number(ended(counts))} of ${number(node.map.total)}${counts.failed ? ` · ✕${number(counts.failed)}` : ""}`
      : node ? `${shapes[node.state]} ${node.state}` : heldIn(box);
    const place = element.querySelector(".what")!;
    if (place.textContent !== what) place.textContent = what;
    const label = node ? describe(node) : describeHolder(box);
    const words = element.querySelector(".unseen")!;
    if (words.textContent !== label) words.textContent = label;
    element.title = node?.map ? `${label}: ${inShapes(counts)}` : label;
    element.tabIndex = box === this.focused ? 0 : -1;
    if (!node) element.setAttribute("aria-expanded", String(open));
    else if (node.id === this.node) element.setAttribute("aria-current", "true");
    else element.removeAttribute("aria-current");
    const share = element.querySelector(".share");
    if (!share) return;
    const rest = node?.map ? node.map.total - Object.values(counts).reduce((sum, n) => sum + n, 0) : 0;
    STATES.forEach((one, i) => {
      const part = (share.children[i] ?? share.appendChild(make("i", one))) as HTMLElement;
      part.style.flexGrow = String((counts[one] ?? 0) + (one === "waiting" ? Math.max(0, rest) : 0));
    });
  }

  /** light draws the edges of the chosen node, or of that with the focus. */
  private light(): void {
    const chosen = this.pipeline.number(this.node);
    const box = this.focused?.kind === "node" && this.view.contains(document.activeElement) ? this.focused : chosen === undefined ? undefined : this.tree.leaves[chosen];
    let way = "";
    const at = box && this.shown.get(box);
    if (box && at) {
      const ends = (nodes: number[]) => [...new Set(nodes.slice(0, 500).map((i) => this.visible(this.tree.leaves[i]!)))].filter((one) => one !== box).map((one) => this.shown.get(one)!);
      const middle = (one: Shown) => one.y + (one.open ? HEAD : one.h) / 2;
      for (const from of ends(this.pipeline.parents[box.node]!)) way += curve([{ x: from.x + from.w, y: middle(from) }, { x: at.x, y: middle(at) }]);
      for (const to of ends(this.pipeline.children[box.node]!)) way += curve([{ x: at.x + at.w, y: middle(at) }, { x: to.x, y: middle(to) }]);
    }
    const path = this.paths.get("lit")!;
    if (path.getAttribute("d") !== way) path.setAttribute("d", way);
    for (const [one, element] of this.elements) {
      const current = one.kind === "node" && this.pipeline.nodes[one.node]!.id === this.node;
      if (current !== element.hasAttribute("aria-current")) element.toggleAttribute("aria-current", current);
      if (current) element.setAttribute("aria-current", "true");
      if ((element.tabIndex === 0) !== (one === this.focused)) element.tabIndex = one === this.focused ? 0 : -1;
    }
  }

  // Mouse and keys

  private listen(): void {
    this.view.addEventListener("wheel", (event) => {
      event.preventDefault();
      const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      if (event.shiftKey) this.pan((event.deltaX || event.deltaY) * unit, 0);
      else this.zoomBy(Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0015)), this.inView(event));
    }, { passive: false });
    this.view.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.pointers.set(event.pointerId, this.inView(event));
      this.dragged = false;
    });
    this.view.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel"] as const) {
      addEventListener(end, (event) => { this.pointers.delete(event.pointerId); this.view.classList.remove("dragged"); });
    }
    this.view.addEventListener("click", (event) => {
      const box = this.boxOf(event.target);
      if (!box || this.dragged) return;
      this.focusOn(box);
      this.press(box);
    });
    this.view.addEventListener("focusin", (event) => {
      const box = this.boxOf(event.target);
      if (box && box !== this.focused) { this.focused = box; this.later(); }
      else if (box) this.later();
    });
    this.view.addEventListener("focusout", () => this.later());
    this.view.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.later()).observe(this.view);
  }

  private inView(event: MouseEvent): Point {
    const { left, top } = this.view.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  /** drag pans, and with two fingers it zooms. */
  private drag(event: PointerEvent): void {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = this.inView(event);
    if (!this.dragged && Math.hypot(now.x - before.x, now.y - before.y) < 4) return;
    if (!this.dragged) { this.dragged = true; this.view.setPointerCapture(event.pointerId); this.view.classList.add("dragged"); }
    this.pointers.set(event.pointerId, now);
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (!other) { this.pan(before.x - now.x, before.y - now.y); return; }
    const length = (one: Point) => Math.max(1, Math.hypot(one.x - other.x, one.y - other.y));
    this.zoomBy(length(now) / length(before), other);
  }

  private boxOf(target: EventTarget | null): Box | undefined {
    const element = target instanceof Element ? target.closest<HTMLElement>(".box") : null;
    if (element) for (const [box, one] of this.elements) if (one === element) return box;
    return undefined;
  }

  private press(box: Box): void {
    if (box.kind === "node") { this.choose(box.node); return; }
    this.toggle(box);
    this.focusOn(box);
  }

  /** focusOn moves the focus to a box, wherever it is. */
  private focusOn(box: Box): void {
    this.focused = box;
    this.reveal(box);
    this.draw();
    this.elements.get(box)?.focus({ preventScroll: true });
  }

  private key(event: KeyboardEvent): void {
    const box = this.boxOf(event.target);
    if (!box || event.ctrlKey || event.metaKey || event.altKey) return;
    const moves: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    let to: Box | undefined;
    if (move && event.shiftKey) this.pan(move[0] * STEP, move[1] * STEP);
    else if (move) to = move[0] !== 0 ? this.along(box, move[0]) : this.beside(box, move[1]);
    else if (event.key === "Enter" || event.key === " ") this.press(box);
    else if (event.key === "Escape") to = box.parent === this.tree.root ? undefined : box.parent;
    else if (event.key === "Home") to = this.shown.keys().next().value;
    else if (event.key === "End") to = [...this.shown.keys()].pop();
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.25);
    else if (event.key === "-") this.zoomBy(0.8);
    else if (event.key === "0") this.fit(LEAST);
    else return;
    event.preventDefault();
    if (to) this.focusOn(to);
  }

  /** along follows an edge: to the nearest box that leads here (-1), or that this one leads to (1). */
  private along(box: Box, by: number): Box | undefined {
    if (this.open.has(box) && by > 0) return box.children[0];
    let ends: Box[];
    if (box.kind === "node") ends = (by > 0 ? this.pipeline.children : this.pipeline.parents)[box.node]!.map((i) => this.visible(this.tree.leaves[i]!));
    else {
      const { edges, children } = box.parent!;
      ends = children.filter((_, i) => edges.some((end, e) => (by > 0 ? e % 2 === 1 && end === i && edges[e - 1] === box.at : e % 2 === 0 && end === i && edges[e + 1] === box.at)));
    }
    if (ends.length === 0 && by < 0 && box.parent !== this.tree.root) return box.parent;
    const here = this.shown.get(box)!;
    return nearest(ends.map((one) => this.shown.get(one)!), (one) => Math.abs(one.y - here.y));
  }

  /** beside is the next box above (-1) or below (1) in the same holder and column. */
  private beside(box: Box, by: number): Box | undefined {
    const here = this.shown.get(box)!;
    const others = box.parent!.children.map((one) => this.shown.get(one)!).filter((one) => (one.y - here.y) * by > 0);
    return nearest(others, (one) => Math.abs(one.y - here.y) + 4 * Math.abs(one.x - here.x));
  }
}

function nearest(of: Shown[], far: (one: Shown) => number): Box | undefined {
  return of.reduce<Shown | undefined>((best, one) => (best && far(best) <= far(one) ? best : one), undefined)?.box;
}

const touches = (a: Rectangle, b: Rectangle): boolean => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

const covers = (a: Rectangle, b: Rectangle): boolean => a.x <= b.x && a.y <= b.y && a.x + a.w >= b.x + b.w && a.y + a.h >= b.y + b.h;

function around(points: Point[]): Rectangle {
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, w: Math.max(...xs) - x + 1, h: Math.max(...ys) - y + 1 };
}

/** curve is the way through some points, level at each. */
function curve(points: Point[]): string {
  return points.map(({ x, y }, i) => {
    const last = points[i - 1];
    if (!last) return `M${x} ${y}`;
    if (last.y === y) return `H${x}`;
    const bend = Math.max(24, Math.abs(x - last.x) / 2) * (x < last.x && i === 1 && points.length === 2 ? 1 : Math.sign(x - last.x || 1));
    return `C${last.x + bend} ${last.y} ${x - bend} ${y} ${x} ${y}`;
  }).join("");
}

customElements.define("berth-graph", GraphView);
