/**
 * Elements that compare texts: <berth-diff> for what changes, <berth-merge> for two sides. The editor loads them where they are first
 * looked at.
 */
import { MergeView, unifiedMergeView } from "@codemirror/merge";
import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { breaks, common, reading, writing } from "./code.ts";

/** Diff shows in one column what changes from one text to another. */
export class Diff extends HTMLElement {
  private view: EditorView | undefined;

  show(before: string, after: string): void {
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    this.view?.destroy();
    this.view = new EditorView({ root, parent: root, state: EditorState.create({ doc: after, extensions: [
      common, reading(this.getAttribute("label") ?? "Difference"), unifiedMergeView({ original: before, mergeControls: false, collapseUnchanged: { margin: 3, minSize: 6 } }),
    ] }) });
  }
}

/** Merge shows two texts side by side. The right one can be edited, and takes parts of the left one. */
export class Merge extends HTMLElement {
  private view: MergeView | undefined;

  show(theirs: string, mine: string): void {
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    this.view?.destroy();
    this.view = new MergeView({
      root, parent: root, revertControls: "a-to-b", collapseUnchanged: { margin: 3, minSize: 6 },
      a: { doc: theirs, extensions: [common, breaks(theirs), reading("Their text")] },
      b: { doc: mine, extensions: [common, breaks(mine), writing("Your text. Escape, then Tab, leaves the editor.")] },
      renderRevertControl: () => { const button = document.createElement("button"); button.type = "button"; button.textContent = "→"; button.setAttribute("aria-label", "Take their part"); return button; },
    });
  }

  get value(): string { return this.view?.b.state.sliceDoc() ?? ""; }
  set value(text: string) { this.view?.b.dispatch({ changes: { from: 0, to: this.view.b.state.doc.length, insert: this.view.b.state.toText(text) } }); }
}

customElements.define("berth-diff", Diff);
customElements.define("berth-merge", Merge);
