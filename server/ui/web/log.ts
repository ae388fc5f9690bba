/**
 * <berth-log>: the output of an attempt, of any length. Only the rows in sight are in the document, and only the lines near
 * them are here; all else is read from the server when it is needed. Text is never markup.
 */
import { find, paint, type Piece, plain } from "./ansi.ts";
import { type Line, Lines } from "./lines.ts";
import { keysOff } from "./preference.ts";
import { group, GROUP_END, hashOf, many, type Range, rangeOf, Rows, size } from "./rows.ts";

const ROW = 20; // pixels
const OVER = 8; // rows beyond the sight
const TALL = 8_000_000; // pixels: browsers do not make higher elements than some millions
const CHARACTERS = 5000; // of a line, of which the rest is cut
const HITS = 2000;
const ERRORS = ["error", "exception", "traceback", "panic", "fatal"];

function make<K extends keyof HTMLElementTagNameMap>(name: K, cls = "", text = ""): HTMLElementTagNameMap[K] {
  const one = document.createElement(name);
  if (cls !== "") one.className = cls;
  if (text !== "") one.textContent = text;
  return one;
}

/** choice is what this browser remembers. */
const choice = (name: string): boolean => { try { return localStorage.getItem(`log.${name}`) === "on"; } catch { return false; } };
const remember = (name: string, on: boolean): void => { try { localStorage.setItem(`log.${name}`, on ? "on" : "off"); } catch { /* it is a comfort */ } };

class Log extends HTMLElement {
  private readonly count = make("span", "quiet");
  private readonly field = make("input");
  private readonly found = make("span", "quiet");
  private readonly view = make("div", "view");
  private readonly tall = make("div", "tall");
  private readonly rowsBox = make("div", "rows");
  private readonly scale = make("canvas", "marks");
  private readonly following = make("button", "second small", "Follow");
  private readonly attempts = make("select");
  private readonly download = make("a", "", "Download");
  private lines!: Lines;
  private readonly rows = new Rows();
  private readonly wholes = new Map<number, string>(); // lines that are shown whole
  private follow = true;
  private wrap = choice("wrap");
  private times = choice("times");
  private wanted = "";
  private hits: number[] = [];
  private hit = -1;
  private hitCount = 0;
  private hitsNext = 0; // the line from which on there are more
  private chosen: Range | undefined;
  private drawn: unknown[] = []; // what the rows in the document were made of
  private pending = false;
  private ready = false;

  connectedCallback(): void {
    if (this.ready) return;
    this.ready = true;
    const { run = "", attempt = "1", api = "" } = this.dataset;
    this.lines = new Lines(`${api}runs/${encodeURIComponent(run)}/logs`, Number(attempt), () => this.later());
    this.build();
    this.chosen = rangeOf(location.hash);
    if (this.chosen) this.follow = false;
    void this.open();
    addEventListener("hashchange", () => { const range = rangeOf(location.hash); if (range) { this.chosen = range; this.go(range.from); } });
    this.addEventListener("first-error", () => void this.firstError().then(() => this.view.focus({ preventScroll: true })));
    document.addEventListener("refreshed", () => { this.listAttempts(); void this.lines.refresh(this.follow); });
  }

  private async open(): Promise<void> {
    await this.lines.refresh(false);
    if (this.chosen) this.go(this.chosen.from);
    else if (this.dataset["failed"] !== undefined) { // it opens where it says why
      const line = await this.errorLine();
      if (line > 0 && this.follow) this.select(line);
    }
    this.later();
  }

