import { type Completion, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import { type EditorState } from "@codemirror/state";
import { type EditorView, type Tooltip } from "@codemirror/view";

/** Language is what GET /api/v1/language says. */
export interface Language {
  functions: { name: string; usage: string; doc: string }[];
  context: { path: string; type: string; doc: string }[];
  keys: { path: string; doc: string }[];
  kubernetes: { root: string; types: Record<string, { doc: string; fields: Field[] }> };
}

interface Field { name: string; type: string; list?: boolean; map?: boolean; doc: string; enum?: string[] }

export interface Variable { type?: unknown; default?: unknown; description?: string; title?: string; enum?: unknown[] }

/** Variables of the template that is edited, by name. */
export type Variables = Record<string, Variable>;

/** Words completes and explains what is written in a template. */
export class Words {
  variables: Variables = {};
  constructor(private readonly language: Language) {}

  readonly complete = (context: CompletionContext): CompletionResult | null => {
    const line = context.state.doc.lineAt(context.pos);
    const before = line.text.slice(0, context.pos - line.from);
    return /\{\{(?:(?!\}\}).)*$/.test(before) ? this.inside(context) : this.outside(context, before);
  };

  private inside(context: CompletionContext): CompletionResult | null {
    const word = context.matchBefore(/[\w.$]*$/);
    if (!word) return null;
    const dot = word.text.startsWith(".") ? "." : "";
    const variables: Completion[] = Object.entries(this.variables).map(([name, { type, default: value, description, title }]) => ({
      label: dot + name, type: "variable", boost: 5, detail: [String(type ?? "any"), value === undefined ? "" : `= ${JSON.stringify(value)}`].join(" ").trim(), info: description ?? title ?? "",
    }));
    const members: Completion[] = this.language.context.map(({ path, type, doc }) => ({ label: `${dot}ctx.${path}`, type: "variable", detail: type, info: doc }));
    const functions: Completion[] = dot ? [] : this.language.functions.map(({ name, usage, doc }) => ({ label: name, type: "function", detail: usage.slice(name.length), info: doc }));
    return { from: word.from, options: [...variables, ...members, ...functions], validFor: /^[\w.$]*$/ };
  }

  private outside(context: CompletionContext, before: string): CompletionResult | null {
    const values = /^\s*(?:- )?([\w.-]+): *([\w-]*)$/.exec(before);
    if (values) {
      const choices = this.field(pathAt(context.state, context.pos - (values[2] ?? "").length - 1), values[1] ?? "")?.enum ?? [];
      const from = context.pos - (values[2] ?? "").length;
      return choices.length > 0 && from > context.state.doc.lineAt(context.pos).from ? { from, options: choices.map((label) => ({ label, type: "enum" })), validFor: /^[\w-]*$/ } : null;
    }
    const word = context.matchBefore(/[\w-]*$/);
    if (!word || !/^\s*(- )?[\w-]*$/.test(before) || (word.text === "" && !context.explicit)) return null;
    const path = pathAt(context.state, context.pos);
    const fields = this.fields(path);
    const options: Completion[] = fields
      ? fields.map(({ name, type, list, map, doc }) => ({ label: name, type: "property", detail: type + (list ? "[]" : map ? "{}" : ""), info: doc, apply: list || map || type in this.language.kubernetes.types ? `${name}:` : `${name}: ` }))
      : this.keysBelow(path).map(({ path: key, doc }) => ({ label: key.slice(key.lastIndexOf(".") + 1), type: "property", info: doc, apply: `${key.slice(key.lastIndexOf(".") + 1)}:` }));
    return options.length > 0 ? { from: word.from, options, validFor: /^[\w-]*$/ } : null;
  }

  private keysBelow(path: string[]): Language["keys"] {
    const prefix = path.length > 0 ? `${path.join(".")}.` : "";
    return this.language.keys.filter(({ path: key }) => key.startsWith(prefix) && !key.slice(prefix.length).includes("."));
  }

  /** fields are those of the Kubernetes type that a path leads to; undefined outside of the Job. */
  private fields(path: string[]): Field[] | undefined {
    const start = path.indexOf("job_manifest");
    if (start < 0) return undefined;
    let type = this.language.kubernetes.root;
    for (const key of path.slice(start + 1)) {
      const field = this.language.kubernetes.types[type]?.fields.find(({ name }) => name === key);
      if (!field || field.map) return [];
      type = field.type;
    }
    return this.language.kubernetes.types[type]?.fields ?? [];
  }

  private field(path: string[], name: string): Field | undefined {
    return this.fields(path[path.length - 1] === name ? path.slice(0, -1) : path)?.find((one) => one.name === name);
  }

  readonly hover = (view: EditorView, at: number): Tooltip | null => {
    const word = view.state.wordAt(at);
    if (!word) return null;
    const said = this.explain(view.state, word.from, view.state.sliceDoc(word.from, word.to));
    if (!said) return null;
    return { pos: word.from, end: word.to, create: () => { const dom = document.createElement("div"); dom.className = "cm-word"; dom.textContent = said; return { dom }; } };
  };

  private explain(state: EditorState, at: number, word: string): string | undefined {
    const line = state.doc.lineAt(at);
    const before = line.text.slice(0, at - line.from);
    if (/\{\{(?:(?!\}\}).)*$/.test(before)) {
      const variable = this.variables[word];
      if (variable) return [`${word}: ${String(variable.type ?? "any")}`, variable.default === undefined ? "" : `default ${JSON.stringify(variable.default)}`, variable.description ?? variable.title ?? ""].filter(Boolean).join(", ");
      const called = this.language.functions.find(({ name }) => name === word);
      if (called) return `${called.usage}: ${called.doc}`;
      return this.language.context.find(({ path }) => path.endsWith(word))?.doc;
    }
    const path = pathAt(state, at);
    return this.field(path, word)?.doc ?? this.keysBelow(path).find(({ path: key }) => key === [...path, word].join("."))?.doc;
  }
}

/** pathAt is the way of keys to a place in YAML, by indentation: it must be right while the text is still broken. */
export function pathAt(state: EditorState, at: number): string[] {
  const keys: string[] = [];
  const own = state.doc.lineAt(at);
  const item = /^(\s*)((?:- +)*)/.exec(own.text);
  let indent = Math.min((item?.[1]?.length ?? 0) + (item?.[2]?.length ?? 0), at - own.from);
  for (let n = own.number - 1; n > 0 && indent > 0; n--) {
    const { text } = state.doc.line(n);
    const key = /^(\s*)((?:- +)*)("?)([\w./-]+)\3:(?:\s|$)/.exec(text);
    if (!key) continue;
    const [dashes, start] = [key[2] ?? "", (key[1] ?? "").length];
    const column = start + dashes.length;
    const opens = /:\s*(?:#.*)?$/.test(text);
    // A list may stand at the column of its key: "args:" above "- x".
    const list = item && (item[2] ?? "") !== "" && keys.length === 0 && column === indent - (item[2] ?? "").length;
    if (column < indent && (opens || dashes !== "") || list) {
      if (column < indent && opens || list) { keys.unshift(key[4] ?? ""); indent = dashes ? start + 0.5 : column; continue; }
    }
    if (dashes !== "" && start < indent && column >= indent) indent = start + 0.5;
  }
  return keys;
}
