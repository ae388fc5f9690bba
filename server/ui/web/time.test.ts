import assert from "node:assert/strict";
import { test } from "node:test";
import { ago } from "./time.ts";

test("a time is said as a reader says it", () => {
  const now = Date.UTC(2026, 10, 30, 12);
  for (const [seconds, want] of [[0, "just now"], [42, "42 s ago"], [200, "3 min ago"], [8000, "2 h 13 min ago"], [50000, "13 h ago"], [200000, "2 d ago"], [-90, "in 1 min"]] as const) {
    assert.equal(ago(now - seconds * 1000, now), want);
  }
});
