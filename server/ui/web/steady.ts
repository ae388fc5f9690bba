/**
 * A steady table shows no new row and loses none while it is read: while the window is scrolled or rows are chosen, a bar says
 * how many are new, and shows them when it is pressed. What stands in the rows is always that of now.
 */
const table = (within: ParentNode) => within.querySelector<HTMLElement>("table[data-steady] > tbody");
const rowsOf = (body: Element) => [...body.children].filter((row) => row.id !== "");

export const chosen = (): number => document.querySelectorAll("table[data-steady] input[name=run]:checked").length;

const isRead = () => scrollY > 0 || chosen() > 0;

/** hold puts the rows of the page into a newer rendering of it, where the table is read and not all is to be shown. */
export function hold(fresh: ParentNode, all: boolean): void {
  const [here, there] = [table(document), table(fresh)];
  if (!here || !there || all || !isRead()) { say(0); return; }
  const newer = new Map(rowsOf(there).map((row) => [row.id, row]));
  const rows = rowsOf(here).map((row) => {
    const same = newer.get(row.id);
    newer.delete(row.id);
    return same ?? document.importNode(row, true);
  });
  there.replaceChildren(...rows);
  say(newer.size);
}

/** anchored changes the page so that the row that is pointed at, or has the focus, stays where it is on the screen. */
export function anchored(change: () => void): void {
  const row = document.querySelector("tr[id]:hover") ?? document.activeElement?.closest("tr[id]");
  const before = row?.getBoundingClientRect().top ?? 0;
  change();
  if (row?.isConnected) scrollBy(0, row.getBoundingClientRect().top - before);
}

function say(count: number): void {
  const bar = document.getElementById("news");
  if (bar) {
    bar.hidden = count === 0;
    const label = `${count} new`;
    if (count > 0 && bar.textContent !== label) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "small";
      button.textContent = label;
      bar.setAttribute("role", "status");
      bar.replaceChildren(button);
    }
  }
}

/** steady listens for the end of reading, and says how many rows are chosen. show asks for the page again. */
export function steady(show: (all: boolean) => void): void {
  const count = () => {
    const place = document.getElementById("chosen-count");
    if (place) place.textContent = `${chosen()} selected`;
  };
  const held = () => document.getElementById("news")?.hidden === false;
  document.addEventListener("change", ({ target }) => {
    if (!(target instanceof HTMLInputElement) || target.name !== "run") return;
    count();
    if (held() && !isRead()) show(false);
  });
  document.addEventListener("click", ({ target }) => {
    if (!(target instanceof Element) || !target.closest("#news")) return;
    scrollTo(0, 0);
    show(true);
  });
  addEventListener("scroll", () => { if (held() && !isRead()) show(false); }, { passive: true });
  document.addEventListener("refreshed", count);
  addEventListener("pageshow", count); // a browser that comes back chooses the same rows again
}
