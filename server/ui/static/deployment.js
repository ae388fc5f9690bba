// View of one deployment: its settings, schedules and runs, and a form that starts a run.

import { caller, get, getExact, may, post, randomKey } from "./api.js";
import { element, definitions, moment, updateChildren, updateRows, runRow, tag, poolLink } from "./app.js";

let shown; // the name of the deployment
let loaded = false; // settings and form are shown
let fields = []; // of the form
let pending; // the last request body without a response, and its idempotency key

const part = (name) => document.getElementById(`deployment-${name}`);

export function hide() {
  shown = pending = undefined;
  document.getElementById("deployment").hidden = true;
}

export function show(name, showError, clearError) {
  hide();
  shown = name;
  loaded = false;
  return refresh(showError, clearError);
}

async function load(name) {
  const path = `/api/v1/deployments/${encodeURIComponent(name)}`;
  const [one, schema, who] = await Promise.all([get(path), getExact(`${path}/run-schema`), caller()]);
  if (shown !== name || loaded) return;
  describe(one);
  form(one, schema);
  const allowed = may(who, "CreateRun", one.pool);
  part("form").querySelector("button").disabled = !allowed;
  part("refusal").hidden = allowed;
  part("refusal").textContent = `Your role in work pool ${one.pool} does not allow you to start runs.`;
  loaded = true;
  document.getElementById("deployment").hidden = false;
}

// refresh updates the recent runs, and loads the rest if that has failed so far.
export async function refresh(showError, clearError) {
  const name = shown;
  if (!name) return;
  try {
    if (!loaded) await load(name);
    const runs = await get(`/api/v1/runs?limit=10&deployment=${encodeURIComponent(name)}`);
    if (shown !== name) return;
    updateRows(part("runs"), runs.items, runRow);
    part("runs").closest("section").hidden = runs.items.length === 0;
    clearError();
  } catch (error) {
    if (shown === name) showError(error);
  }
}

function describe(one) {
  document.title = `${one.name} · Berth`;
  part("title").textContent = `Deployment ${one.name}`;
  part("description").textContent = one.description;
  updateChildren(part("facts"), ...definitions([
    ["Pool", poolLink(one.pool)],
    ["Queue", one.queue],
    ["Version", one.version],
    ["Status", one.paused ? "paused" : ""],
    ["Tags", one.tags.join(", ")],
    ["Concurrency", one.concurrency_limit !== undefined && (one.concurrency_limit === 1 ? "1 run" : `${one.concurrency_limit} runs`)],
    ["Changed", moment(one.updated_at)],
  ]));
  updateChildren(part("schedules"), ...one.schedules.map((schedule) => element("li", {},
    element("b", {}, schedule.name), ` ${schedule.description}`,
    schedule.active ? null : tag("paused"),
    ...waiting(schedule),
    ...schedule.next.slice(0, 3).flatMap((slot, i) => [i === 0 ? " · next " : ", ", moment(slot)]),
    schedule.last_error && element("p", { class: "problem" }, schedule.last_error))));
  part("schedules").closest("section").hidden = one.schedules.length === 0;
}

// waiting says how many slots of a schedule wait for the end of a run.
function waiting({ waiting: slots, waiting_since: since }) {
  if (!slots) return [];
  return [` · ${slots} ${slots === 1 ? "slot waits" : "slots wait"} for the end of a run, the oldest since `, moment(since)];
}

function form(one, schema) {
  fields = [];
  const parameters = group("parameters", schema.parameters);
  if (schema.parameters.additionalProperties !== false) {
    parameters.push(fieldFor({ group: "parameters", name: "", label: "Additional parameters (JSON object)", property: { type: "object" } }));
  }
  part("parameters").replaceChildren(...parameters);
  part("variables").replaceChildren(...group("job_variables", schema.job_variables));
  part("parameters").closest("fieldset").hidden = parameters.length === 0;
  part("problem").hidden = true;
}

function group(name, schema) {
  const required = schema.required ?? [];
  const weight = ([key, property]) => (required.includes(key) ? 0 : property.readOnly ? 2 : 1);
  return Object.entries(schema.properties ?? {})
    .sort((a, b) => weight(a) - weight(b) || a[0].localeCompare(b[0]))
    .map(([key, property]) => fieldFor({ group: name, name: key, label: property.title ?? key, property, required: required.includes(key) }));
}

