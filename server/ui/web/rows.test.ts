import assert from "node:assert/strict";
import { test } from "node:test";
import { group, hashOf, many, rangeOf, Rows, size } from "./rows.ts";

test("L11 folded lines have no row", () => {
  const rows = new Rows(100);
  assert.equal(rows.count, 100);
  rows.fold(10, 20);
  rows.fold(50, 60);
  assert.equal(rows.count, 80);
  assert.deepEqual([rows.line(0), rows.line(9), rows.line(10), rows.line(38), rows.line(39), rows.line(40), rows.line(79)], [1, 10, 21, 49, 50, 61, 100]);
  for (let row = 0; row < rows.count; row++) assert.equal(rows.row(rows.line(row)), row);
  assert.equal(rows.row(15), 9, "a hidden line is in the row of its group");
  assert.ok(rows.folded(10) && !rows.folded(11));
  rows.fold(5, 30); // around the first
  assert.equal(rows.count, 65);
  rows.unfold(55);
  assert.equal(rows.count, 75);
  rows.lines = 200;
  assert.equal(rows.count, 175);
});

test("L5 ranges are read and written", () => {
  for (const [hash, from, to] of [["#L120", 120, 120], ["#L120-130", 120, 130], ["#L120-L130", 120, 130], ["#L130-120", 120, 130]] as const) assert.deepEqual(rangeOf(hash), { from, to });
  for (const hash of ["", "#", "#L0", "#Lx", "#L1-", "#main", "#L1-2-3"]) assert.equal(rangeOf(hash), undefined, hash);
  assert.equal(hashOf({ from: 5, to: 5 }), "#L5");
  assert.equal(hashOf({ from: 5, to: 9 }), "#L5-9");
});

test("L11 a group has a name", () => {
  assert.equal(group("::group::Install packages"), "Install packages");
  assert.equal(group("::endgroup::"), undefined);
  assert.equal(group("x ::group::y"), undefined);
});

test("sizes are said in few digits", () => {
  assert.deepEqual([12, 5300, 1048577].map(size), ["12 bytes", "5.2 KiB", "1.0 MiB"]);
  assert.deepEqual([0, 1, 1234].map(many), ["0 lines", "1 line", "1,234 lines"]);
});
