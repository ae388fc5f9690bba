/** What a visitor prefers, kept in this browser: the theme, how times are said, and whether single-letter keys work. */
export type Times = "relative" | "local" | "utc";

const THEME = "berth.theme", TIMES = "berth.times", KEYS_OFF = "berth.keys-off";

export const times = (): Times => {
  const chosen = localStorage.getItem(TIMES);
  return chosen === "local" || chosen === "utc" ? chosen : "relative";
};

export const keysOff = (): boolean => localStorage.getItem(KEYS_OFF) !== null;

/** applyTheme shows the theme that was chosen; without a choice the system's counts. */
export function applyTheme(): void {
  const theme = localStorage.getItem(THEME);
  if (theme === "light" || theme === "dark") document.documentElement.dataset["theme"] = theme;
  else delete document.documentElement.dataset["theme"];
}

/** preferences adds the choices to the menu. changed is called after each. */
export function preferences(changed: () => void): void {
  const sheet = document.querySelector(".menu .sheet");
  if (!sheet) return;
  const keep = (name: string, value: string) => {
    if (value === "") localStorage.removeItem(name);
    else localStorage.setItem(name, value);
    applyTheme();
    changed();
  };
  sheet.append(
    choice("Theme", localStorage.getItem(THEME) ?? "", [["", "system"], ["light", "light"], ["dark", "dark"]], (value) => keep(THEME, value)),
    choice("Times", localStorage.getItem(TIMES) ?? "", [["", "relative"], ["local", "local"], ["utc", "UTC"]], (value) => keep(TIMES, value)),
    choice("Keys", localStorage.getItem(KEYS_OFF) ?? "", [["", "on"], ["off", "off"]], (value) => keep(KEYS_OFF, value)),
  );
}

function choice(label: string, chosen: string, options: [string, string][], choose: (value: string) => void): HTMLElement {
  const select = document.createElement("select");
  for (const [value, text] of options) select.append(new Option(text, value, false, value === chosen));
  select.addEventListener("change", () => choose(select.value));
  const made = document.createElement("label");
  made.className = "preference";
  made.append(label, select);
  return made;
}
