import assert from "node:assert/strict";
import { test } from "node:test";
import { busy, density, Scale, spansOf, took } from "./scale.ts";

const at = (seconds: number): string => new Date(seconds * 1000).toISOString();

test("spans that touch are one", () => {
  assert.deepEqual(busy([{ from: 5, to: 9 }, { from: 0, to: 3 }, { from: 3, to: 4 }, { from: 6, to: 7 }]), [{ from: 0, to: 4 }, { from: 5, to: 9 }]);
});

test("times in which nothing ran are folded, short ones are not", () => {
  const scale = new Scale([{ from: 0, to: 100 }, { from: 110, to: 200 }, { from: 10_000, to: 10_010 }], 1000);
  assert.deepEqual(scale.pieces.map(({ from, to, folded }) => [from, to, folded]), [[0, 200, false], [200, 10_000, true], [10_000, 10_010, false]]);
  assert.equal(scale.pieces.reduce((sum, { w }) => sum + w, 0), 1000);
  assert.equal(scale.x(0), 0);
  assert.ok(scale.x(100) < scale.x(110) && scale.x(200) < scale.x(10_000) && scale.x(20_000) === 1000);
  assert.ok(scale.x(5000) > scale.x(200) && scale.x(5000) < scale.x(10_000), "a time within the fold is in the fold");
});

test("an empty and a momentary scale have places", () => {
  assert.equal(new Scale([], 100).x(5), 0);
  assert.deepEqual(new Scale([], 100).ticks(50), []);
  assert.equal(new Scale([{ from: 5, to: 5 }], 100).x(5), 0);
});

test("ticks are round, apart, and not in folds", () => {
  const minute = 60_000;
  const scale = new Scale([{ from: minute * 3, to: minute * 63 }, { from: minute * 600, to: minute * 610 }], 1000);
  const ticks = scale.ticks(90);
  assert.ok(ticks.length >= 5 && ticks.length <= 12, String(ticks.length));
  ticks.forEach((one, i) => {
    assert.equal(one % minute, 0);
    assert.ok(one <= minute * 63 || one >= minute * 600);
    if (i > 0 && one <= minute * 63) assert.ok(scale.x(one) - scale.x(ticks[i - 1]!) >= 90);
  });
});

test("a node has the spans of its phases and of its run", () => {
  assert.deepEqual(spansOf({ id: "a", state: "active", phases: [{ kind: "queued", from: at(1), to: at(2) }], started: at(2) }, 9000), [{ from: 1000, to: 2000 }, { from: 2000, to: 9000 }]);
  assert.deepEqual(spansOf({ id: "a", state: "active", started: at(1), map: { total: 2, counts: {}, bands: [{ from: at(1), to: at(2), active: 1 }, { from: at(2), to: at(3), active: 0 }] } }, 9000), [{ from: 1000, to: 2000 }]);
});

test("the density of a map is as high as items ran, and few are seen", () => {
  const scale = new Scale([{ from: 0, to: 10_000 }], 100);
  const { all, failed } = density([
    { from: at(0), to: at(5), active: 50 }, { from: at(5), to: at(9), active: 25, failed: 1 }, { from: at(9), to: at(10), active: 0 },
  ], scale, 20);
  assert.equal(all, "M0.0 20v-20h50.0v20zM50.0 20v-10h40.0v10z");
  assert.equal(failed, "M50.0 20v-2h40.0v2z");
});

test("lengths of time are said in few words", () => {
  assert.deepEqual([1500, 31_000, 125_000, 7_980_000, 3 * 86_400_000].map(took), ["1.5 s", "31 s", "2 min 5 s", "2 h 13 min", "3 d"]);
});
