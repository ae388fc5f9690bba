/** What a terminal would show of a line of output, as pieces of text with classes: never as markup. */

/** Piece is text in one style. */
export interface Piece {
  text: string;
  style: string; // classes: f0–f15 and g0–g15 are colours, b bold, d dim, i italic, u underlined, s struck through, v inverse
  href?: string; // of a link, http or https only
  found?: boolean;
}

// Most pieces of a line; what follows has the style of the last. A line of codes must not become thousands of elements.
const PIECES = 100;

// 1: SGR, 2: OSC; all else is left out. A sequence without an end takes the rest of the line.
const CONTROL =
  // eslint-disable-next-line no-control-regex
  /(?:\x1b\[|\x9b)([0-9;:]*)m|(?:\x1b\[|\x9b)[0-?]*[ -/]*(?:[@-~]|$)|(?:\x1b\]|\x9d)([^\x07\x1b\x9c]*)(?:\x07|\x1b\\|\x9c|\x1b|$)|\x1b[PX^_][^\x07\x1b]*(?:\x07|\x1b\\|\x1b|$)|\x1b[ -/]*(?:[0-~]|$)|[\x00-\x08\x0a-\x1f\x7f-\x9f]/g;

/** last is the part of a line after its last carriage return: what a terminal shows of a progress bar. */
export function last(line: string): string {
  const end = line.endsWith("\r") ? line.length - 1 : line.length;
  return line.slice(line.lastIndexOf("\r", end - 1) + 1, end);
}

/** plain is the text of a line without control sequences. */
export const plain = (line: string): string => last(line).replace(CONTROL, "");

/** paint divides a line into pieces. */
export function paint(line: string): Piece[] {
  const text = last(line);
  const pieces: Piece[] = [];
  const pen = new Pen();
  let href = "";
  let at = 0;
  const put = (part: string): void => {
    if (part === "") return;
    const style = pen.classes();
    const before = pieces.at(-1);
    if (before && (pieces.length >= PIECES || (before.style === style && (before.href ?? "") === href))) before.text += part;
    else pieces.push(href === "" ? { text: part, style } : { text: part, style, href });
  };
  for (const match of text.matchAll(CONTROL)) {
    put(text.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[1] !== undefined) pen.apply(match[1]);
    else if (match[2]?.startsWith("8;")) href = target(match[2]);
  }
  put(text.slice(at));
  return pieces;
}

/** target is the address of an OSC 8 link, if it is one of the web. */
function target(command: string): string {
  const address = command.slice(command.indexOf(";", 2) + 1);
  try {
    const { protocol, href } = new URL(address);
    return protocol === "https:" || protocol === "http:" ? href : "";
  } catch {
    return "";
  }
}

class Pen {
  private fore = "";
  private ground = "";
  private readonly on = new Set<string>();

  classes(): string {
    return [this.fore, this.ground, ...this.on].filter((one) => one !== "").join(" ");
  }

  apply(codes: string): void {
    const list = (codes === "" ? "0" : codes).split(/[;:]/).map(Number);
    for (let i = 0; i < list.length; i++) {
      const code = list[i] ?? 0;
      if (code === 38 || code === 48) {
        const indexed = list[i + 1] === 5;
        const colour = indexed ? list[i + 2] ?? 0 : nearest(list[i + 2] ?? 0, list[i + 3] ?? 0, list[i + 4] ?? 0);
        this.colour(code === 38, indexed ? basic(colour) : colour);
        i += indexed ? 2 : 4;
      } else this.set(code);
    }
  }

  private set(code: number): void {
    const styles: Record<number, string> = { 1: "b", 2: "d", 3: "i", 4: "u", 7: "v", 9: "s" };
    const offs: Record<number, string[]> = { 22: ["b", "d"], 23: ["i"], 24: ["u"], 27: ["v"], 29: ["s"] };
    if (code === 0) { this.fore = this.ground = ""; this.on.clear(); }
    else if (styles[code]) this.on.add(styles[code]);
    else if (offs[code]) for (const one of offs[code]) this.on.delete(one);
    else if (code >= 30 && code <= 37) this.colour(true, code - 30);
    else if (code === 39) this.fore = "";
    else if (code >= 40 && code <= 47) this.colour(false, code - 40);
    else if (code === 49) this.ground = "";
    else if (code >= 90 && code <= 97) this.colour(true, code - 82);
    else if (code >= 100 && code <= 107) this.colour(false, code - 92);
  }

  private colour(fore: boolean, n: number): void {
    if (fore) this.fore = `f${n}`;
    else this.ground = `g${n}`;
  }
}

/** basic is the colour of the 16 that is nearest to one of the 256. */
function basic(n: number): number {
  if (n < 16) return Math.max(0, n);
  if (n > 231) { const grey = 8 + 10 * (n - 232); return nearest(grey, grey, grey); }
  const level = (v: number): number => (v === 0 ? 0 : 55 + 40 * v);
  const cube = n - 16;
  return nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

/** nearest is the colour of the 16 that is nearest to red, green and blue from 0 to 255. */
function nearest(r: number, g: number, b: number): number {
  const most = Math.max(r, g, b);
  if (most - Math.min(r, g, b) < 40) return most < 48 ? 0 : most < 144 ? 8 : most < 216 ? 7 : 15;
  const half = most / 2;
  return (r > half ? 1 : 0) + (g > half ? 2 : 0) + (b > half ? 4 : 0) + (most > 200 ? 8 : 0);
}

/** find marks the places of a text in pieces, in upper or lower case. */
export function find(pieces: Piece[], wanted: string): Piece[] {
  if (wanted === "") return pieces;
  const text = lower(pieces.map((one) => one.text).join(""));
  const needle = lower(wanted);
  const places: number[] = [];
  for (let at = text.indexOf(needle); at >= 0 && places.length < PIECES; at = text.indexOf(needle, at + needle.length)) places.push(at);
  if (places.length === 0) return pieces;
  const marked: Piece[] = [];
  let begin = 0;
  for (const piece of pieces) {
    const end = begin + piece.text.length;
    const cuts = [begin, end];
    for (const place of places) for (const cut of [place, place + needle.length]) if (cut > begin && cut < end) cuts.push(cut);
    cuts.sort((a, b) => a - b);
    for (let i = 0; i + 1 < cuts.length; i++) {
      const [from, to] = [cuts[i] ?? begin, cuts[i + 1] ?? end];
      if (from === to) continue;
      const found = places.some((place) => from >= place && to <= place + needle.length);
      marked.push({ ...piece, text: piece.text.slice(from - begin, to - begin), ...(found ? { found } : {}) });
    }
    begin = end;
  }
  return marked;
}

/** lower keeps the length of a text, so that places in both are the same. */
function lower(text: string): string {
  const all = text.toLowerCase();
  return all.length === text.length ? all : [...text].map((one) => { const small = one.toLowerCase(); return small.length === one.length ? small : one; }).join("");
}
