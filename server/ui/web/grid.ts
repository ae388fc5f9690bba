/** Arrow keys lead from cell to cell of a table that is a calendar: to the links in a cell, or else to the cell. */
export function grid(): void {
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const from = event.target instanceof Element ? event.target.closest<HTMLTableCellElement>("table.calendar :is(td, th)") : null;
    if (!step || !from || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const [down = 0, right = 0] = step;
    const links = [...from.querySelectorAll<HTMLElement>("a")];
    const inside = down === 0 ? undefined : links[links.indexOf(event.target as HTMLElement) + down];
    const row = from.parentElement as HTMLTableRowElement;
    const rows = [...(from.closest("table")?.rows ?? [])];
    const cell = rows[rows.indexOf(row) + down]?.cells[from.cellIndex + right];
    const next = inside ?? (cell && ([...cell.querySelectorAll<HTMLElement>("a")].at(down < 0 ? -1 : 0) ?? cell));
    if (!next) return;
    event.preventDefault();
    if (next === cell) next.tabIndex = -1;
    next.focus();
  });
}
