import assert from "node:assert/strict";
import { test } from "node:test";
import { readViews, withView } from "./view.ts";

test("what was kept is read, and nothing else", () => {
  assert.deepEqual(readViews(null), []);
  assert.deepEqual(readViews("{"), []);
  assert.deepEqual(readViews(`[1, {"name": "mine", "query": "state=FAILED"}, {"name": 5}]`), [{ name: "mine", query: "state=FAILED" }]);
});

test("a view takes the place of one with the same name, without the page of its list", () => {
  const views = withView([{ name: "a", query: "" }, { name: "b", query: "" }], "a", "?state=FAILED&cursor=x");
  assert.deepEqual(views, [{ name: "b", query: "" }, { name: "a", query: "state=FAILED" }]);
});