  private build(): void {
    this.field.type = "search";
    this.field.placeholder = "Search";
    this.field.setAttribute("aria-label", "Search all lines of the output");
    let wait: ReturnType<typeof setTimeout> | undefined;
    this.field.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(() => void this.search(), 200); });
    this.field.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); void this.step(event.shiftKey ? -1 : 1); } });
    for (const one of [this.count, this.found]) one.setAttribute("role", "status");
    this.count.textContent = "reading…";
    this.attempts.setAttribute("aria-label", "Attempt");
    this.attempts.addEventListener("change", () => this.choose(Number(this.attempts.value)));
    this.following.addEventListener("click", () => { this.follow = !this.follow; if (this.follow) void this.lines.refresh(true); this.later(); });
    const bar = make("div", "bar");
    bar.append(this.attempts, this.count, this.field, this.found, this.button("First error", () => void this.firstError()),
      this.toggle("Wrap", this.wrap, (on) => { remember("wrap", this.wrap = on); }), this.toggle("Times", this.times, (on) => { remember("times", this.times = on); }),
      this.following, this.download);
    this.view.tabIndex = 0;
    this.view.setAttribute("role", "region");
    this.view.setAttribute("aria-label", "Output of the run");
    this.view.addEventListener("scroll", () => { this.follow = this.view.scrollTop + this.view.clientHeight >= this.view.scrollHeight - ROW; this.later(); }, { passive: true });
    this.view.addEventListener("keydown", (event) => this.key(event));
    this.rowsBox.addEventListener("click", (event) => this.pressed(event));
    this.addEventListener("keydown", (event) => { if ((event.ctrlKey || event.metaKey) && event.key === "f") { event.preventDefault(); this.field.select(); } });
    this.scale.setAttribute("aria-hidden", "true");
    this.tall.append(this.rowsBox);
    this.view.append(this.tall);
    const frame = make("div", "frame");
    frame.append(this.view, this.scale);
    this.replaceChildren(bar, frame);
    this.listAttempts();
    new ResizeObserver(() => this.later()).observe(this.view);
  }

  private button(text: string, act: () => void): HTMLButtonElement {
    const one = make("button", "second small", text);
    one.type = "button";
    one.addEventListener("click", act);
    return one;
  }

  private toggle(text: string, on: boolean, set: (on: boolean) => void): HTMLButtonElement {
    const one = this.button(text, () => {
      const next = one.getAttribute("aria-pressed") !== "true";
      one.setAttribute("aria-pressed", String(next));
      set(next);
      this.later();
    });
    one.setAttribute("aria-pressed", String(on));
    return one;
  }

  /** listAttempts offers the attempts that the page shows. */
  private listAttempts(): void {
    const known = Math.max(Number(this.dataset["attempts"] ?? 0), document.querySelectorAll("#attempts tbody tr").length, this.lines.attempt);
    while (this.attempts.length < known) this.attempts.add(new Option(`attempt ${this.attempts.length + 1}`, String(this.attempts.length + 1)));
    this.attempts.value = String(this.lines.attempt);
    this.attempts.hidden = known < 2;
    this.download.href = this.lines.address("");
    this.download.download = `${this.dataset["run"] ?? "run"}-${this.lines.attempt}.log`;
  }

  private choose(attempt: number): void {
    this.lines.choose(attempt);
    this.rows.clear();
    this.wholes.clear();
    this.hits = [];
    this.chosen = undefined;
    this.follow = true;
    const address = new URL(location.href);
    address.searchParams.set("attempt", String(attempt));
    address.hash = "";
    history.replaceState(history.state, "", address);
    this.listAttempts();
    void this.open();
    if (this.wanted !== "") void this.search();
  }

  /** later draws once in the next frame, however much has come. */
  private later(): void {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => { this.pending = false; this.draw(); });
  }

  private draw(): void {
    this.rows.lines = this.lines.total;
    const { count } = this.rows;
    const height = this.view.clientHeight;
    const full = count * ROW + (this.wrap ? Math.max(0, height - ROW) : 0);
    const tall = Math.min(full, TALL);
    this.tall.style.height = `${tall}px`;
    if (this.follow) this.view.scrollTop = tall;
    this.following.textContent = this.follow ? "Following" : "Follow";
    this.following.setAttribute("aria-pressed", String(this.follow));
    this.say();
    const ratio = this.ratio(full, tall, height);
    const top = this.view.scrollTop * ratio;
    const seen = Math.ceil(height / ROW);
    const bottom = this.wrap && this.follow;
    const first = bottom ? Math.max(0, count - seen) : Math.max(0, Math.floor(top / ROW) - (this.wrap ? 0 : OVER));
    const end = Math.min(count, first + seen + (this.wrap ? 1 : 2 * OVER));
    if (end > first) this.lines.want(this.rows.line(first), this.rows.line(end - 1));
    this.className = `${this.wrap ? "wrap" : ""} ${this.times ? "times" : ""}`;
    this.fillRows(first, end);
    const y = bottom ? this.view.scrollTop + height - this.rowsBox.offsetHeight : this.wrap ? this.view.scrollTop : this.view.scrollTop - (top - first * ROW);
    this.rowsBox.style.transform = `translateY(${Math.max(0, y)}px)`;
    this.drawMarks(height, count);
  }

  /** fillRows puts rows into the document, unless they are there: text that is being copied stays selected. */
  private fillRows(first: number, end: number): void {
    const numbers = Array.from({ length: Math.max(0, end - first) }, (_, i) => this.rows.line(first + i));
    const parts = [this.wrap, this.times, this.wanted, this.hits[this.hit], this.chosen?.from, this.chosen?.to,
      ...numbers.flatMap((one) => [one, this.lines.get(one), this.wholes.has(one), this.rows.folded(one)])];
    if (parts.length === this.drawn.length && parts.every((one, i) => one === this.drawn[i])) return;
    this.drawn = parts;
    const focused = this.rowsBox.contains(document.activeElement) ? document.activeElement : null;
    const line = focused?.closest<HTMLElement>(".row")?.dataset["line"];
    const made = document.createDocumentFragment();
    for (const one of numbers) made.append(this.row(one));
    this.rowsBox.replaceChildren(made);
    if (line) this.rowsBox.querySelector<HTMLElement>(`[data-line="${line}"] button`)?.focus({ preventScroll: true });
  }

  /** ratio is how many pixels of all rows a pixel of the scroll bar stands for. */
  private ratio(full: number, tall: number, height: number): number {
    return full <= tall || tall <= height ? 1 : (full - height) / (tall - height);
  }

  private say(): void {
    const { total, counted, size: bytes, scanned, problem } = this.lines;
    let text = `${many(total)}, ${size(bytes)}`;
    if (problem !== "") text = problem;
    else if (!counted && bytes > 0) text = `counting lines, ${Math.floor((100 * scanned) / bytes)} %`;
    else if (counted && bytes === 0) text = "no output yet";
    if (this.count.textContent !== text) this.count.textContent = text;
  }

  private row(number: number): HTMLElement {
    const line = this.lines.get(number);
    const row = make("div", "row");
    row.dataset["line"] = String(number);
    if (this.chosen && number >= this.chosen.from && number <= this.chosen.to) row.classList.add("lit");
    if (this.hits[this.hit] === number) row.classList.add("hit");
    const link = make("a", "no", String(number));
    link.href = `#L${number}`;
    link.tabIndex = -1;
    row.append(link);
    if (this.times) {
      const at = make("span", "at");
      if (line?.at) { const time = new Date(line.at); at.textContent = time.toLocaleTimeString("en-GB"); at.title = line.at; }
      row.append(at);
    }
    const text = make("span", "text");
    if (line) this.fill(text, line);
    row.append(text);
    return row;
  }

  private fill(text: HTMLElement, line: Line): void {
    if (line.gap) { text.classList.add("gap"); text.textContent = `[${line.size.toLocaleString("en")} bytes no longer kept]`; return; }
    const name = group(line.text);
    if (name !== undefined) {
      const folded = this.rows.folded(line.line);
      const fold = make("button", "plain fold", `${folded ? "▸" : "▾"} ${plain(name)}`);
      fold.type = "button";
      fold.setAttribute("aria-expanded", String(!folded));
      text.append(fold);
      return;
    }
    if (line.text.startsWith(GROUP_END)) { text.classList.add("gap"); text.textContent = "end of the group"; return; }
    const whole = this.wholes.get(line.line);
    const all = whole ?? line.text;
    const shown = whole === undefined && all.length > CHARACTERS ? all.slice(0, CHARACTERS) : all;
    for (const piece of find(paint(shown), this.wanted)) text.append(...drawn(piece));
    if (whole === undefined && (line.cut || shown.length < all.length)) {
      const more = make("button", "plain more", `show all (${size(line.size)})`);
      more.type = "button";
      text.append(" … ", more);
    }
  }

  private pressed(event: MouseEvent): void {
    if (!(event.target instanceof Element)) return;
    const number = Number(event.target.closest<HTMLElement>(".row")?.dataset["line"]);
    if (!(number > 0)) return;
    if (event.target.closest(".no")) {
      event.preventDefault();
      const from = event.shiftKey && this.chosen ? this.chosen.from : number;
      this.chosen = { from: Math.min(from, number), to: Math.max(from, number) };
      this.follow = false;
      history.replaceState(history.state, "", hashOf(this.chosen));
      this.later();
    } else if (event.target.closest(".fold")) void this.fold(number);
    else if (event.target.closest(".more")) void this.showWhole(number);
  }

  private async showWhole(number: number): Promise<void> {
    const line = this.lines.get(number);
    const whole = line && (await this.lines.whole(line));
    if (whole === undefined) return;
    this.wholes.set(number, whole);
    this.later();
  }

  /** fold hides the lines of a group, or shows them again. The server knows where it ends. */
  private async fold(from: number): Promise<void> {
    this.follow = false;
    if (this.rows.folded(from)) this.rows.unfold(from);
    else {
      const end = await this.lines.search(GROUP_END, from + 1, 1);
      const to = end?.lines[0]?.line ?? this.lines.total;
      if (to > from) this.rows.fold(from, to);
    }
    this.later();
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.view.clientHeight / ROW) - 2);
    const moves: Record<string, number> = { Home: -Infinity, End: Infinity, PageUp: -page, PageDown: page, ArrowUp: -1, ArrowDown: 1 };
    const move = moves[event.key];
    if (event.key === "e" && !keysOff()) void this.firstError();
    else if (move === undefined) return;
    else this.showRow(move === -Infinity ? 0 : move === Infinity ? this.rows.count : this.top() + move);
    event.preventDefault();
  }

  private measures(): { ratio: number; height: number } {
    const height = this.view.clientHeight;
    const full = this.rows.count * ROW + (this.wrap ? Math.max(0, height - ROW) : 0);
    return { ratio: this.ratio(full, Math.min(full, TALL), height), height };
  }

  /** top is the first row in sight. */
  private top(): number { return Math.round((this.view.scrollTop * this.measures().ratio) / ROW); }

  private showRow(row: number): void {
    const { ratio, height } = this.measures();
    this.view.scrollTop = (Math.max(0, row) * ROW) / ratio;
    this.follow = row * ROW >= this.rows.count * ROW - height; // now: the event comes after the next frame is drawn
    this.later();
  }

  /** go shows a line. */
  private go(line: number): void {
    this.follow = false;
    this.rows.lines = this.lines.total;
    this.rows.unfold(line);
    this.draw(); // the height must be there
    this.follow = false;
    this.showRow(this.rows.row(Math.min(line, this.lines.total)) - Math.floor(this.measures().height / ROW / 3));
    this.follow = false;
  }

  private async search(): Promise<void> {
    this.wanted = this.field.value;
    this.hits = [];
    this.hit = -1;
    this.hitCount = this.hitsNext = 0;
    if (this.wanted === "") { this.found.textContent = ""; this.later(); return; }
    this.found.textContent = "searching…";
    await this.searchFrom(1);
    await this.step(1);
  }

  /** searchFrom adds the lines that are found from one on. */
  private async searchFrom(from: number): Promise<void> {
    const wanted = this.wanted;
    for (let next = from; next > 0; ) {
      const answer = await this.lines.search(wanted, next, HITS);
      if (wanted !== this.wanted) return;
      if (!answer) { this.found.textContent = this.lines.problem; return; }
      this.hits.push(...answer.lines.map((one) => one.line));
      this.hitCount = Math.max(this.hitCount, this.hits.length - answer.lines.length + answer.count);
      const last = answer.lines.at(-1)?.line ?? 0;
      const more = answer.count > answer.lines.length;
      this.hitsNext = more ? last + 1 : 0;
      next = !more && answer.next_line !== undefined ? answer.next_line : 0;
    }
  }

  private async step(by: number): Promise<void> {
    if (this.field.value !== this.wanted) { await this.search(); return; }
    if (this.wanted === "") return;
    if (this.hit + by >= this.hits.length && this.hitsNext > 0) await this.searchFrom(this.hitsNext);
    if (this.hits.length === 0) { this.found.textContent = "not found"; this.later(); return; }
    this.hit = (this.hit + by + this.hits.length) % this.hits.length;
    this.found.textContent = `${(this.hit + 1).toLocaleString("en")} of ${many(this.hitCount)}`;
    this.go(this.hits[this.hit] ?? 1);
  }

  private async firstError(): Promise<void> {
    const line = await this.errorLine();
    if (line === 0) { this.found.textContent = "no line says error"; return; }
    this.select(line);
    history.replaceState(history.state, "", hashOf({ from: line, to: line }));
  }

  private select(line: number): void {
    this.chosen = { from: line, to: line };
    this.go(line);
  }

  /** errorLine is the first line with the first of the words that the output has; 0 if it has none. */
  private async errorLine(): Promise<number> {
    for (const word of ERRORS) {
      const line = (await this.lines.search(word, 1, 1))?.lines[0]?.line;
      if (line !== undefined) return line;
    }
    return 0;
  }

  /** drawMarks shows beside the scroll bar where lines were found. */
  private drawMarks(height: number, count: number): void {
    if (this.scale.height !== height) this.scale.height = height;
    if (this.scale.width !== 8) this.scale.width = 8;
    const context = this.scale.getContext("2d");
    if (!context) return;
    context.clearRect(0, 0, 8, height);
    context.fillStyle = getComputedStyle(this.scale).color;
    for (const line of this.hits) context.fillRect(0, Math.round((this.rows.row(line) / Math.max(1, count)) * height), 8, 2);
  }
}

/** drawn are the nodes of a piece. A link shows where it leads. */
function drawn({ text, style, href, found }: Piece): Node[] {
  const inner: Node = found ? make("mark", "", text) : document.createTextNode(text);
  if (href === undefined) {
    if (style === "") return [inner];
    const span = make("span", style);
    span.append(inner);
    return [span];
  }
  const link = make("a", style);
  link.href = href;
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
  link.append(inner);
  return text.includes(href) ? [link] : [link, make("span", "quiet", ` (${href})`)];
}

customElements.define("berth-log", Log);
