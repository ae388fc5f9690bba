/**
 * Where the boxes of a graph stand: layers from left to right by the longest path, an order in each layer by barycentres, and
 * heights that keep boxes near their neighbours. Pure functions: the same boxes and edges give the same picture. Boxes are
 * numbered from 0; an edge is two numbers in a flat array, from and to.
 */
export type Edges = readonly number[];

export interface Size { w: number; h: number }

export interface Point { x: number; y: number }

/** Arrangement has the place of each box, and the way of each edge in the order of the edges. */
export interface Arrangement extends Size { places: Point[]; routes: Point[][] }

export const GAP_X = 56; // pixels between layers, in which edges cross
export const GAP_Y = 14; // pixels between boxes of a layer
const BEND = 6; // pixels of height that an edge takes where it passes a layer
const SWEEPS = 4;
const BENDS = 4000; // beyond which edges take the straight way

/** neighbours lists for each box the boxes its edges come from, and the boxes they lead to. */
function neighbours(count: number, edges: Edges): { before: number[][]; after: number[][] } {
  const before: number[][] = Array.from({ length: count }, () => []);
  const after: number[][] = Array.from({ length: count }, () => []);
  for (let e = 0; e < edges.length; e += 2) {
    before[edges[e + 1]!]!.push(edges[e]!);
    after[edges[e]!]!.push(edges[e + 1]!);
  }
  return { before, after };
}

/**
 * layersOf returns the layer of each box: one after the last box that leads to it. Groups of an acyclic graph may lead to
 * each other in a circle; there the box with the lowest number comes first.
 */
export function layersOf(count: number, edges: Edges): Int32Array {
  const { before, after } = neighbours(count, edges);
  const layers = new Int32Array(count);
  const open = new Int32Array(count);
  const done = new Uint8Array(count);
  const ready: number[] = [];
  for (let i = 0; i < count; i++) { open[i] = before[i]!.length; if (open[i] === 0) ready.push(i); }
  let next = 0; // of boxes that a circle may hold back
  for (let left = count, at = 0; left > 0; left--) {
    let box = ready[at];
    if (box === undefined) {
      while (done[next]) next++;
      box = next;
    } else at++;
    if (done[box]) { left++; continue; }
    done[box] = 1;
    for (const to of after[box]!) {
      if (done[to]) continue;
      layers[to] = Math.max(layers[to]!, layers[box]! + 1);
      if (--open[to]! === 0) ready.push(to);
    }
  }
  return layers;
}

/** orderOf returns the boxes of each layer from top to bottom, so that few edges cross. */
export function orderOf(layers: ArrayLike<number>, edges: Edges): number[][] {
  const count = layers.length;
  const { before, after } = neighbours(count, edges);
  const order: number[][] = [];
  for (let i = 0; i < count; i++) (order[layers[i]!] ??= []).push(i);
  for (let l = 0; l < order.length; l++) order[l] ??= [];
  const at = new Float64Array(count); // from 0, the top of a layer, to 1
  const settle = (list: number[]) => list.forEach((box, i) => { at[box] = (i + 0.5) / list.length; });
  order.forEach(settle);
  const wish = new Float64Array(count);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const down = sweep % 2 === 0;
    for (let k = 0; k < order.length; k++) {
      const list = order[down ? k : order.length - 1 - k]!;
      for (const box of list) {
        const near = down ? before[box]! : after[box]!;
        let sum = 0;
        for (const one of near) sum += at[one]!;
        wish[box] = near.length === 0 ? at[box]! : sum / near.length;
      }
      list.sort((a, b) => wish[a]! - wish[b]! || at[a]! - at[b]!);
      settle(list);
    }
  }
  return order;
}

/**
 * spread places boxes of given heights in a column, in their order and without overlap, so that the squares of the distances
 * from the wished centres are least. It returns the centres.
 */
export function spread(wished: readonly number[], heights: readonly number[], gap: number): number[] {
  const offsets: number[] = [];
  for (let i = 0, at = 0; i < wished.length; i++) {
    if (i > 0) at += (heights[i - 1]! + heights[i]!) / 2 + gap;
    offsets.push(at);
  }
  const blocks: { sum: number; count: number }[] = []; // of boxes that touch
  for (let i = 0; i < wished.length; i++) {
    blocks.push({ sum: wished[i]! - offsets[i]!, count: 1 });
    for (let b = blocks.length - 1; b > 0 && blocks[b - 1]!.sum / blocks[b - 1]!.count > blocks[b]!.sum / blocks[b]!.count; b--) {
      const last = blocks.pop()!;
      blocks[b - 1]!.sum += last.sum;
      blocks[b - 1]!.count += last.count;
    }
  }
  return blocks.flatMap(({ sum, count }) => Array<number>(count).fill(sum / count)).map((shift, i) => shift + offsets[i]!);
}

