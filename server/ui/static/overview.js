// View of all runs, with filters, of the deployments and of the pools.

import { get } from "./api.js";
import { showWaiting } from "./approval.js";
import { cell, element, moment, updateChildren, updateRows, runRow, tag, deploymentLink, poolLink } from "./app.js";

const PAGE_SIZE = 25; // runs
const TYPING_DELAY = 250; // milliseconds after a key stroke before the filter is applied

const LIVE = ["SCHEDULED", "PENDING", "RUNNING", "CANCELLING"];

let shown = false;
let cursors = []; // of the pages from the newest runs to the current page
let next; // cursor of the next page
let requests = 0; // number of requests for runs, to ignore responses older than the one shown
let refreshing = false;

const filter = document.getElementById("runs-filter");

export function hide() {
  shown = false;
  document.getElementById("overview").hidden = true;
}

export function show(_, showError, clearError) {
  shown = true;
  document.title = "Berth";
  document.getElementById("overview").hidden = false;
  callbacks = [showError, clearError];
  return refresh(showError, clearError);
}

let callbacks = []; // showError and clearError, for changes of the filter

// runQuery returns the query of the current filter and page.
function runQuery() {
  const query = new URLSearchParams({ limit: PAGE_SIZE });
  const state = filter.elements.state.value;
  for (const one of state === "live" ? LIVE : state ? [state] : []) query.append("state", one);
  if (filter.elements.text.value.trim()) query.set("text", filter.elements.text.value.trim());
  if (cursors.length > 0) query.set("cursor", cursors.at(-1));
  return query;
}

const filtered = () => Boolean(filter.elements.state.value || filter.elements.text.value.trim());

async function showRuns() {
  const mine = ++requests;
  const runs = await get(`/api/v1/runs?${runQuery()}`);
  if (mine !== requests) return;
  next = runs.next_cursor;
  fill("runs", runs.items, runRow);
  const none = document.getElementById("runs-none");
  none.hidden = runs.items.length > 0 || !filtered() || Boolean(runs.searched_to);
  showSearched(runs);
  if (filtered()) document.getElementById("runs-empty").hidden = true;
  filter.hidden = runs.items.length === 0 && !filtered() && cursors.length === 0;
  document.getElementById("runs-newer").disabled = cursors.length === 0;
  document.getElementById("runs-older").disabled = !next;
  document.getElementById("runs-pages").hidden = cursors.length === 0 && !next;
}

// showSearched says how far the server has searched for runs that match, if it has not come to the end.
function showSearched(runs) {
  const line = document.getElementById("runs-searched");
  line.hidden = !runs.searched_to;
  if (runs.searched_to) {
    const found = runs.items.length === 0 ? "No run matches so far: searched" : "Searched";
    updateChildren(line, `${found} back to `, moment(runs.searched_to), ". Older searches on.");
  }
}

// refresh updates the view.
export async function refresh(showError, clearError) {
  if (!shown || refreshing) return;
  refreshing = true;
  try {
    const [deployments, schedules, pools, workers] = await Promise.all([
      get("/api/v1/deployments?limit=100"), get("/api/v1/schedules?limit=100"),
      get("/api/v1/work-pools?limit=100"), get("/api/v1/workers"), showRuns(),
    ]);
    showDeployments(deployments.items, schedules.items);
    showPools(pools.items, workers.items);
    showWaiting(pools.items);
    clearError();
  } catch (error) {
    if (shown) showError(error);
  } finally {
    refreshing = false;
  }
}

// showPage shows the page at the end of a list of cursors.
async function showPage(pages) {
  cursors = pages;
  const [showError, clearError] = callbacks;
  try {
    await showRuns();
    clearError();
  } catch (error) {
    if (shown) showError(error);
  }
}

let typing;
filter.addEventListener("submit", (event) => event.preventDefault());
filter.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(showPage, TYPING_DELAY, []);
});
document.getElementById("runs-older").addEventListener("click", () => next && showPage([...cursors, next]));
document.getElementById("runs-newer").addEventListener("click", () => showPage(cursors.slice(0, -1)));

function fill(id, items, row) {
  const table = document.getElementById(id);
  updateRows(table, items, row);
  table.closest(".scroll").hidden = items.length === 0;
  table.closest("section").querySelector(".empty").hidden = items.length > 0;
}

export const slots = (one) => (one.concurrency_limit === undefined ? `${one.slots_used} used` : `${one.slots_used} of ${one.concurrency_limit}`);

// nextRun shows the first slot of all schedules of a deployment, and the error of any of them.
function nextRun(schedules) {
  const next = schedules.filter((one) => one.next.length > 0).sort((a, b) => new Date(a.next[0]) - new Date(b.next[0]))[0];
  const failed = schedules.find((one) => one.last_error);
  return [
    next && moment(next.next[0]), next && element("span", { class: "quiet" }, ` ${next.description}`),
    !next && schedules.length > 0 ? tag("paused or ended") : null,
    failed && element("p", { class: "problem" }, failed.last_error),
  ];
}

function showDeployments(deployments, schedules) {
  fill("deployments", deployments, (one) => [
    cell(deploymentLink(one.name), one.paused ? tag("paused") : ""),
    cell(poolLink(one.pool)),
    cell(one.queue),
    cell(one.version),
    cell(...nextRun(schedules.filter((schedule) => schedule.deployment === one.name))),
    cell(...one.tags.map(tag)),
  ]);
}

function showPools(pools, workers) {
  fill("pools", pools, (one) => {
    const alive = workers.filter((worker) => worker.pool === one.name && worker.alive).length;
    return [
      cell(poolLink(one.name), one.paused ? tag("paused") : "", one.open_approvals ? tag(`${one.open_approvals} to approve`) : ""),
      cell(one.type),
      cell(slots(one)),
      cell(alive === 0 ? "none alive" : `${alive} alive`),
      cell(`version ${one.template_version}`),
    ];
  });
}
