import assert from "node:assert/strict";
import { test } from "node:test";
import { arrange, layersOf, orderOf, spread } from "./layout.ts";
import { describe, type Graph, type GraphNode, Pipeline, type State } from "./pipeline.ts";
import { count, describeHolder, heldIn, hue, mark, treeOf, type Box } from "./tree.ts";

/** many makes a graph of `layers` times `width` nodes, each of which needs some of the layer before. */
function many(layers: number, width: number, needs: number, group?: (layer: number, i: number) => string): Graph {
  const nodes: GraphNode[] = [];
  for (let layer = 0; layer < layers; layer++) for (let i = 0; i < width; i++) {
    const node: GraphNode = { id: `n-${layer}-${i}`, state: "waiting" };
    if (layer > 0) node.needs = Array.from({ length: needs }, (_, k) => `n-${layer - 1}-${(i * 7 + k * 13) % width}`);
    if (group) node.group = group(layer, i);
    nodes.push(node);
  }
  return { nodes };
}

test("layers follow the longest path, and circles end", () => {
  assert.deepEqual([...layersOf(4, [0, 1, 1, 2, 0, 2, 2, 3])], [0, 1, 2, 3]);
  assert.deepEqual([...layersOf(3, [0, 1, 1, 0, 1, 2])], [0, 1, 2], "the lowest number comes first in a circle");
  assert.deepEqual([...layersOf(2, [])], [0, 0]);
});

test("an order without crossings is found", () => {
  const edges = [0, 5, 1, 4, 2, 3];
  const order = orderOf([0, 0, 0, 1, 1, 1], edges);
  assert.deepEqual(order[1], order[0]!.map((box) => 5 - box), "each stands beside what it leads to");
});

test("boxes of a column stand in order and apart, near their wishes", () => {
  assert.deepEqual(spread([0, 100], [20, 20], 10), [0, 100]);
  assert.deepEqual(spread([50, 50], [20, 20], 10), [35, 65]);
  assert.deepEqual(spread([0, 50, 50, 200], [20, 20, 20, 20], 10), [0, 35, 65, 200]);
});

test("W2 the same revision is the same picture, and boxes do not overlap", () => {
  const tree = treeOf(new Pipeline(many(12, 10, 2)));
  const picture = (root: Box) => arrange(root.children.map((_, i) => ({ w: 100 + (i % 3) * 40, h: 50 + (i % 4) * 30 })), root.edges);
  const sizes = tree.root.children.map((_, i) => ({ w: 100 + (i % 3) * 40, h: 50 + (i % 4) * 30 }));
  const { places, routes, w, h } = picture(tree.root);
  assert.deepEqual(picture(treeOf(new Pipeline(many(12, 10, 2))).root).places, places);
  assert.equal(routes.length, tree.root.edges.length / 2);
  places.forEach((a, i) => {
    assert.ok(a.x >= 0 && a.y >= 0 && a.x + sizes[i]!.w <= w && a.y + sizes[i]!.h <= h, "it is inside");
    places.forEach((b, k) => {
      if (k > i) assert.ok(a.x + sizes[i]!.w <= b.x || b.x + sizes[k]!.w <= a.x || a.y + sizes[i]!.h <= b.y || b.y + sizes[k]!.h <= a.y, `${i} and ${k} overlap`);
    });
  });
});

test("an edge over several layers passes between boxes", () => {
  const { places, routes } = arrange([{ w: 100, h: 50 }, { w: 100, h: 50 }, { w: 100, h: 50 }], [0, 1, 1, 2, 0, 2]);
  const long = routes[2]!;
  assert.ok(long.length > 2);
  const passing = long.filter(({ x }) => x >= places[1]!.x && x <= places[1]!.x + 100);
  assert.ok(passing.length > 0 && passing.every(({ y }) => y < places[1]!.y || y > places[1]!.y + 50));
});

test("boxes without edges fill a grid", () => {
  const { w, h } = arrange(Array.from({ length: 100 }, () => ({ w: 190, h: 54 })), []);
  assert.ok(w / h > 1 && w / h < 4, `${w} × ${h}`);
});

