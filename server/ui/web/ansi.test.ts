import assert from "node:assert/strict";
import { test } from "node:test";
import { find, paint, plain, type Piece } from "./ansi.ts";

const shown = (pieces: Piece[]): string => pieces.map(({ text, style, href, found }) => {
  const inner = found ? `«${text}»` : text;
  return style === "" && href === undefined ? inner : `<${[style, href].filter(Boolean).join(" ")}|${inner}>`;
}).join("");

test("L7 colours become classes, all else vanishes", () => {
  for (const [line, want] of [
    ["plain", "plain"],
    ["\x1b[31mred\x1b[0m not", "<f1|red> not"],
    ["\x1b[1;32mbold green\x1b[22m green\x1b[39m", "<f2 b|bold green><f2| green>"],
    ["\x1b[m\x1b[91;44mbright on blue\x1b[49m.", "<f9 g4|bright on blue><f9|.>"],
    ["\x1b[38;5;196mA\x1b[38;5;3mB\x1b[38;2;0;0;255mC\x1b[48:5:232mD", "<f9|A><f3|B><f12|C><f12 g0|D>"],
    ["\x1b[3;4;7;9mall\x1b[23;24;27;29m none", "<i u v s|all> none"],
    ["10 %\r20 %\r100 %\r", "100 %"],
    ["text\r\n".trimEnd(), "text"],
    ["a\bb\x07c\x00d\x7fe", "abcde"],
    ["\x1b[2J\x1b[1;1Hclear\x1b[K", "clear"],
    ["\x1b]0;a title\x07text", "text"],
    ["\x1b]0;a title without an end", ""],
    ["\x1bPq#0;2;0;0;0\x1b\\after", "after"],
    ["\x1b]52;c;Y2xpcGJvYXJk\x1b\\clipboard", "clipboard"],
    ["\x9b31mC1\x9b0m", "<f1|C1>"],
    ["cut \x1b[3", "cut "],
    ["tab\there", "tab\there"],
    ["<script>alert(1)</script>", "<script>alert(1)</script>"],
  ] as const) assert.equal(shown(paint(line)), want, JSON.stringify(line));
});

test("L7 links lead to the web only", () => {
  const link = (address: string) => shown(paint(`\x1b]8;;${address}\x1b\\docs\x1b]8;;\x1b\\!`));
  assert.equal(link("https://example.com/a"), "<https://example.com/a|docs>!");
  assert.equal(link("http://example.com"), "<http://example.com/|docs>!");
  for (const bad of ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//example.com", "nonsense", "ssh://x"]) assert.equal(link(bad), "docs!", bad);
});

test("L7 a line of codes becomes few elements", () => {
  const line = Array.from({ length: 20_000 }, (_, i) => `\x1b[3${i % 8}mx`).join("");
  const pieces = paint(line);
  assert.ok(pieces.length <= 100, `${pieces.length} pieces`);
  assert.equal(pieces.map((one) => one.text).join("").length, 20_000);
});

test("sequences without an end take no time that grows with their square", () => {
  for (const unit of ["\x1b[", "\x1b]8;;", "\x1b]", "\x1bP", "\r", "\x1b[1;"]) {
    const begun = performance.now();
    paint(unit.repeat(20_000));
    assert.ok(performance.now() - begun < 2000, JSON.stringify(unit));
  }
});

test("what was searched is marked across colours", () => {
  assert.equal(shown(find(paint("an \x1b[31mER\x1b[0mROR, error"), "error")), "an <f1|«ER»>«ROR», «error»");
  assert.equal(shown(find(paint("İ x X"), "x")), "İ «x» «X»");
  assert.equal(shown(find(paint("none"), "error")), "none");
  assert.equal(shown(find(paint("a.b"), ".")), "a«.»b");
});

test("the text of a line is without codes", () => assert.equal(plain("\x1b[1mone\x1b[0m two\r"), "one two"));
