/**
 * <berth-code>, an element to read or edit text that is code; compare.ts has the ones that compare texts. Each is CodeMirror in a
 * shadow root, where its styles are adopted style sheets: in the document they would be an inline <style>, which the policy of the
 * page refuses.
 */
import { autocompletion, closeBrackets, completionKeymap, type CompletionSource } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, foldGutter, foldKeymap, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics, type Diagnostic } from "@codemirror/lint";
import { search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, StateEffect, StateField, type Extension, type Text } from "@codemirror/state";
import { Decoration, drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, hoverTooltip, keymap, lineNumbers, MatchDecorator, ViewPlugin, type DecorationSet, type HoverTooltipSource, type ViewUpdate } from "@codemirror/view";
import { tags } from "@lezer/highlight";

/** Finding is what the API found: its place counts lines and characters from 1. */
export interface Finding { severity: "error" | "warning"; message: string; suggestion?: string; place?: { line: number; column: number; length: number } }

// Custom properties of the page reach into the shadow root.
const theme = EditorView.theme({
  "&": { color: "var(--ink)", backgroundColor: "var(--paper)", height: "100%", fontSize: "13px" },
  ".cm-scroller": { fontFamily: "ui-monospace, SFMono-Regular, Menlo, monospace", lineHeight: "20px" },
  ".cm-gutters": { backgroundColor: "var(--ground)", color: "var(--quiet)", borderRight: "1px solid var(--line)" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-content": { caretColor: "var(--ink)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--active)" },
  ".cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground": { backgroundColor: "var(--select)" },
  ".cm-tooltip": { backgroundColor: "var(--paper)", color: "var(--ink)", border: "1px solid var(--line)", borderRadius: "4px", maxWidth: "34rem" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--press)", color: "#fff" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected] .cm-completionDetail": { color: "inherit" },
  ".cm-completionDetail": { color: "var(--quiet)", fontStyle: "normal" },
  ".cm-diagnostic, .cm-word": { padding: "4px 8px", whiteSpace: "pre-wrap" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--failed)" },
  ".cm-diagnostic-warning": { borderLeftColor: "var(--pending)" },
  ".cm-diagnosticAction": { backgroundColor: "var(--press)", color: "#fff" },
  ".cm-panels": { backgroundColor: "var(--ground)", color: "var(--ink)" },
  ".cm-textfield": { backgroundColor: "var(--paper)", color: "var(--ink)", borderColor: "var(--quiet)" },
  ".cm-button": { backgroundImage: "none", backgroundColor: "var(--paper)", color: "var(--accent)", borderColor: "var(--accent)" },
  ".cm-reference": { color: "var(--reference)", fontWeight: "600", backgroundColor: "var(--reference-ground)", borderRadius: "3px" },
  ".cm-lit": { backgroundColor: "var(--select)", boxShadow: "inset 3px 0 var(--accent)" },
  ".cm-changedLine": { backgroundColor: "var(--added) !important" },
  ".cm-deletedChunk": { backgroundColor: "var(--removed) !important" },
  ".cm-collapsedLines": { background: "var(--ground) !important", color: "var(--quiet)" },
  // The marks of the lint package are data: images, which the policy refuses.
  ".cm-lintRange": { backgroundImage: "none !important", textDecorationLine: "underline", textDecorationStyle: "wavy", textUnderlineOffset: "3px", textDecorationSkipInk: "none" },
  ".cm-lintRange-error": { textDecorationColor: "var(--failed)" },
  ".cm-lintRange-warning": { textDecorationColor: "var(--pending)" },
  ".cm-lint-marker": { content: "none !important", width: "auto", fontWeight: "700", textAlign: "center" },
  ".cm-lint-marker-error::before": { content: "'✕'", color: "var(--failed)" },
  ".cm-lint-marker-warning::before": { content: "'!'", color: "var(--pending)" },
});

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--key)" },
  { tag: [tags.string, tags.content], color: "var(--string)" },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: "var(--literal)" },
  { tag: tags.comment, color: "var(--quiet)", fontStyle: "italic" },
  { tag: [tags.punctuation, tags.separator, tags.squareBracket, tags.brace], color: "var(--quiet)" },
]);

const matcher = new MatchDecorator({ regexp: /\{\{.*?\}\}/g, decoration: Decoration.mark({ class: "cm-reference" }) });
const references = ViewPlugin.fromClass(class {
  decorations: DecorationSet;
  constructor(view: EditorView) { this.decorations = matcher.createDeco(view); }
  update(update: ViewUpdate): void { this.decorations = matcher.updateDeco(update, this.decorations); }
}, { decorations: (plugin) => plugin.decorations });

