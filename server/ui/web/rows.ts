/** Which line is in which row: all lines have one, except those of folded groups. Lines count from 1, rows from 0. */

/** Fold hides the lines after `from`, up to `to`. */
export interface Fold { from: number; to: number }

export class Rows {
  private folds: Fold[] = []; // in order; none is within another

  constructor(public lines = 0) {}

  get count(): number {
    return this.lines - this.folds.reduce((sum, fold) => sum + Math.max(0, Math.min(fold.to, this.lines) - fold.from), 0);
  }

  /** line is the line in a row. */
  line(row: number): number {
    let line = row + 1;
    for (const fold of this.folds) {
      if (line <= fold.from) break;
      line += fold.to - fold.from;
    }
    return line;
  }

  /** row is the row of a line; of a hidden line it is that of its group. */
  row(line: number): number {
    let hidden = 0;
    for (const fold of this.folds) {
      if (line <= fold.from) break;
      if (line <= fold.to) return fold.from - 1 - hidden;
      hidden += fold.to - fold.from;
    }
    return line - 1 - hidden;
  }

  folded(from: number): boolean { return this.folds.some((fold) => fold.from === from); }

  fold(from: number, to: number): void {
    this.folds = this.folds.filter((one) => one.to < from || one.from > to);
    this.folds.push({ from, to });
    this.folds.sort((a, b) => a.from - b.from);
  }

  unfold(line: number): void { this.folds = this.folds.filter((one) => line < one.from || line > one.to); }

  clear(): void { this.folds = []; }
}

/** Range is which lines are selected. */
export interface Range { from: number; to: number }

/** rangeOf reads #L120 and #L120-130 (or #L120-L130) of an address. */
export function rangeOf(hash: string): Range | undefined {
  const match = /^#L(\d{1,15})(?:-L?(\d{1,15}))?$/.exec(hash);
  if (!match) return undefined;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  return from > 0 && to > 0 ? { from: Math.min(from, to), to: Math.max(from, to) } : undefined;
}

export const hashOf = ({ from, to }: Range): string => (from === to ? `#L${from}` : `#L${from}-${to}`);

/** group is the name of the group that a line begins, in the words of GitHub Actions. */
export function group(line: string): string | undefined {
  return /^::group::(.*)$/.exec(line)?.[1]?.trim();
}

export const GROUP_END = "::endgroup::";

/** size is a number of bytes as people write it. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  if (bytes < 1 << 20) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}

/** many is a number of lines. */
export const many = (lines: number): string => `${lines.toLocaleString("en")} line${lines === 1 ? "" : "s"}`;
