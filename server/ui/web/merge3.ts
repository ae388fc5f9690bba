/** Piece is what one side made of a part of the base: lines `from` to `to` of it became `lines`. */
interface Piece { from: number; to: number; lines: string[] }

/** lines splits a text after each line break, so that joining them gives the text again, byte for byte. */
const split = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** changes are the pieces in which `b` differs from `a`, by a longest common subsequence of their lines. */
function changes(a: string[], b: string[]): Piece[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const [n, m] = [a.length - start - end, b.length - start - end];
  if (n === 0 && m === 0) return [];
  const most = 4_000_000; // cells of the table; beyond, all between is one change
  if (n * m > most) return [{ from: start, to: start + n, lines: b.slice(start, start + m) }];
  const width = m + 1;
  const length = new Uint32Array((n + 1) * width); // of the common lines from (i, j) on
  for (let i = n - 1; i >= 0; i--) {
    for (let j = m - 1; j >= 0; j--) {
      length[i * width + j] = a[start + i] === b[start + j] ? (length[(i + 1) * width + j + 1] ?? 0) + 1
        : Math.max(length[(i + 1) * width + j] ?? 0, length[i * width + j + 1] ?? 0);
    }
  }
  const pieces: Piece[] = [];
  let [i, j] = [0, 0];
  while (i < n || j < m) {
    if (i < n && j < m && a[start + i] === b[start + j]) { i++; j++; continue; }
    const piece: Piece = { from: start + i, to: start + i, lines: [] };
    while ((i < n || j < m) && !(i < n && j < m && a[start + i] === b[start + j])) {
      if (i < n && (j >= m || (length[(i + 1) * width + j] ?? 0) >= (length[i * width + j + 1] ?? 0))) i++;
      else piece.lines.push(b[start + j++] ?? "");
    }
    piece.to = start + i;
    pieces.push(piece);
  }
  return pieces;
}

const touches = (x: Piece, y: Piece): boolean => x.from <= y.to && y.from <= x.to;
const same = (x: Piece, y: Piece): boolean => x.from === y.from && x.to === y.to && x.lines.join("") === y.lines.join("");

/**
 * merge3 puts into `mine` what `theirs` changed of `base` elsewhere. Where both changed the same or neighbouring lines, mine
 * stays, and is counted: nothing is decided in silence.
 */
export function merge3(base: string, theirs: string, mine: string): { text: string; taken: number; both: number } {
  const lines = split(base);
  const [their, own] = [changes(lines, split(theirs)), changes(lines, split(mine))];
  const taken = their.filter((piece) => !own.some((one) => touches(one, piece)));
  const both = their.filter((piece) => own.some((one) => touches(one, piece)) && !own.some((one) => same(one, piece))).length;
  const merged: string[] = [];
  let at = 0;
  for (const piece of [...own, ...taken].sort((x, y) => x.from - y.from || x.to - y.to)) {
    merged.push(...lines.slice(at, piece.from), ...piece.lines);
    at = piece.to;
  }
  merged.push(...lines.slice(at));
  return { text: merged.join(""), taken: taken.length, both };
}
