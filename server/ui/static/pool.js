// View of one work pool: its queues, workers, template and runs.

import { get } from "./api.js";
import { badge, cell, element, definitions, moment, updateChildren, updateRows, runRow, tag } from "./app.js";
import { showOfPool } from "./approval.js";
import { slots } from "./overview.js";
import * as rules from "./rules.js";

let shown; // the name of the pool
let template; // the template version that is shown

const part = (name) => document.getElementById(`pool-${name}`);

export function hide() {
  shown = template = undefined;
  rules.hide();
  document.getElementById("pool").hidden = true;
}

export function show(name, showError, clearError) {
  shown = name;
  document.title = `${name} · Berth`;
  return refresh(showError, clearError);
}

// refresh updates the view; the template only if there is a new version.
export async function refresh(showError, clearError) {
  const name = shown;
  if (!name) return;
  const path = `/api/v1/work-pools/${encodeURIComponent(name)}`;
  const only = `pool=${encodeURIComponent(name)}`;
  try {
    const [pool, queues, workers, runs] = await Promise.all([
      get(path), get(`${path}/queues`), get(`/api/v1/workers?${only}`), get(`/api/v1/runs?limit=10&${only}`),
    ]);
    if (shown !== name) return;
    describe(pool);
    updateRows(part("queues"), queues.items, (one) => [
      cell(one.name, one.paused ? tag("paused") : ""), cell(String(one.priority)), cell(slots(one)), cell(one.description)]);
    updateRows(part("workers"), workers.items, workerRow);
    part("workers").closest(".scroll").hidden = workers.items.length === 0;
    part("alone").hidden = workers.items.length > 0;
    updateRows(part("runs"), runs.items, runRow);
    part("runs").closest("section").hidden = runs.items.length === 0;
    await Promise.all([showOfPool(pool), rules.refresh(name)]);
    if (shown !== name) return;
    if (template !== pool.template_version) await showTemplate(path, name);
    if (shown !== name) return;
    document.getElementById("pool").hidden = false;
    clearError();
  } catch (error) {
    if (shown === name) showError(error);
  }
}

function describe(one) {
  part("title").textContent = `Work pool ${one.name}`;
  part("description").textContent = one.description;
  updateChildren(part("facts"), ...definitions([
    ["Type", one.type],
    ["Status", one.paused ? "paused" : "active"],
    ["Slots", slots(one)],
    ["Project", one.project],
    ["Changed", moment(one.updated_at)],
  ]));
  part("start").textContent = `berth worker start --pool ${one.name}`;
  part("edit").textContent = `berth pool template edit ${one.name}`;
}

function workerRow(one) {
  const state = one.alive ? { type: "COMPLETED", name: "Alive" } : { type: "FAILED", name: "Gone" };
  return [cell(badge(state), one.paused ? tag("paused") : ""), cell(one.name), cell(String(one.active_attempts)), cell(moment(one.last_seen_at)), cell(one.version)];
}

async function showTemplate(path, name) {
  const now = await get(`${path}/template`);
  if (shown !== name) return;
  template = now.version;
  part("template-facts").replaceChildren(`Version ${now.version}, saved `, moment(now.created_at), ` by ${now.created_by}`);
  part("template").textContent = JSON.stringify(now.document, undefined, 2);
}