// fieldFor creates a field. Empty fields are not sent, so that their defaults apply.
function fieldFor(field) {
  const { property } = field;
  const id = `field-${fields.length}`;
  const problem = element("p", { class: "problem", id: `${id}-problem` });
  const input = inputFor(property);
  input.id = id;
  input.name = `${field.group}.${field.name}`;
  input.setAttribute("aria-describedby", problem.id);
  input.disabled = property.readOnly === true;
  input.required = Boolean(field.required);
  problem.hidden = true;
  fields.push({ ...field, input, problem });
  return element("div", { class: "field" },
    element("label", { for: id }, field.label, property.readOnly ? tag("frozen") : field.required && property.default === undefined ? tag("required") : null),
    input, property.description ? element("p", { class: "quiet" }, property.description) : null, problem);
}

const formatted = (value) => (value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value));

function inputFor(property) {
  const now = property.readOnly ? property.const : property.default;
  const choices = property.enum ?? (property.type === "boolean" ? [true, false] : undefined);
  if (choices) {
    const options = choices.map((choice) => element("option", { value: JSON.stringify(choice) }, formatted(choice)));
    return element("select", {}, element("option", { value: "" }, now === undefined ? "" : `${formatted(now)} (default)`), ...options);
  }
  if (["integer", "number"].includes(property.type)) {
    return element("input", { type: "text", placeholder: formatted(now), inputmode: "decimal" });
  }
  // A text may have several lines, which an input would join.
  return element("textarea", { rows: property.type === "string" ? "1" : "2", spellcheck: "false", placeholder: formatted(now) });
}

// valueOf returns the value of a field as JSON. Numbers keep their digits as written.
function valueOf({ property, input }) {
  const text = input.value;
  if (input instanceof HTMLTextAreaElement && property.type === "string") return JSON.stringify(text);
  if (!(input instanceof HTMLInputElement) || /^\s*-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?\s*$/.test(text)) {
    JSON.parse(text);
    return text;
  }
  throw new Error("must be a number");
}

// body returns the request body, or undefined if a field is invalid.
function body() {
  const groups = { parameters: [], job_variables: [] };
  let readable = true;
  for (const field of fields) {
    field.problem.hidden = true;
    if (field.input.disabled || field.input.value === "") continue;
    try {
      const value = valueOf(field);
      if (field.name !== "") groups[field.group].push(`${JSON.stringify(field.name)}:${value}`);
      else groups[field.group].push(...members(value));
    } catch (error) {
      readable = false;
      showFieldError(field, error.message);
    }
  }
  return readable ? `{"parameters":{${groups.parameters}},"job_variables":{${groups.job_variables}}}` : undefined;
}

function members(text) {
  const value = JSON.parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("must be an object, as in {\"day\": \"monday\"}");
  const inside = text.trim().slice(1, -1).trim();
  return inside ? [inside] : [];
}

function showFieldError(field, message) {
  field.problem.textContent = message;
  field.problem.hidden = false;
}

// showRefusal shows each finding at its field, and all others above the button.
function showRefusal(error) {
  const rest = [];
  for (const finding of error.findings ?? []) {
    const [, missing] = finding.message.match(/^is missing "(.*)"$/) ?? [];
    const lacks = missing && fields.find((one) => finding.pointer === `/${one.group}` && one.name === missing);
    const field = fields.find((one) => one.name !== "" && `${finding.pointer}/`.startsWith(`/${one.group}/${one.name.replaceAll("~", "~0").replaceAll("/", "~1")}/`));
    if (lacks) showFieldError(lacks, "is required");
    else if (field) showFieldError(field, finding.message);
    else rest.push(finding.message);
  }
  if (!error.findings?.length) rest.push(error.message);
  part("problem").textContent = rest.join("\n");
  part("problem").hidden = rest.length === 0;
}

part("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  part("problem").hidden = true;
  const requested = body();
  if (!requested) return;
  const button = part("form").querySelector("button");
  button.disabled = true;
  if (pending?.body !== requested) pending = { body: requested, key: randomKey() };
  try {
    const run = await post(`/api/v1/deployments/${encodeURIComponent(shown)}/runs`, requested, pending.key);
    pending = undefined;
    location.hash = `#/runs/${run.id}`;
  } catch (error) {
    if (error.status) showRefusal(error);
    else showRefusal(new Error("No response. Press Start again: if the run was created, its page opens; no second run is created."));
  } finally {
    button.disabled = false;
  }
});
