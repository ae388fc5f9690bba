// The overview: runs, of which some can be looked for, deployments and pools.

import { get } from "/ui/api.js";
import { cell, element, moment, rows, runRow, tag, toDeployment, toPool } from "/ui/app.js";

const PAGE = 25; // runs
const PAUSE = 250; // milliseconds after a key before the runs are looked for

const LIVE = ["SCHEDULED", "PENDING", "RUNNING", "CANCELLING"];

let shown = false;
let cursors = []; // of the pages between the newest runs and those that are shown
let next; // the cursor of the page after this one
let looking = 0; // counts what was asked for, so that a late answer does not take the place of a newer one
let busy = false; // a refresh is under way

const filter = document.getElementById("runs-filter");

export function hide() {
  shown = false;
  document.getElementById("overview").hidden = true;
}

export function show(_, failed, well) {
  shown = true;
  document.title = "Berth";
  document.getElementById("overview").hidden = false;
  report = [failed, well];
  return refresh(failed, well);
}

let report = []; // whom to tell how a search went

// wanted are the runs that are asked for, as the API wants it.
function wanted() {
  const query = new URLSearchParams({ limit: PAGE });
  const state = filter.elements.state.value;
  for (const one of state === "live" ? LIVE : state ? [state] : []) query.append("state", one);
  if (filter.elements.text.value.trim()) query.set("text", filter.elements.text.value.trim());
  if (cursors.length > 0) query.set("cursor", cursors.at(-1));
  return query;
}

const filtered = () => Boolean(filter.elements.state.value || filter.elements.text.value.trim());

async function showRuns() {
  const mine = ++looking;
  const runs = await get(`/api/v1/runs?${wanted()}`);
  if (mine !== looking) return;
  next = runs.next_cursor;
  fill("runs", runs.items, runRow);
  const none = document.getElementById("runs-none");
  none.hidden = runs.items.length > 0 || !filtered();
  if (filtered()) document.getElementById("runs-empty").hidden = true;
  filter.hidden = runs.items.length === 0 && !filtered() && cursors.length === 0;
  document.getElementById("runs-newer").disabled = cursors.length === 0;
  document.getElementById("runs-older").disabled = !next;
  document.getElementById("runs-pages").hidden = cursors.length === 0 && !next;
}

// refresh shows everything as it is now.
export async function refresh(failed, well) {
  if (!shown || busy) return;
  busy = true;
  try {
    const [deployments, schedules, pools, workers] = await Promise.all([
      get("/api/v1/deployments?limit=100"), get("/api/v1/schedules?limit=100"),
      get("/api/v1/work-pools?limit=100"), get("/api/v1/workers"), showRuns(),
    ]);
    showDeployments(deployments.items, schedules.items);
    showPools(pools.items, workers.items);
    well();
  } catch (error) {
    if (shown) failed(error);
  } finally {
    busy = false;
  }
}

// look shows the runs that are asked for now.
async function look(pages) {
  cursors = pages;
  const [failed, well] = report;
  try {
    await showRuns();
    well();
  } catch (error) {
    if (shown) failed(error);
  }
}

let typing;
filter.addEventListener("submit", (event) => event.preventDefault());
filter.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(look, PAUSE, []);
});
document.getElementById("runs-older").addEventListener("click", () => next && look([...cursors, next]));
document.getElementById("runs-newer").addEventListener("click", () => look(cursors.slice(0, -1)));

function fill(id, items, row) {
  const table = document.getElementById(id);
  rows(table, items, row);
  table.closest(".scroll").hidden = items.length === 0;
  table.closest("section").querySelector(".empty").hidden = items.length > 0;
}

export const slots = (one) => (one.concurrency_limit === undefined ? `${one.slots_used} used` : `${one.slots_used} of ${one.concurrency_limit}`);

// nextRun is the first slot of all schedules of a deployment, and what is wrong with any of them.
function nextRun(schedules) {
  const next = schedules.filter((one) => one.next.length > 0).sort((a, b) => new Date(a.next[0]) - new Date(b.next[0]))[0];
  const failed = schedules.find((one) => one.last_error);
  return [
    next && moment(next.next[0]), next && element("span", { class: "quiet" }, ` ${next.description}`),
    !next && schedules.length > 0 ? tag("paused or over") : null,
    failed && element("p", { class: "problem" }, failed.last_error),
  ];
}

function showDeployments(deployments, schedules) {
  fill("deployments", deployments, (one) => [
    cell(toDeployment(one.name), one.paused ? tag("paused") : ""),
    cell(toPool(one.pool)),
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
      cell(toPool(one.name), one.paused ? tag("paused") : ""),
      cell(one.type),
      cell(slots(one)),
      cell(alive === 0 ? "none alive" : `${alive} alive`),
      cell(`version ${one.template_version}`),
    ];
  });
}
