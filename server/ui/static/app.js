// The page: what its views share, and which view the address selects.

import { caller, get, here, post, setKey } from "./api.js";
import * as approval from "./approval.js";
import * as deployment from "./deployment.js";
import * as overview from "./overview.js";
import * as pool from "./pool.js";
import * as run from "./run.js";

const REFRESH_INTERVAL = 2000; // milliseconds, while the page is visible

// element creates a DOM element. Text stays text: nothing from the API is ever parsed as HTML.
export function element(name, attributes, ...children) {
  const created = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, value);
  created.append(...children.filter((child) => child !== undefined && child !== null));
  return created;
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
  // A run that awaits its next attempt has started before, but is not running.
  if (!one.started_at || ["SCHEDULED", "PENDING"].includes(one.state.type)) return "";
  const seconds = Math.max(0, (new Date(one.ended_at || Date.now()) - new Date(one.started_at)) / 1000);
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// updateChildren replaces the children of an element, except equal ones: the user may be about to click one, or
// have selected a part of it. Children must not have event listeners.
export function updateChildren(place, ...children) {
  children.forEach((child, i) => {
    const next = typeof child === "string" ? document.createTextNode(child) : child;
    const current = place.childNodes[i];
    if (!current) place.append(next);
    else if (!current.isEqualNode(next)) current.replaceWith(next);
  });
  while (place.childNodes.length > children.length) place.lastChild.remove();
}

// updateRows replaces the rows of a table and keeps the keyboard focus on the same link.
export function updateRows(table, items, row) {
  const focused = table.contains(document.activeElement) && document.activeElement.getAttribute("href");
  updateChildren(table.tBodies[0], ...items.map((item) => element("tr", {}, ...row(item))));
  if (focused) [...table.querySelectorAll("a")].find((one) => one.getAttribute("href") === focused)?.focus({ preventScroll: true });
}

export const cell = (...children) => element("td", {}, ...children);

// definitions returns the items of a definition list; entries without a value are omitted.
export function definitions(list) {
  return list.filter(([, value]) => value).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
}

export function runRow(one) {
  return [
    cell(badge(one.state)),
    cell(element("a", { href: `#/runs/${one.id}` }, one.name)),
    cell(deploymentLink(one.deployment)),
    cell(poolLink(one.pool)),
    cell(moment(one.created_at)),
    element("td", { class: "number" }, duration(one)),
  ];
}

export const deploymentLink = (name) => element("a", { href: `#/deployments/${encodeURIComponent(name)}` }, name);
export const poolLink = (name) => element("a", { href: `#/pools/${encodeURIComponent(name)}` }, name);
export const tag = (text) => element("span", { class: "tag" }, text);

// showConnection shows whether the page is connected to the server.
function showConnection(kind, text) {
  const line = document.getElementById("link");
  if (line.textContent === text) return;
  line.className = `link ${kind}`;
  line.textContent = text;
}

// showError shows an error. It returns true if a retry is useless.
function showError(error) {
  if (error.status === 401) {
    askForKey(error.message);
    return true;
  }
  const line = document.getElementById("problem");
  if (error.status) {
    line.textContent = error.message;
    line.hidden = false;
    showConnection("live", "live");
    return error.status < 500 && error.status !== 429;
  }
  showConnection("lost", "connection lost, reconnecting");
  return false;
}

// clearError hides the error that showError has shown.
function clearError() {
  document.getElementById("problem").hidden = true;
  showConnection("live", "live");
}

function askForKey(reason) {
  const dialog = document.getElementById("login");
  if (dialog.open) return;
  const problem = document.getElementById("login-problem");
  problem.textContent = reason;
  problem.hidden = !sessionStorage.length;
  dialog.showModal();
  offerSignIn();
}

// offerSignIn shows the link to the company's sign-in, if the server has one. It leads back to the present view.
async function offerSignIn() {
  try {
    const { provider, url } = await get("/api/v1/sign-in");
    if (!provider) return;
    document.getElementById("sign-in-provider").textContent = provider;
    document.getElementById("sign-in-link").href = `${here(url)}?to=${encodeURIComponent(location.hash)}`;
    document.getElementById("sign-in").hidden = false;
  } catch {
    // The key still works.
  }
}

// signOut revokes the session on the server, which also makes the browser forget it, and then signs out at the
// provider, if it has an address for that. The provider sends the browser back to the page.
async function signOut() {
  try {
    const { provider_url: provider } = await post("/api/v1/sign-out");
    if (provider) location.assign(provider);
    else location.reload();
  } catch (error) {
    showError(error);
  }
}

async function showInfo() {
  try {
    const info = await get("/api/v1/info");
    const who = info.authenticated ? await caller() : undefined;
    document.getElementById("sign-out").hidden = who?.kind !== "user";
    document.getElementById("info").textContent = who ? `${info.version} · ${who.name} (${roles(who)})` : info.version;
  } catch (error) {
    showError(error);
  }
}

// roles names the roles of the caller, each with its pool unless it counts in all.
const roles = (who) => who.bindings.map(({ role, pool }) => (pool === "*" ? role : `${role}: ${pool}`)).join(", ");

// parseAddress returns the kind and the name of the view in the address; nothing for the overview or an invalid address.
function parseAddress() {
  const [, kind, name] = location.hash.match(/^#\/(runs|deployments|pools|approvals)\/([^/]+)$/) ?? [];
  try {
    return [kind, name && decodeURIComponent(name)];
  } catch {
    return [];
  }
}

const VIEWS = { runs: run, deployments: deployment, pools: pool, approvals: approval };

function route() {
  const [kind, name] = parseAddress();
  document.getElementById("problem").hidden = true;
  for (const view of [overview, run, deployment, pool, approval]) view.hide();
  (VIEWS[kind] ?? overview).show(name, showError, clearError);
}

document.getElementById("login-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = document.getElementById("key");
  setKey(field.value.trim());
  field.value = "";
  document.getElementById("login").close();
  showInfo();
  route();
});
document.getElementById("sign-out").addEventListener("click", signOut);
addEventListener("hashchange", () => {
  route();
  scrollTo(0, 0);
  document.getElementById("main").focus({ preventScroll: true }); // the link that was followed is gone, and with it the keyboard focus
});
function refresh() {
  if (document.hidden || document.getElementById("login").open) return;
  for (const view of [overview, deployment, pool, approval]) view.refresh(showError, clearError);
}

document.addEventListener("visibilitychange", refresh);
setInterval(refresh, REFRESH_INTERVAL);
showInfo();
route();
