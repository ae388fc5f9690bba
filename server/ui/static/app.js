// The page: what its parts have in common, and which of them the address asks for.

import { get, setKey } from "/ui/api.js";
import * as deployment from "/ui/deployment.js";
import * as overview from "/ui/overview.js";
import * as pool from "/ui/pool.js";
import * as run from "/ui/run.js";

const EVERY = 2000; // milliseconds between refreshes while the page is visible

// element makes a DOM element. Text stays text: nothing that comes from the API is ever read as HTML.
export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, what] of Object.entries(attributes)) made.setAttribute(key, what);
  made.append(...children.filter((child) => child !== undefined && child !== null));
  return made;
}

export function badge(state) {
  return element("span", { class: `state ${state.type}`, title: state.message || "" }, state.name || state.type);
}

export function moment(text) {
  const at = new Date(text);
  return element("time", { datetime: text, title: at.toISOString() }, at.toLocaleString());
}

export function clock(text) {
  const at = new Date(text);
  return element("time", { datetime: text, title: at.toLocaleString() }, at.toLocaleTimeString());
}

export function duration(one) {
  // A run that waits for its next attempt has started once, and takes no time now.
  if (!one.started_at || ["SCHEDULED", "PENDING"].includes(one.state.type)) return "";
  const seconds = Math.max(0, (new Date(one.ended_at || Date.now()) - new Date(one.started_at)) / 1000);
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// put shows children, without listeners of their own, in a place. What is there already stays: somebody may be about to click
// it, or have a part of it selected.
export function put(place, ...children) {
  children.forEach((child, i) => {
    const next = typeof child === "string" ? document.createTextNode(child) : child;
    const there = place.childNodes[i];
    if (!there) place.append(next);
    else if (!there.isEqualNode(next)) there.replaceWith(next);
  });
  while (place.childNodes.length > children.length) place.lastChild.remove();
}

// rows puts rows into a table. Who has got to a link of it by keyboard stays there.
export function rows(table, items, row) {
  const at = table.contains(document.activeElement) && document.activeElement.getAttribute("href");
  put(table.tBodies[0], ...items.map((item) => element("tr", {}, ...row(item))));
  if (at) [...table.querySelectorAll("a")].find((one) => one.getAttribute("href") === at)?.focus({ preventScroll: true });
}

export const cell = (...children) => element("td", {}, ...children);

// facts are names and values, those without a value left out.
export function facts(list) {
  return list.filter(([, what]) => what).map(([name, what]) => element("div", {}, element("dt", {}, name), element("dd", {}, what)));
}

export function runRow(one) {
  return [
    cell(badge(one.state)),
    cell(element("a", { href: `#/runs/${one.id}` }, one.name)),
    cell(toDeployment(one.deployment)),
    cell(toPool(one.pool)),
    cell(moment(one.created_at)),
    element("td", { class: "number" }, duration(one)),
  ];
}

export const toDeployment = (name) => element("a", { href: `#/deployments/${encodeURIComponent(name)}` }, name);
export const toPool = (name) => element("a", { href: `#/pools/${encodeURIComponent(name)}` }, name);
export const tag = (text) => element("span", { class: "tag" }, text);

function link(kind, text) {
  const line = document.getElementById("link");
  if (line.textContent === text) return;
  line.className = `link ${kind}`;
  line.textContent = text;
}

// failed shows what went wrong. It says whether trying again is useless.
function failed(error) {
  if (error.status === 401) {
    askForKey(error.message);
    return true;
  }
  const line = document.getElementById("problem");
  if (error.status) {
    line.textContent = error.message;
    line.hidden = false;
    link("live", "live");
    return error.status < 500 && error.status !== 429;
  }
  link("lost", "no connection, trying again");
  return false;
}

// well takes back what failed said.
function well() {
  document.getElementById("problem").hidden = true;
  link("live", "live");
}

function askForKey(why) {
  const dialog = document.getElementById("login");
  if (dialog.open) return;
  const problem = document.getElementById("login-problem");
  problem.textContent = why;
  problem.hidden = !sessionStorage.length;
  dialog.showModal();
}

async function info() {
  try {
    const about = await get("/api/v1/info");
    document.getElementById("info").textContent = about.key_name ? `${about.version} · ${about.key_name} (${about.role})` : about.version;
  } catch (error) {
    failed(error);
  }
}

// place is what the address asks for; nothing where it is the overview, or no address of this page.
function place() {
  const [, kind, name] = location.hash.match(/^#\/(runs|deployments|pools)\/([^/]+)$/) ?? [];
  try {
    return [kind, name && decodeURIComponent(name)];
  } catch {
    return [];
  }
}

const PARTS = { runs: run, deployments: deployment, pools: pool };

function route() {
  const [kind, name] = place();
  document.getElementById("problem").hidden = true;
  for (const part of [overview, run, deployment, pool]) part.hide();
  (PARTS[kind] ?? overview).show(name, failed, well);
}

document.getElementById("login-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = document.getElementById("key");
  setKey(field.value.trim());
  field.value = "";
  document.getElementById("login").close();
  info();
  route();
});
addEventListener("hashchange", () => {
  route();
  scrollTo(0, 0);
  document.getElementById("main").focus({ preventScroll: true }); // the link that led here is gone, and who uses the keyboard with it
});
function refresh() {
  if (document.hidden || document.getElementById("login").open) return;
  for (const part of [overview, deployment, pool]) part.refresh(failed, well);
}

document.addEventListener("visibilitychange", refresh);
setInterval(refresh, EVERY);
info();
route();
