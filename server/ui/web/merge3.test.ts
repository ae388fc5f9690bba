import assert from "node:assert/strict";
import { test } from "node:test";
import { merge3 } from "./merge3.ts";

const base = "a\nb\nc\nd\ne\nf\n";

test("a merge takes what the other changed elsewhere, and keeps mine where both did", () => {
  for (const [what, theirs, mine, want, taken, both] of [
    ["nothing", base, base, base, 0, 0],
    ["theirs only", "a\nB\nc\nd\ne\nf\n", base, "a\nB\nc\nd\ne\nf\n", 1, 0],
    ["mine only", base, "a\nB\nc\nd\ne\nf\n", "a\nB\nc\nd\ne\nf\n", 0, 0],
    ["apart", "A\nb\nc\nd\ne\nf\n", "a\nb\nc\nd\ne\nF\n", "A\nb\nc\nd\ne\nF\n", 1, 0],
    ["the same line", "a\nb\nT\nd\ne\nf\n", "a\nb\nM\nd\ne\nf\n", "a\nb\nM\nd\ne\nf\n", 0, 1],
    ["the same change", "a\nb\nX\nd\ne\nf\n", "a\nb\nX\nd\ne\nf\n", "a\nb\nX\nd\ne\nf\n", 0, 0],
    ["added and removed", "0\na\nb\nc\nd\ne\nf\n", "a\nb\nc\nd\nf\ng", "0\na\nb\nc\nd\nf\ng", 1, 0],
  ] as const) {
    assert.deepEqual(merge3(base, theirs, mine), { text: want, taken, both }, what);
  }
});