/** arrange places boxes. Boxes without edges fill a grid. */
export function arrange(sizes: readonly Size[], edges: Edges): Arrangement {
  if (edges.length === 0) return grid(sizes);
  const count = sizes.length;
  const layers = [...layersOf(count, edges)];
  const heights = sizes.map(({ h }) => h);

  // An edge over several layers bends in each of them, so that it passes between boxes.
  const short: number[] = [];
  const ways: number[][] = [];
  let bends = 0;
  for (let e = 0; e < edges.length; e += 2) bends += Math.max(0, Math.abs(layers[edges[e]!]! - layers[edges[e + 1]!]!) - 1);
  for (let e = 0; e < edges.length; e += 2) {
    const [a, b] = layers[edges[e]!]! <= layers[edges[e + 1]!]! ? [edges[e]!, edges[e + 1]!] : [edges[e + 1]!, edges[e]!];
    const way = [a];
    for (let l = layers[a]! + 1; l < layers[b]! && bends <= BENDS; l++) {
      way.push(layers.length);
      layers.push(l);
      heights.push(BEND);
    }
    way.push(b);
    for (let i = 1; i < way.length; i++) short.push(way[i - 1]!, way[i]!);
    ways.push(a === edges[e] ? way : way.reverse());
  }
  const order = orderOf(layers, short);

  const centres = new Float64Array(layers.length);
  for (const list of order) spread(list.map(() => 0), list.map((box) => heights[box]!), GAP_Y).forEach((y, i) => { centres[list[i]!] = y; });
  const { before, after } = neighbours(layers.length, short);
  for (let sweep = 0; sweep < 2 * SWEEPS; sweep++) {
    const down = sweep % 2 === 0;
    for (let k = 0; k < order.length; k++) {
      const list = order[down ? k : order.length - 1 - k]!;
      const wished = list.map((box) => {
        const near = down ? before[box]! : after[box]!;
        return near.length === 0 ? centres[box]! : near.reduce((sum, one) => sum + centres[one]!, 0) / near.length;
      });
      spread(wished, list.map((box) => heights[box]!), GAP_Y).forEach((y, i) => { centres[list[i]!] = y; });
    }
  }

  let top = Infinity, bottom = -Infinity;
  centres.forEach((y, box) => { top = Math.min(top, y - heights[box]! / 2); bottom = Math.max(bottom, y + heights[box]! / 2); });
  const lefts: number[] = [];
  const widths: number[] = [];
  let right = 0;
  for (const list of order) {
    const w = list.reduce((most, box) => Math.max(most, sizes[box]?.w ?? 0), 0);
    lefts.push(right);
    widths.push(w);
    right += w + GAP_X;
  }
  const middle = (box: number) => Math.round(centres[box]! - top);
  const places = sizes.map(({ h }, box) => ({ x: lefts[layers[box]!]!, y: Math.round(centres[box]! - top - h / 2) }));
  const routes = ways.map((way) => {
    const back = layers[way[0]!]! > layers[way[way.length - 1]!]!;
    return way.flatMap((box, i) => {
      const [from, to] = [{ x: lefts[layers[box]!]!, y: middle(box) }, { x: lefts[layers[box]!]! + (sizes[box]?.w ?? widths[layers[box]!]!), y: middle(box) }];
      const edge = { x: lefts[layers[box]!]! + widths[layers[box]!]!, y: middle(box) }; // of the layer, beside a wider box
      if (i === 0) return back ? [from] : [to, edge];
      if (i === way.length - 1) return back ? [edge, to] : [from];
      return back ? [to, from] : [from, to];
    });
  });
  return { w: right - GAP_X, h: Math.round(bottom - top), places, routes };
}

/** grid fills rows of boxes so that the whole is about twice as wide as high. */
function grid(sizes: readonly Size[]): Arrangement {
  const w = sizes.reduce((most, one) => Math.max(most, one.w), 0) + GAP_Y;
  const h = sizes.reduce((most, one) => Math.max(most, one.h), 0) + GAP_Y;
  const columns = Math.max(1, Math.min(sizes.length, Math.ceil(Math.sqrt((2 * sizes.length * h) / w))));
  const places = sizes.map((_, i) => ({ x: (i % columns) * w, y: Math.floor(i / columns) * h }));
  return { w: columns * w - GAP_Y, h: Math.ceil(sizes.length / columns) * h - GAP_Y, places, routes: [] };
}
