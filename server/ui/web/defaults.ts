/** The form of a template's variables: it changes their defaults in the text, and not another character of it. */
import { type Code } from "./code.ts";
import { type Variable, type Variables } from "./words.ts";

export interface Default { variable: string; place?: { line: number; column: number; length: number }; before?: string; after?: string }

/** quote writes a string as YAML, in the way in which the value before was written. */
export function quote(value: string, before: string): string {
  if (before.startsWith("'")) return `'${value.replaceAll("'", "''")}'`;
  const isPlain = /^[A-Za-z_][\w./@-]*$/.test(value) && !/^(true|false|yes|no|on|off|null|y|n)$/i.test(value) || /^\d+[A-Za-z]+$/.test(value);
  return isPlain && !before.startsWith('"') && before !== "" ? value : JSON.stringify(value);
}

/** Defaults is the form. */
export class Defaults {
  private shape = "";
  private inputs = new Map<string, HTMLInputElement | HTMLSelectElement>();

  constructor(private readonly list: HTMLElement, private readonly source: Code, private readonly readOnly: boolean) {}

  /** show fills the form for the text as it is now. What is being typed stays. */
  show(defaults: Default[], variables: Variables): void {
    const known = defaults.filter(({ variable }) => variables[variable] !== undefined);
    this.source.watch(known.flatMap(({ variable: name, place, before = "", after = "" }) => place ? [{ name, place, before, after }] : []));
    const shape = JSON.stringify(known.map(({ variable, place }) => { const { type, enum: choices, title, description } = variables[variable] ?? {}; return [variable, Boolean(place), type, choices, title, description]; }));
    if (shape !== this.shape) {
      this.shape = shape;
      this.inputs.clear();
      this.list.replaceChildren(...known.map((one, at) => this.row(one, variables, at)));
      if (known.length === 0) this.list.textContent = "The template declares no variables.";
    }
    for (const [name, input] of this.inputs) {
      if (input === document.activeElement) continue;
      const value = variables[name]?.default;
      const shown = typeof value === "string" ? value : this.source.written(name);
      input.value = shown;
      if (input instanceof HTMLSelectElement && input.selectedIndex < 0) { // it is none of the choices
        input.append(new Option(shown));
        input.value = shown;
      }
    }
  }

  private row({ variable, place }: Default, variables: Variables, at: number): HTMLElement {
    const declared = variables[variable] ?? {};
    const { type, enum: choices, title, description } = declared;
    const row = document.createElement("p");
    row.className = "field";
    const label = document.createElement("label");
    label.htmlFor = `default-${at}`;
    label.textContent = variable;
    const kind = document.createElement("span");
    kind.className = "quiet";
    kind.textContent = ` ${[type, title, description].filter((text) => text !== undefined).map(String).join(" · ")}`;
    row.append(label, kind);
    if (!place) {
      const note = document.createElement("span");
      note.className = "quiet";
      note.textContent = " Its default takes several lines: change it in the text.";
      label.removeAttribute("for");
      row.append(note);
      return row;
    }
    const options = choices ?? (type === "boolean" ? [true, false] : undefined);
    const input = options ? document.createElement("select") : document.createElement("input");
    if (input instanceof HTMLSelectElement) {
      input.append(new Option("no default", ""), ...(options ?? []).map((one) => new Option(typeof one === "string" ? one : JSON.stringify(one))));
    } else {
      input.autocomplete = "off";
      input.spellcheck = false;
      input.placeholder = "no default";
      if (type === "integer" || type === "number") input.inputMode = "decimal";
    }
    input.id = `default-${at}`;
    input.disabled = this.readOnly;
    input.addEventListener("input", () => {
      const written = this.source.written(variable);
      if (input.value === "" && (input instanceof HTMLSelectElement || !isText(declared) || written === "")) return; // a default is removed in the text
      this.source.put(variable, isText(declared) ? quote(input.value, written) : input.value);
    });
    this.inputs.set(variable, input);
    row.append(input);
    return row;
  }
}

const isText = ({ type, default: value, enum: choices }: Variable): boolean => type === "string" || typeof value === "string" || (choices?.every((one) => typeof one === "string") ?? false);