const light = StateEffect.define<number[]>();
const lit = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, { state: { doc }, effects, changes }) {
    const mark = Decoration.line({ class: "cm-lit" });
    for (const effect of effects) if (effect.is(light)) return Decoration.set(effect.value.filter((line) => line <= doc.lines).map((line) => mark.range(doc.line(line).from)));
    return marks.map(changes);
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** Spot is a value in the text, or where one can be put. It moves with what is typed before it. */
interface Spot { from: number; to: number; before: string; after: string }

export const common: Extension[] = [lineNumbers(), foldGutter(), drawSelection(), bracketMatching(), indentUnit.of("  "), yaml(), syntaxHighlighting(colours), references, lit, theme, search({ top: true }), keymap.of([...defaultKeymap, ...searchKeymap, ...foldKeymap])];

export const reading = (label: string): Extension[] => [EditorState.readOnly.of(true), EditorView.editable.of(false), EditorView.contentAttributes.of({ "aria-label": label, "aria-readonly": "true", tabindex: "0" })];
export const writing = (label: string): Extension[] => [history(), highlightActiveLine(), highlightActiveLineGutter(), indentOnInput(), closeBrackets(), EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }), keymap.of([...completionKeymap, ...historyKeymap, ...lintKeymap, indentWithTab])];

/** breaks is how the lines of a text end. A text with both kinds has its CRs kept as characters. */
export const breaks = (text: string): Extension => EditorState.lineSeparator.of(/\r\n/.test(text) && !/(^|[^\r])\n/.test(text) ? "\r\n" : "\n");

/** offset is the place in the document of a line and a character, both from 1. */
function offset(doc: Text, line: number, column: number): number {
  const at = doc.line(Math.min(Math.max(1, line), doc.lines));
  return Math.min(at.from + [...at.text].slice(0, column - 1).join("").length, at.to);
}

/** fixOf is the change that a suggestion means: the name that is wrong, and the one that is meant. */
export function fixOf(text: string, { message, suggestion }: Finding): { from: number; to: number; insert: string } | undefined {
  const [wrong, right] = [message.match(/"([^"]+)"/)?.[1], suggestion?.match(/did you mean "([^"]+)"/)?.[1]];
  if (!wrong || !right) return undefined;
  const escaped = wrong.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const found = new RegExp(`(?<![\\w-])${escaped}(?![\\w-])`).exec(text);
  return found ? { from: found.index, to: found.index + wrong.length, insert: right } : undefined;
}

export class Code extends HTMLElement {
  private made: EditorView | undefined;
  private readonly help = new Compartment();
  private readonly ends = new Compartment();
  private silent = false;
  private readonly spots = new Map<string, Spot>();

  /** view is made where it is first needed: two at once, with the script itself, would hold the page up. */
  get view(): EditorView { return this.made ??= this.make(); }

  private make(): EditorView {
    const root = this.attachShadow({ mode: "open" });
    const label = this.getAttribute("label") ?? "Code";
    const edited = EditorView.updateListener.of((update) => {
      if (update.docChanged) for (const spot of this.spots.values()) Object.assign(spot, { from: update.changes.mapPos(spot.from, -1), to: update.changes.mapPos(spot.to, 1) });
      if (update.docChanged && !this.silent) this.dispatchEvent(new Event("edited"));
      if (update.selectionSet || update.docChanged) this.dispatchEvent(new Event("caret"));
    });
    return new EditorView({ root, parent: root, state: EditorState.create({ extensions: [
      common, this.help.of([]), this.ends.of(breaks("")), lintGutter(), edited,
      this.hasAttribute("readonly") ? [reading(label), EditorView.lineWrapping] : writing(label),
    ] }) });
  }

  /** value is the text, byte for byte. */
  get value(): string { return this.view.state.sliceDoc(); }

  /** Setting it replaces only what differs, so that place and selection stay; no event follows. */
  set value(text: string) {
    this.silent = true;
    this.view.dispatch({ effects: this.ends.reconfigure(breaks(text)) });
    this.edit(text);
    this.silent = false;
  }

