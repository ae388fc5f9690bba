import assert from "node:assert/strict";
import { test } from "node:test";
import { quote } from "./defaults.ts";

test("a string keeps the way in which it was written", () => {
  assert.equal(quote("it's", "'x'"), "'it''s'");
  assert.equal(quote('a "b"', '"x"'), '"a \\"b\\""');
  assert.equal(quote("65Mi", "64Mi"), "65Mi");
  assert.equal(quote("registry/etl", "etl"), "registry/etl");
});

test("a string that would not read as one gets quotes", () => {
  for (const text of ["yes", "5", "1e5", "a: b", "# c", "", "2026-01-01", "null", "{x}", "a b"]) assert.equal(quote(text, "plain"), JSON.stringify(text));
  assert.equal(quote("new", ""), '"new"');
});
