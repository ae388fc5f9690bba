/** Where a time stands on the Gantt chart: times in which nothing ran are folded. Pure functions; times are milliseconds since 1970. */
import { type Band, type GraphNode } from "./pipeline.ts";

export interface Span { from: number; to: number }

/** Piece of a scale: times between from and to lie between x and x + w. */
export interface Piece extends Span { x: number; w: number; folded: boolean }

const FOLD = 96; // pixels of a folded gap
const FOLDED_FROM = 0.5; // of the time in which something ran: a longer gap is folded

/** spansOf are the times in which something of a node ran or waited for a slot; of a map those in which an item ran. */
export function spansOf(node: GraphNode, now: number): Span[] {
  if (node.map?.bands) return node.map.bands.filter(({ active }) => active > 0).map(({ from, to }) => ({ from: Date.parse(from), to: Date.parse(to) }));
  const spans = (node.phases ?? []).map(({ from, to }) => ({ from: Date.parse(from), to: to ? Date.parse(to) : now }));
  if (node.started !== undefined) spans.push({ from: Date.parse(node.started), to: node.ended !== undefined ? Date.parse(node.ended) : now });
  return spans;
}

/** busy merges spans that touch, in the order of time. */
export function busy(spans: Span[]): Span[] {
  const merged: Span[] = [];
  for (const { from, to } of [...spans].sort((a, b) => a.from - b.from)) {
    const last = merged[merged.length - 1];
    if (last && from <= last.to) last.to = Math.max(last.to, to);
    else merged.push({ from, to: Math.max(from, to) });
  }
  return merged;
}

export class Scale {
  readonly pieces: Piece[] = [];

  /** The scale shows merged spans on `width` pixels. */
  constructor(merged: readonly Span[], readonly width: number) {
    const ran = merged.reduce((sum, { from, to }) => sum + to - from, 0);
    const shown: (Span & { folded: boolean })[] = [];
    merged.forEach((span, i) => {
      const last = shown[shown.length - 1];
      const gap = last ? span.from - last.to : 0;
      if (last && gap <= ran * FOLDED_FROM) last.to = span.to;
      else {
        if (last && i > 0) shown.push({ from: last.to, to: span.from, folded: true });
        shown.push({ ...span, folded: false });
      }
    });
    const folds = shown.filter(({ folded }) => folded).length;
    const open = shown.reduce((sum, { from, to, folded }) => sum + (folded ? 0 : to - from), 0);
    const rest = Math.max(1, width - folds * FOLD);
    let x = 0;
    for (const { from, to, folded } of shown) {
      const w = folded ? FOLD : open > 0 ? (rest * (to - from)) / open : rest / (shown.length - folds);
      this.pieces.push({ from, to, folded, x, w });
      x += w;
    }
  }

  /** x is where a time stands. */
  x(at: number): number {
    let piece = this.pieces[0];
    if (!piece) return 0;
    for (const one of this.pieces) if (one.from <= at) piece = one;
    const part = piece.to > piece.from ? Math.min(1, Math.max(0, (at - piece.from) / (piece.to - piece.from))) : 0;
    return piece.x + part * piece.w;
  }

  /** ticks are round times, at least `apart` pixels from each other. */
  ticks(apart: number): number[] {
    const open = this.pieces.filter(({ folded }) => !folded);
    const perPixel = Math.max(...open.map(({ from, to, w }) => (w > 0 ? (to - from) / w : 0)), 0);
    const step = STEPS.find((one) => one >= perPixel * apart) ?? STEPS[STEPS.length - 1]!;
    const found: number[] = [];
    for (const { from, to } of open) {
      const last = to - (open[open.length - 1]!.to === to ? 0 : (perPixel * apart) / 2); // its text ends before the fold
      for (let at = Math.ceil(from / step) * step; at <= last; at += step) if (found.length < 200) found.push(at);
    }
    return found;
  }
}

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const STEPS = [SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 28 * DAY];

/** took is a length of time as people say it. */
export function took(length: number): string {
  if (length < 10 * SECOND) return `${(length / SECOND).toFixed(1)} s`;
  if (length < MINUTE) return `${Math.round(length / SECOND)} s`;
  if (length < HOUR) return `${Math.floor(length / MINUTE)} min ${Math.floor((length % MINUTE) / SECOND)} s`;
  if (length < 2 * DAY) return `${Math.floor(length / HOUR)} h ${Math.floor((length % HOUR) / MINUTE)} min`;
  return `${Math.floor(length / DAY)} d`;
}

/** clock is a time of day, with the seconds where they count. */
export function clock(at: number, seconds: boolean): string {
  return new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", ...(seconds ? { second: "2-digit" } : {}) });
}

export const date = (at: number): string => new Date(at).toLocaleDateString("en-GB", { day: "numeric", month: "short" });

/** density is the outline of how many items ran when: for each band its place, and its height of `height` at most. */
export function density(bands: readonly Band[], scale: Scale, height: number): { all: string; failed: string } {
  const most = bands.reduce((high, { active, failed }) => Math.max(high, active, failed ?? 0), 1);
  let [all, failed] = ["", ""];
  for (const band of bands) {
    const [from, to] = [scale.x(Date.parse(band.from)), scale.x(Date.parse(band.to))];
    const outline = (n: number) => {
      const h = Math.max(2, Math.round((n / most) * height)); // few are seen too
      return `M${from.toFixed(1)} ${height}v${-h}h${Math.max(1, to - from).toFixed(1)}v${h}z`;
    };
    if (band.active > 0) all += outline(band.active);
    if (band.failed) failed += outline(band.failed);
  }
  return { all, failed };
}
