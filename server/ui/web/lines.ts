/** The lines of an output as the server has them: read in pages, of which those used last are kept. */

/** Line is a LogLine of the API. */
export interface Line {
  line: number;
  offset: number;
  size: number;
  text: string;
  cut?: boolean;
  gap?: boolean;
  at?: string;
}

interface Answer { size_bytes: number; scanned_bytes: number; total_lines?: number; lines: Line[] }

/** Match is the answer to a search. */
export interface Match { count: number; next_line?: number; lines: Line[] }

const PAGE = 500; // lines
const KEPT = 40; // pages
const BESIDE = 3; // requests at a time
const TEXT = 20_000; // bytes of a line: 5,000 characters of any kind

export class Lines {
  total = 0;
  counted = false; // all lines up to the size
  size = 0;
  scanned = 0;
  problem = "";

  private readonly pages = new Map<number, Line[]>(); // in the order of their use
  private readonly loading = new Set<number>();
  private epoch = 0; // what was asked for before another attempt was chosen is dropped

  constructor(private readonly base: string, public attempt: number, private readonly changed: () => void) {}

  /** address is that of a part of the API for this attempt. */
  address(part: string, parameters: Record<string, string | number> = {}): string {
    const query = new URLSearchParams({ attempt: String(this.attempt) });
    for (const [name, value] of Object.entries(parameters)) query.set(name, String(value));
    return `${this.base}${part}?${query.toString()}`;
  }

  choose(attempt: number): void {
    this.epoch++;
    this.attempt = attempt;
    this.pages.clear();
    this.loading.clear();
    Object.assign(this, { total: 0, counted: false, size: 0, scanned: 0, problem: "" });
  }

  /** get returns a line that is here. */
  get(line: number): Line | undefined {
    const page = Math.floor((line - 1) / PAGE);
    const lines = this.pages.get(page);
    return lines?.[(line - 1) % PAGE];
  }

  /** want loads lines that are not here; changed is called when they are. */
  want(from: number, to: number): void {
    for (let page = Math.floor((from - 1) / PAGE); page <= Math.floor((Math.min(to, this.total) - 1) / PAGE); page++) {
      const lines = this.pages.get(page);
      if (lines) { this.pages.delete(page); this.pages.set(page, lines); }
      const full = Math.min(PAGE, this.total - page * PAGE);
      if ((lines?.length ?? 0) < full && !this.loading.has(page) && this.loading.size < BESIDE) void this.load(page, lines ?? []);
    }
  }

  private async load(page: number, have: Line[]): Promise<void> {
    this.loading.add(page);
    const epoch = this.epoch;
    const answer = await this.read({ from_line: page * PAGE + 1 + have.length, lines: PAGE - have.length });
    if (epoch !== this.epoch) return;
    this.loading.delete(page);
    if (answer) this.put(answer.lines);
    this.changed();
  }

  /** refresh asks how many lines there are, and reads the newest where they are followed. */
  async refresh(follow: boolean): Promise<void> {
    const epoch = this.epoch;
    const known = this.total;
    const newest = follow && this.counted && known > 0;
    let answer = await this.read(newest ? { from_line: known, lines: 4 * PAGE } : { from_line: -1, lines: 1 });
    while (answer && epoch === this.epoch && answer.total_lines === undefined) { // it takes longer than a request may
      this.changed();
      const before = answer.scanned_bytes;
      answer = await this.read({ from_line: -1, lines: 1 });
      if (answer && answer.scanned_bytes <= before && answer.total_lines === undefined) return;
    }
    if (!answer || epoch !== this.epoch) return;
    if (this.total < known) this.pages.clear(); // more has expired, and the lines have other numbers
    else if (this.total > known || newest) this.drop(known); // the last line may have been the beginning of one
    if (newest) this.put(answer.lines);
    this.changed();
  }

  /** drop forgets a line and what follows it on its page. */
  private drop(line: number): void {
    const page = Math.floor((line - 1) / PAGE);
    const lines = this.pages.get(page);
    if (lines) this.pages.set(page, lines.slice(0, (line - 1) % PAGE));
  }

  private put(lines: Line[]): void {
    for (const one of lines) {
      const page = Math.floor((one.line - 1) / PAGE);
      let place = this.pages.get(page);
      if (!place) {
        if ((one.line - 1) % PAGE !== 0) continue; // a page begins with its first line
        this.pages.set(page, (place = []));
      }
      const at = (one.line - 1) % PAGE;
      if (at <= place.length) place[at] = one;
    }
    for (const page of this.pages.keys()) {
      if (this.pages.size <= KEPT) break;
      this.pages.delete(page);
    }
  }

  private async read(parameters: Record<string, number>): Promise<Answer | undefined> {
    const epoch = this.epoch;
    const answer = await this.ask<Answer>(this.address("/lines", { ...parameters, line_bytes: TEXT, bytes: 2 << 20 }));
    if (!answer || epoch !== this.epoch) return undefined;
    this.size = answer.size_bytes;
    this.scanned = answer.scanned_bytes;
    this.counted = answer.total_lines !== undefined;
    if (answer.total_lines !== undefined) this.total = answer.total_lines;
    return answer;
  }

  /** search returns which lines contain a text, from a line on. */
  search(text: string, from: number, limit: number): Promise<Match | undefined> {
    return this.ask<Match>(this.address("/search", { text, from_line: from, limit, line_bytes: 1 }));
  }

  /** whole reads all of a line that was cut. */
  async whole(line: Line): Promise<string | undefined> {
    try {
      const response = await fetch(this.address("", { from_byte: line.offset, bytes: line.size }));
      return response.ok ? (await response.text()).replace(/\n$/, "") : undefined;
    } catch {
      return undefined;
    }
  }

  private async ask<T>(address: string): Promise<T | undefined> {
    try {
      const response = await fetch(address, { headers: { Accept: "application/json" } });
      const body = (await response.json()) as T & { detail?: string; title?: string };
      if (response.ok) { this.problem = ""; return body; }
      this.problem = body.detail ?? body.title ?? `the server answered ${response.status}`;
    } catch {
      this.problem = "no connection";
    }
    this.changed();
    return undefined;
  }
}
