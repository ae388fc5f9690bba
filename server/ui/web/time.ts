import { times } from "./preference.ts";

/** ago is a time as a reader says it: how long ago, or how long until then. Both arguments are milliseconds since 1970. */
export function ago(at: number, now: number): string {
  const seconds = Math.round(Math.abs(now - at) / 1000);
  const length = span(seconds);
  if (seconds < 5) return "just now";
  return at <= now ? `${length} ago` : `in ${length}`;
}

function span(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 2 * 86400) {
    const minutes = Math.floor((seconds % 3600) / 60);
    return `${Math.floor(seconds / 3600)} h${minutes > 0 && seconds < 36000 ? ` ${minutes} min` : ""}`;
  }
  return `${Math.floor(seconds / 86400)} d`;
}

const utc = (at: number): string => new Date(at).toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");

/** tick brings the relative times of the page up to date, and gives each its exact time here and in UTC. */
export function tick(): void {
  const now = Date.now();
  for (const one of document.querySelectorAll<HTMLTimeElement>("time.ago")) {
    const at = Date.parse(one.dateTime);
    if (Number.isNaN(at)) continue;
    const chosen = times();
    const text = chosen === "relative" ? ago(at, now) : chosen === "local" ? new Date(at).toLocaleString() : utc(at);
    if (one.textContent !== text) one.textContent = text;
    const exact = `${new Date(at).toLocaleString()} here · ${new Date(at).toISOString().replace(".000Z", "Z")}`;
    if (one.title !== exact) one.title = exact;
  }
}