  /** edit makes the text another one, as if it had been typed: it can be undone. */
  edit(text: string): void {
    const { scrollTop } = this.view.scrollDOM;
    const old = this.view.state.doc;
    const fresh = this.view.state.toText(text);
    if (!old.eq(fresh)) {
      const [before, after] = [old.toString(), fresh.toString()];
      let from = 0;
      while (from < before.length && from < after.length && before[from] === after[from]) from++;
      let end = 0;
      while (end < before.length - from && end < after.length - from && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
      this.view.dispatch({ changes: { from, to: before.length - end, insert: fresh.slice(from, fresh.length - end) } });
    }
    this.view.scrollDOM.scrollTop = scrollTop;
  }

  helpWith(source: CompletionSource, hover: HoverTooltipSource): void {
    this.view.dispatch({ effects: this.help.reconfigure([autocompletion({ override: [source], icons: false }), hoverTooltip(hover)]) });
  }

  /** mark shows findings where they are. */
  mark(findings: Finding[]): void {
    const marks: Diagnostic[] = [];
    for (const finding of findings) {
      if (!finding.place) continue;
      const { from, to } = this.range(finding.place);
      const { severity, message, suggestion } = finding;
      marks.push({ from, to, severity, message: suggestion ? `${message}; ${suggestion}` : message, ...(this.fixing(finding) && { actions: [{ name: "Fix", apply: () => this.fix(finding) }] }) });
    }
    this.view.dispatch(setDiagnostics(this.view.state, marks));
  }

  private range({ line, column, length }: { line: number; column: number; length: number }): { from: number; to: number } {
    const { doc } = this.view.state;
    const from = offset(doc, line, column);
    const to = Math.max(offset(doc, line, column + Math.max(1, length)), Math.min(from + 1, doc.line(Math.min(Math.max(1, line), doc.lines)).to));
    return { from, to };
  }

  /** fixing is what fix would change; undefined where the finding suggests nothing. */
  fixing(finding: Finding): { from: number; to: number; insert: string } | undefined {
    if (!finding.place || this.hasAttribute("readonly")) return undefined;
    const { doc } = this.view.state;
    const { from, to } = this.range(finding.place);
    const line = doc.lineAt(from);
    for (const [start, text] of [[from, doc.sliceString(from, to)], [line.from, line.text]] as const) {
      const change = fixOf(text, finding);
      if (change) return { from: start + change.from, to: start + change.to, insert: change.insert };
    }
    return undefined;
  }

  /** fix makes the change that the finding suggests. */
  fix(finding: Finding): void {
    const changes = this.fixing(finding);
    if (changes) this.view.dispatch({ changes, selection: { anchor: changes.from + changes.insert.length }, userEvent: "input.fix" });
    this.view.focus();
  }

  go({ line, column, length }: { line: number; column: number; length: number }): void {
    const { from } = this.range({ line, column, length });
    this.view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
    this.view.focus();
  }

  /** line is that of the caret, from 1. */
  get line(): number { return this.view.state.doc.lineAt(this.view.state.selection.main.head).number; }

  /** light marks lines, in ascending order, and shows the first one where none is in sight. */
  light(lines: number[]): void {
    this.view.dispatch({ effects: light.of(lines) });
    const { doc } = this.view.state;
    const blocks = lines.filter((line) => line <= doc.lines).map((line) => this.view.lineBlockAt(doc.line(line).from));
    const { scrollTop, clientHeight } = this.view.scrollDOM;
    if (blocks[0] && !blocks.some(({ top, bottom }) => bottom > scrollTop && top < scrollTop + clientHeight)) this.view.scrollDOM.scrollTop = blocks[0].top - clientHeight / 3;
  }

  /** watch keeps the places of values, by name, while the text changes. */
  watch(values: { name: string; place: { line: number; column: number; length: number }; before?: string; after?: string }[]): void {
    this.spots.clear();
    const { doc } = this.view.state;
    for (const { name, place: { line, column, length }, before = "", after = "" } of values) this.spots.set(name, { from: offset(doc, line, column), to: offset(doc, line, column + length), before, after });
  }

  /** written is the text of a watched value; empty where it is not there yet. */
  written(name: string): string {
    const spot = this.spots.get(name);
    return spot && spot.before === "" ? this.view.state.sliceDoc(spot.from, spot.to) : "";
  }

  /** put replaces a watched value, and nothing else. */
  put(name: string, value: string): void {
    const spot = this.spots.get(name);
    if (!spot) return;
    const { from, to, before, after } = spot;
    this.view.dispatch({ changes: { from, to, insert: before + value + after.replace("\n", this.view.state.lineBreak) }, userEvent: "input.form" });
    Object.assign(spot, { from: from + before.length, to: from + before.length + value.length, before: "", after: "" });
  }
}

customElements.define("berth-code", Code);
