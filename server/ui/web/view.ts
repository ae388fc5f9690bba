/** A list of runs with a filter that a visitor has kept, in this browser. */
export interface View { name: string; query: string }

const KEY = "berth.views";

/** readViews reads what was kept; what is not a list of views is none. */
export function readViews(text: string | null): View[] {
  try {
    const kept: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(kept) ? kept.filter((one): one is View => typeof one?.name === "string" && typeof one?.query === "string") : [];
  } catch {
    return [];
  }
}

/** withView adds a view, in the place of one with the same name. A page of a list is no part of it. */
export function withView(views: View[], name: string, search: string): View[] {
  const query = new URLSearchParams(search);
  query.delete("cursor");
  return [...views.filter((one) => one.name !== name), { name, query: query.toString() }];
}

/** savedViews shows the kept views beside the ones that every visitor has, and lets a visitor keep the filter of the address. */
export function savedViews(place: HTMLElement): void {
  const box = document.createElement("span");
  box.dataset["keep"] = "";
  box.id = "views-kept";
  const show = () => {
    const views = readViews(localStorage.getItem(KEY));
    box.replaceChildren(...views.flatMap((view) => [link(view), button(`✕`, `Forget the view ${view.name}`, () => keep(views.filter((one) => one !== view)))]), button("+ Save view", "", save));
  };
  const keep = (views: View[]) => { localStorage.setItem(KEY, JSON.stringify(views)); show(); };
  const save = () => {
    const field = document.createElement("input");
    field.maxLength = 60;
    field.setAttribute("aria-label", "Name of the view");
    field.placeholder = "Name, then Enter";
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") show();
      if (event.key !== "Enter" || field.value.trim() === "") return;
      event.preventDefault();
      keep(withView(readViews(localStorage.getItem(KEY)), field.value.trim(), location.search));
    });
    box.append(field);
    field.focus();
  };
  show();
  place.append(box);
}

function link({ name, query }: View): HTMLElement {
  const made = document.createElement("a");
  made.href = `?${query}`;
  made.textContent = name;
  return made;
}

function button(text: string, label: string, press: () => void): HTMLElement {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "plain";
  made.textContent = text;
  if (label !== "") made.setAttribute("aria-label", label);
  made.addEventListener("click", press);
  return made;
}
