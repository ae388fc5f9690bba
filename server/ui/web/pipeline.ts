/**
 * A pipeline run as <berth-graph> and <berth-gantt> show it: the JSON that they read, and what they know of its nodes.
 *
 * A page uses an element with the entry "graph" among its scripts (Frame.Scripts) and
 *
 *     <berth-graph data-src="…/graph" data-keep id="graph"></berth-graph>     a Graph as JSON, or instead of data-src:
 *     <berth-gantt data-island="data" data-keep id="gantt"></berth-gantt>     <script type="application/json" id="data">
 *
 * What changes arrives with apply(delta), or with the event "delta" whose detail it is. The event "selected" says which node
 * and item a visitor has chosen. The address keeps node, item, zoom and open groups; links with data-view keep them too.
 */

/** State of a node. A skipped node had nothing to do; a blocked one never can do it. */
export type State = "waiting" | "held" | "active" | "succeeded" | "failed" | "skipped" | "blocked" | "cancelled";

/** STATES are in the order in which counts are said: what needs a look comes first. */
export const STATES: readonly State[] = ["failed", "blocked", "cancelled", "active", "held", "succeeded", "skipped", "waiting"];

export const shapes: Record<State, string> = {
  waiting: "◌", held: "◐", active: "●", succeeded: "✓", failed: "✕", skipped: "↷", blocked: "■", cancelled: "⊘",
};

/** Counts are how many are in a state; a state that is missing has none. */
export type Counts = Partial<Record<State, number>>;

/** Graph is what the elements read. Its structure, that is id, group and needs, never changes: it is a revision's. */
export interface Graph { nodes: GraphNode[] }

export interface GraphNode {
  id: string;
  group?: string;
  needs?: string[]; // ids of its parents
  state: State;
  started?: string; // RFC 3339
  ended?: string;
  phases?: Phase[]; // in the order of time; without them one bar is drawn
  critical?: boolean; // on the critical path
  note?: string; // why it failed, is blocked or was skipped, in a line
  map?: GraphMap;
}

/** GraphMap is what a node that runs once for each item has besides. */
export interface GraphMap {
  total: number;
  counts: Counts;
  items?: string; // address of its items, which answers an ItemPage: ?offset=200, or ?key=K for the page with an item
  bands?: Band[]; // how many items ran when, in the order of time, at most some hundred
}

export interface Band { from: string; to: string; active: number; failed?: number }

export interface Phase { kind: "held" | "queued" | "starting" | "running" | "retrying"; from: string; to?: string }

export interface Item { key: string; state: State; started?: string; ended?: string; note?: string }

export interface ItemPage { offset: number; total: number; items: Item[] }

/** PAGE is how many items a page has. */
export const PAGE = 200;

/** Delta is what has changed of some nodes. */
export interface Delta { nodes: (Partial<Omit<GraphNode, "needs" | "group">> & { id: string })[] }

export class Pipeline {
  readonly nodes: GraphNode[];
  readonly parents: number[][];
  readonly children: number[][];
  private readonly numbers = new Map<string, number>();

  constructor(graph: Graph) {
    this.nodes = graph.nodes;
    this.nodes.forEach((node, i) => this.numbers.set(node.id, i));
    this.parents = this.nodes.map(() => []);
    this.children = this.nodes.map(() => []);
    this.nodes.forEach((node, i) => {
      for (const need of new Set(node.needs)) {
        const parent = this.numbers.get(need);
        if (parent === undefined || parent === i) continue;
        this.parents[i]!.push(parent);
        this.children[parent]!.push(i);
      }
    });
  }

  /** number is that of a node by its ID. */
  number(id: string): number | undefined { return this.numbers.get(id); }

  /** apply takes in a delta, and calls changed with each node and what it was before. */
  apply(delta: Delta, changed: (node: number, before: Readonly<GraphNode>) => void): void {
    for (const { id, ...fresh } of delta.nodes) {
      const i = this.numbers.get(id);
      if (i === undefined) continue;
      const before = { ...this.nodes[i]! };
      Object.assign(this.nodes[i]!, fresh);
      changed(i, before);
    }
  }

  /** find returns the nodes whose ID contains a text, names that begin with it first. */
  find(text: string): number[] {
    const wanted = text.trim().toLowerCase();
    if (wanted === "") return [];
    const found: number[] = [];
    this.nodes.forEach((node, i) => { if (node.id.toLowerCase().includes(wanted)) found.push(i); });
    const begins = (i: number) => (this.nodes[i]!.id.toLowerCase().startsWith(wanted) ? 0 : 1);
    return found.sort((a, b) => begins(a) - begins(b) || a - b);
  }
}

export const number = (n: number): string => n.toLocaleString("en");

/** ended is how many have ended. */
export const ended = (counts: Counts): number =>
  (counts.succeeded ?? 0) + (counts.failed ?? 0) + (counts.skipped ?? 0) + (counts.blocked ?? 0) + (counts.cancelled ?? 0);

/** inShapes is "✕3 ●50 ✓6,400". */
export const inShapes = (counts: Counts): string =>
  STATES.filter((state) => (counts[state] ?? 0) > 0).map((state) => shapes[state] + number(counts[state]!)).join(" ");

/** inWords is "3 failed, 50 active". */
export const inWords = (counts: Counts): string =>
  STATES.filter((state) => (counts[state] ?? 0) > 0).map((state) => `${number(counts[state]!)} ${state}`).join(", ");

/** describe is what a screen reader says of a node. */
export function describe(node: GraphNode): string {
  const parts = [node.id];
  if (node.map) parts.push("map", `${number(ended(node.map.counts))} of ${number(node.map.total)}`);
  parts.push(node.state);
  if (node.map?.counts.failed) parts.push(`${number(node.map.counts.failed)} failed`);
  if (node.critical) parts.push("on the critical path");
  if (node.note) parts.push(node.note);
  return parts.join(", ");
}
