// The rules of one work pool: the list of all that count, and a form to write one. A rule is tested before it can be saved, so that
// whoever saves it has seen what it refuses.

import { caller, get, may, post, put, remove } from "./api.js";
import { cell, deploymentLink, element, tag, updateRows } from "./app.js";

let pool; // whose rules are shown
let items = []; // the rules, as they were read last
let tested; // the text of the rule whose test is shown: only that may be saved

const part = (name) => document.getElementById(`rules-${name}`);
const form = () => part("form");
const path = (rest = "") => `/api/v1/work-pools/${encodeURIComponent(pool)}/rules${rest}`;

export function hide() {
  pool = undefined;
  close();
}

// refresh shows the rules that count in a pool. Buttons are there for who may press them only.
export async function refresh(name) {
  if (pool !== name) {
    close();
    pool = name;
    items = [];
  }
  const [list, who] = await Promise.all([get(path()), caller()]);
  if (pool !== name) return;
  items = list.items;
  const edits = may(who, "SetPoolRule", name);
  const deletes = may(who, "DeletePoolRule", name);
  updateRows(part("list"), items, (one) => row(one, edits, deletes));
  part("list").closest(".scroll").hidden = items.length === 0;
  part("none").hidden = items.length > 0;
  part("add").hidden = !edits || !form().hidden;
}

function row(one, edits, deletes) {
  const own = one.pool !== undefined;
  const button = (action, label) => element("button", { type: "button", class: "second small", "data-action": action, "data-rule": one.name }, label);
  return [
    cell(one.name, " ", own ? "" : tag("installation")),
    cell(element("span", { class: `effect ${one.action}` }, one.action)),
    element("td", { class: "expression" }, element("code", {}, one.expression)),
    cell(one.message ?? one.message_expression ?? ""),
    cell(one.from ?? ""),
    element("td", { class: "actions" }, own && edits ? button("edit", "Edit") : "", own && deletes ? button("delete", confirming === one.name ? "Confirm" : "Delete") : ""),
  ];
}

let confirming; // the rule whose deletion awaits a second press

part("list").addEventListener("click", async ({ target }) => {
  const { action, rule } = target.dataset;
  const known = items.find((one) => one.pool !== undefined && one.name === rule);
  if (!known) return;
  if (action === "edit") open(known);
  if (action !== "delete") return;
  if (confirming !== rule) {
    confirming = rule;
    target.textContent = "Confirm";
    return;
  }
  confirming = undefined;
  await attempt(() => remove(path(`/${encodeURIComponent(rule)}`)));
});

part("add").addEventListener("click", () => open());

// open shows the form, with a rule or empty.
function open(rule) {
  const fields = form().elements;
  form().reset();
  fields.name.readOnly = rule !== undefined;
  fields.name.value = rule?.name ?? "";
  fields.from.value = rule?.from ?? "";
  fields.expression.value = rule?.expression ?? "";
  fields.message.value = rule?.message ?? "";
  fields.message_expression.value = rule?.message_expression ?? "";
  fields.action.value = rule?.action ?? "deny";
  fields.params.value = rule?.params && Object.keys(rule.params).length > 0 ? JSON.stringify(rule.params, undefined, 2) : "";
  part("form-title").textContent = rule ? `Change rule ${rule.name}` : "Add a rule";
  forget();
  form().hidden = false;
  part("add").hidden = true;
  fields[rule ? "expression" : "name"].focus();
}

function close() {
  form().hidden = true;
  confirming = undefined;
  forget();
}

// forget hides the test of a rule that is another one by now.
function forget() {
  tested = undefined;
  part("impact").hidden = part("save").hidden = true;
  part("problem").hidden = true;
}

form().addEventListener("input", forget);
part("cancel").addEventListener("click", () => {
  close();
  part("add").hidden = false;
});

// read returns the rule of the form; fields that are empty are left out.
function read() {
  const fields = form().elements;
  const spec = { action: fields.action.value };
  for (const name of ["from", "expression", "message", "message_expression"]) {
    const value = fields[name].value.trim();
    if (value) spec[name] = value;
  }
  const params = fields.params.value.trim();
  if (!params) return spec;
  try {
    spec.params = JSON.parse(params);
  } catch (error) {
    throw new Error(`The parameters are not JSON: ${error.message}`);
  }
  return spec;
}

form().addEventListener("submit", async (event) => {
  event.preventDefault();
  await attempt(async () => {
    const name = form().elements.name.value.trim();
    const rule = read();
    const of = pool;
    const answer = await post(path("/test"), JSON.stringify({ name, rule }));
    if (pool !== of) return;
    tested = JSON.stringify({ name, rule });
    showImpact(answer, rule.action);
  });
});

part("save").addEventListener("click", () => attempt(async () => {
  const name = form().elements.name.value.trim();
  const rule = read();
  if (JSON.stringify({ name, rule }) !== tested) return forget(); // another rule than the one that was tested
  await put(path(`/${encodeURIComponent(name)}`), JSON.stringify(rule));
  close();
}));

// attempt acts, and shows the rules as they are then, or what was refused.
async function attempt(act) {
  const buttons = form().querySelectorAll("button");
  for (const one of buttons) one.disabled = true;
  part("problem").hidden = true;
  try {
    await act();
  } catch (error) {
    const problem = form().hidden ? part("refusal") : part("problem");
    problem.textContent = [error.message, ...(error.findings ?? []).filter(({ message }) => !error.message.includes(message))
      .map(({ message, suggestion }) => (suggestion ? `${message} (${suggestion})` : message))].join("\n");
    problem.hidden = false;
  } finally {
    for (const one of buttons) one.disabled = false;
  }
  if (pool) await refresh(pool).catch(() => {}); // the next refresh of the view reports errors
}

// showImpact says what the rule would refuse, or warn of, if it were saved.
function showImpact({ summary, items: results }, action) {
  const verb = action === "warn" ? "warn of" : "refuse";
  const warned = (of) => results.filter((one) => one.verdict === "warn" && Boolean(one.run_id) === of).length;
  const refused = action === "warn" ? [warned(false), warned(true)] : [summary.refused_deployments, summary.refused_runs];
  part("summary").textContent = `It would ${verb} ${refused[0]} of ${count(summary.deployments, "deployment")} and ${refused[1]} of ${count(summary.runs, "recent run")}.`
    + (summary.unknown > 0 ? ` ${summary.unknown} cannot be told.` : "");
  updateRows(part("results"), results, (one) => [
    cell(element("span", { class: `effect ${one.verdict}` }, one.verdict)),
    cell(one.deployment ? deploymentLink(one.deployment) : ""),
    cell(one.run_id ? element("a", { href: `#/runs/${one.run_id}` }, one.run_name ?? one.run_id) : ""),
    cell(one.message ?? ""),
  ]);
  part("results").closest(".scroll").hidden = results.length === 0;
  part("impact").hidden = part("save").hidden = false;
}

const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
