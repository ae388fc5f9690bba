/**
 * Which boxes hold which: groups are the pipeline's own; where more boxes would stand side by side than can be read, neighbours
 * of the same layers are bundled. A pure function of the revision.
 */
import { layersOf, orderOf } from "./layout.ts";
import { type Counts, inShapes, inWords, number, type Pipeline, type State } from "./pipeline.ts";

/** Box is a node, or what holds nodes. */
export interface Box {
  kind: "node" | "group" | "bundle";
  id: string;
  name: string;
  node: number; // -1 where it holds others
  parent: Box | undefined;
  children: Box[];
  edges: number[]; // between its children, by their places, each once
  at: number; // place among the children of its parent
  size: number; // how many nodes
  counts: Counts; // of its nodes
  critical: number; // how many of its nodes are on the critical path
}

const MOST = 150; // boxes side by side
const BUNDLES = 100;
const BANDS = 24; // of layers

export interface Tree { root: Box; leaves: Box[]; holders: Map<string, Box> }

function box(kind: Box["kind"], id: string, name: string, node = -1): Box {
  return { kind, id, name, node, parent: undefined, children: [], edges: [], at: 0, size: node < 0 ? 0 : 1, counts: {}, critical: 0 };
}

export function treeOf(pipeline: Pipeline): Tree {
  const root = box("group", "", "");
  const groups = new Map<string, Box>();
  const leaves = pipeline.nodes.map((node, i) => box("node", node.id, node.id, i));
  pipeline.nodes.forEach((node, i) => {
    let holder = root;
    if (node.group !== undefined && node.group !== "") {
      holder = groups.get(node.group) ?? box("group", node.group, node.group);
      if (!groups.has(node.group)) { groups.set(node.group, holder); root.children.push(holder); }
    }
    holder.children.push(leaves[i]!);
  });
  const all = [root, ...groups.values()];
  for (const holder of all) adopt(holder);
  connect(pipeline, leaves);
  let bundled = false;
  for (const holder of all) bundled = bundle(holder) || bundled;
  const holders = new Map<string, Box>();
  const visit = (one: Box) => {
    if (one.kind === "node") return;
    if (one !== root) holders.set(one.id, one);
    one.children.forEach(visit);
    one.size = one.children.reduce((sum, child) => sum + child.size, 0);
  };
  visit(root);
  if (bundled) {
    for (const one of [root, ...holders.values()]) one.edges = [];
    connect(pipeline, leaves);
  }
  pipeline.nodes.forEach((node, i) => {
    count(leaves[i]!, undefined, node.state);
    if (node.critical) mark(leaves[i]!, 1);
  });
  return { root, leaves, holders };
}

function adopt(holder: Box): void {
  holder.children.forEach((child, i) => { child.parent = holder; child.at = i; });
}

const depth = (one: Box): number => (one.parent ? 1 + depth(one.parent) : 0);

/** connect gives each holder the edges between its children: an edge stands where its two ways up meet. */
function connect(pipeline: Pipeline, leaves: Box[]): void {
  const known = new Map<Box, Set<number>>();
  pipeline.children.forEach((children, from) => {
    for (const to of children) {
      let [a, b] = [leaves[from]!, leaves[to]!];
      let [high, low] = [depth(a), depth(b)];
      for (; high > low; high--) a = a.parent!;
      for (; low > high; low--) b = b.parent!;
      while (a.parent !== b.parent) { a = a.parent!; b = b.parent!; }
      const holder = a.parent;
      if (!holder || a === b) continue;
      let seen = known.get(holder);
      if (!seen) known.set(holder, (seen = new Set()));
      const key = a.at * holder.children.length + b.at;
      if (seen.has(key)) continue;
      seen.add(key);
      holder.edges.push(a.at, b.at);
    }
  });
}

/** bundle replaces children by bundles where they are too many: cells of bands of layers. */
function bundle(holder: Box): boolean {
  const children = holder.children;
  if (children.length <= MOST) return false;
  const layers = layersOf(children.length, holder.edges);
  const order = orderOf(layers, holder.edges);
  const bands: { one: Box; at: number }[][] = [];
  const height = Math.max(1, order.length / BANDS);
  order.forEach((list, layer) => {
    const band = (bands[Math.floor(layer / height)] ??= []);
    list.forEach((i, at) => band.push({ one: children[i]!, at: (at + 0.5) / list.length }));
  });
  const made: Box[] = [];
  for (const band of bands) {
    band.sort((a, b) => a.at - b.at || a.one.at - b.one.at);
    const cells = Math.max(1, Math.round((BUNDLES * band.length) / children.length));
    for (let cell = 0; cell < cells; cell++) {
      const members = band.slice(Math.round((cell * band.length) / cells), Math.round(((cell + 1) * band.length) / cells)).map(({ one }) => one);
      if (members.length < 2) { made.push(...members); continue; }
      members.sort((a, b) => a.at - b.at);
      const held = box("bundle", `${holder.id}~${made.length + 1}`, `${members[0]!.name} … ${members[members.length - 1]!.name}`);
      held.children = members;
      adopt(held);
      made.push(held);
    }
  }
  holder.children = made;
  adopt(holder);
  return true;
}

/** count moves a node from a state to another in all that hold it, and returns them. */
export function count(leaf: Box, before: State | undefined, now: State): Box[] {
  const held: Box[] = [];
  for (let at: Box | undefined = leaf; at; at = at.parent) {
    if (before !== undefined) at.counts[before] = (at.counts[before] ?? 0) - 1;
    at.counts[now] = (at.counts[now] ?? 0) + 1;
    held.push(at);
  }
  return held;
}

/** mark notes that a node is on the critical path (1), or no longer (-1). */
export function mark(leaf: Box, by: 1 | -1): void {
  for (let at: Box | undefined = leaf; at; at = at.parent) at.critical += by;
}

/** hue is the state that the colour of a holder shows: the first of these that one of its nodes is in. */
export function hue(counts: Counts): State {
  const first = (["failed", "active", "blocked", "held"] as const).find((state) => (counts[state] ?? 0) > 0);
  if (first) return first;
  if ((counts.waiting ?? 0) > 0) return "waiting";
  return (["cancelled", "succeeded"] as const).find((state) => (counts[state] ?? 0) > 0) ?? "skipped";
}

/** heldIn is what a holder says of its nodes. */
export const heldIn = ({ size, counts }: Box): string => `${number(size)} nodes · ${inShapes(counts)}`;

export const describeHolder = (one: Box): string => `${one.name}, ${one.kind}, ${number(one.size)} nodes, ${inWords(one.counts)}`;