test("W1 10,000 nodes are at most 150 boxes at each level, and every node is in one", () => {
  const shapes: Record<string, Graph> = {
    "layers": many(20, 500, 3), "one layer": many(1, 10_000, 0), "a chain": many(10_000, 1, 1), "a deep graph": many(1000, 10, 2),
    "groups": many(100, 100, 2, (_, i) => `group-${i % 8}`), "groups in a circle": many(100, 100, 2, (layer) => `group-${layer % 3}`),
  };
  for (const [name, graph] of Object.entries(shapes)) {
    const tree = treeOf(new Pipeline(graph));
    let seen = 0;
    const visit = (one: Box) => {
      assert.ok(one.children.length <= 150, `${name}: ${one.children.length} boxes in ${one.id}`);
      assert.ok(one.children.every((child, i) => child.parent === one && child.at === i), name);
      assert.ok(one.edges.every((end) => end >= 0 && end < one.children.length), name);
      if (one.kind === "node") seen++;
      one.children.forEach(visit);
    };
    visit(tree.root);
    assert.equal(seen, 10_000, name);
    assert.equal(tree.root.size, 10_000, name);
    assert.equal(tree.root.counts.waiting, 10_000, name);
    assert.equal(new Set([...tree.holders.keys()]).size, tree.holders.size, name);
  }
});

test("W1 10,000 nodes and 30,000 edges are laid out in a generous time", () => {
  const graph = many(20, 500, 3);
  const begun = performance.now();
  const tree = treeOf(new Pipeline(graph));
  arrange(tree.root.children.map(() => ({ w: 190, h: 54 })), tree.root.edges);
  const took = performance.now() - begun;
  console.log(`laid out in ${took.toFixed(0)} ms`);
  assert.ok(took < 2000, `${took} ms`);
});

test("W3 a change counts in all that hold a node, and moves nothing", () => {
  const pipeline = new Pipeline({ nodes: [{ id: "a", state: "active", group: "g" }, { id: "b", state: "waiting", group: "g", needs: ["a"] }] });
  const tree = treeOf(pipeline);
  const edges = JSON.stringify(tree.root.edges);
  const seen: State[] = [];
  pipeline.apply({ nodes: [{ id: "a", state: "failed", note: "exit code 1" }, { id: "unknown", state: "failed" }] }, (node, before) => {
    seen.push(before.state);
    count(tree.leaves[node]!, before.state, pipeline.nodes[node]!.state);
  });
  assert.deepEqual(seen, ["active"]);
  const group = tree.holders.get("g")!;
  assert.equal(hue(group.counts), "failed");
  assert.equal(heldIn(group), "2 nodes · ✕1 ◌1");
  assert.equal(describeHolder(group), "g, group, 2 nodes, 1 failed, 1 waiting");
  mark(tree.leaves[0]!, 1);
  assert.deepEqual([tree.root.critical, group.critical], [1, 1]);
  assert.equal(JSON.stringify(tree.root.edges), edges);
});

test("W6 a screen reader says what a box is", () => {
  assert.equal(describe({ id: "load", state: "active", map: { total: 10_000, counts: { succeeded: 6400, failed: 3, active: 50 } } }), "load, map, 6,403 of 10,000, active, 3 failed");
  assert.equal(describe({ id: "publish", state: "blocked", critical: true, note: "load failed" }), "publish, blocked, on the critical path, load failed");
});

test("W4 the search finds nodes, names that begin with the text first", () => {
  const pipeline = new Pipeline({ nodes: ["reload", "load", "Loader"].map((id) => ({ id, state: "waiting" as const })) });
  assert.deepEqual(pipeline.find(" LOAD "), [1, 2, 0]);
  assert.deepEqual(pipeline.find(""), []);
});

test("a map knows its parents by the needs of nodes, and unknown ones are none", () => {
  const pipeline = new Pipeline({ nodes: [{ id: "a", state: "waiting", needs: ["a", "nowhere"] }, { id: "b", state: "waiting", needs: ["a", "a"] }] });
  assert.deepEqual([pipeline.parents, pipeline.children], [[[], [0]], [[1], []]]);
});
