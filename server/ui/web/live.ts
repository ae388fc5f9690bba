/**
 * What keeps a page live: where something that it shows has changed, it is asked for again and only what differs is put into
 * the document. XMLHttpRequest parses HTML by itself, so that no string ever becomes markup here (Trusted Types).
 */
import { copies } from "./copy.ts";
import { dialogs } from "./dialog.ts";
import { grid } from "./grid.ts";
import { keys } from "./keys.ts";
import { type Message, type Request } from "./message.ts";
import { morph } from "./morph.ts";
import { fetchPage } from "./page.ts";
import { palette } from "./palette.ts";
import { applyTheme, preferences } from "./preference.ts";
import { anchored, hold, steady } from "./steady.ts";
import { tick } from "./time.ts";
import { savedViews } from "./view.ts";

const GAP = 1000; // milliseconds between two refreshes
const STALE_AFTER = 60_000; // milliseconds: what no change tells, such as a worker that falls silent

const root = document.documentElement.dataset["root"] ?? "./";
const topics = (document.body.dataset["topics"] ?? "").split(" ").filter((one) => one !== "");
let port: MessagePort | undefined;
let busy = false;
let stale = false; // something changed that the page does not show yet

let all = false; // also where a table is read that would hold new rows back

async function refresh(): Promise<void> {
  if (document.hidden || busy) { stale = true; return; }
  busy = true;
  stale = false;
  try {
    const { page, status, url } = await fetchPage(location.href);
    if (status === 429) throw new Error("too many requests");
    if (new URL(url).pathname.endsWith("/session") && !location.pathname.endsWith("/session")) {
      location.href = url; // the session is over
      return;
    }
    const [main, fresh] = [document.getElementById("main"), page.getElementById("main")];
    if (main && fresh) {
      hold(fresh, all);
      all = false;
      anchored(() => morph(main, fresh));
    }
    if (page.title !== "") document.title = page.title;
    tick();
    document.dispatchEvent(new Event("refreshed"));
  } catch {
    stale = true; // the link says so, and its return asks again
  }
  setTimeout(() => { busy = false; if (stale && linked()) void refresh(); }, GAP);
}

const linked = () => document.body.dataset["link"] !== "lost";

function show(link: "live" | "lost"): void {
  const before = document.body.dataset["link"];
  document.body.dataset["link"] = link;
  const place = document.getElementById("link");
  if (place) place.textContent = link === "live" ? "live" : "no connection";
  if (link === "live" && (before === "lost" || stale)) void refresh();
}

const policy = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes?.createPolicy("berth", {
  createScriptURL: (url: string) => {
    if (new URL(url, location.href).origin !== location.origin) throw new TypeError("a script of another origin");
    return url;
  },
});

interface TrustedTypes { createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string } }

/** connect returns a port of the connection that all tabs share; undefined where the browser has no such thing. */
function connect(): MessagePort | undefined {
  const script = document.body.dataset["changes"];
  if (!script || !("SharedWorker" in globalThis)) return undefined;
  return new SharedWorker(policy ? policy.createScriptURL(script) : script, { type: "module" }).port;
}

/** leave asks for the page as a new one, which leads to the sign-in where the session is over: in hidden tabs too. */
function leave(): void {
  const here = new URL(location.href);
  here.hash = "";
  location.replace(here);
}

/** open listens for changes of what the page shows and, where one is signed in, for the end of the session. */
function open(): void {
  if (port || topics.length === 0 && !document.querySelector('form[action$="session/end"]')) return;
  port = connect();
  if (!port) return;
  port.addEventListener("message", ({ data }: MessageEvent<Message>) => {
    if ("over" in data) leave();
    else if (topics.length === 0) return; // it shows nothing that changes, or what is shown once
    else if ("link" in data) show(data.link);
    else void refresh();
  });
  port.start();
  port.postMessage({ topics, address: new URL(`${root}api/v1/changes`, location.href).href } satisfies Request);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden && stale) void refresh(); });
addEventListener("pagehide", () => { port?.postMessage({ bye: true } satisfies Request); port = undefined; });
addEventListener("pageshow", (event) => { if (event.persisted) { open(); void refresh(); } });
// Whoever types into a form keeps what was typed, also where the page is made anew.
document.addEventListener("input", ({ target }) => { if (target instanceof Element) target.closest("form")?.setAttribute("data-typed", ""); });

applyTheme();
preferences(tick);
const views = document.getElementById("views");
if (views) savedViews(views);
tick();
setInterval(tick, 10_000);
if (topics.length > 0) setInterval(() => void refresh(), STALE_AFTER);
dialogs();
copies();
steady((whole) => { all ||= whole; void refresh(); });
palette(root);
keys(root);
grid();
open();
if (document.getElementById("signed-out")) connect()?.postMessage({ signedOut: true } satisfies Request);
