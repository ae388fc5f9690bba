// View of one run as it happens: its state, events and output.

import { caller, get, getBoth, getExact, may, post, stream } from "./api.js";
import { badge, cell, clock, duration, element, definitions, moment, updateChildren, updateRows, deploymentLink, poolLink, tag } from "./app.js";

const RECONNECT_DELAY = 2000; // milliseconds before a broken stream is resumed
const EXPLAIN_INTERVAL = 5000; // milliseconds between requests for the explanation
const MAX_LOG = 500_000; // characters of output kept on the page
const FIRST_LOG = 200_000; // bytes of output, from its end, that the page starts with
const EVENTS_PAGE = 100; // events that are read at a time

let shown; // the AbortController of the current view
let newestAttempt; // number of the newest attempt
let indexed; // whether it is under way and its Job has indexes
let loggedAttempt; // number of the attempt whose output came last
let act; // cancels or retries the run

export function hide() {
  shown?.abort();
  shown = undefined;
  document.getElementById("run").hidden = true;
}

export async function show(id, showError, clearError) {
  hide();
  act = (action) => change(id, action, showError, clearError);
  const mine = (shown = new AbortController());
  mine.run = id;
  mine.showError = showError;
  mine.requests = mine.explainRequests = mine.events = 0; // to ignore responses older than the one shown
  document.getElementById("run-title").textContent = "";
  document.getElementById("run-state").replaceChildren();
  document.getElementById("run-facts").replaceChildren();
  document.getElementById("run-why").replaceChildren();
  document.getElementById("run-actions").replaceChildren();
  showProgress();
  document.getElementById("events").replaceChildren();
  document.getElementById("events-earlier").hidden = true;
  document.getElementById("log").textContent = unshown = "";
  logLength = 0;
  document.getElementById("manifest").open = false;
  updateRows(document.getElementById("attempts"), [], attemptRow);
  loggedAttempt = newestAttempt = undefined;
  document.getElementById("run").hidden = false;
  let last = "";
  let newest; // number of the newest event that was read
  let ended = false;
  updateExplanation(id, mine);
  const timer = setInterval(() => {
    if (document.hidden) return;
    updateExplanation(id, mine);
    if (indexed) reload(id, mine); // the stream does not tell how far the indexes are
  }, EXPLAIN_INTERVAL);
  mine.signal.addEventListener("abort", () => clearInterval(timer));
  while (!ended && !mine.signal.aborted) {
    try {
      mine.requests++; // responses to earlier requests are outdated
      mine.caller = await caller(); // the actions that are offered depend on it
      showFacts(await getRun(id));
      if (mine.signal.aborted) return;
      clearError();
      newest ??= await showEvents(mine);
      if (mine.signal.aborted) return;
      await stream(`/api/v1/runs/${encodeURIComponent(id)}/stream?after=${newest}&last_bytes=${FIRST_LOG}`, last, mine.signal, (name, data, at) => {
        if (mine.signal.aborted) return;
        last = at || last;
        mine.events++;
        if (name === "event") {
          addEvent(data);
          updateExplanation(id, mine);
          reload(id, mine);
        }
        if (name === "log") addLog(data);
        if (name === "progress") showProgress(data);
        if (name === "end") ended = true;
      });
      if (!mine.signal.aborted) showFacts(await getRun(id));
    } catch (error) {
      if (mine.signal.aborted) return;
      if (showError(error)) {
        if (error.status === 404) document.getElementById("run").hidden = true;
        return;
      }
    }
    if (!ended) await new Promise((resolve) => setTimeout(resolve, RECONNECT_DELAY));
  }
  clearInterval(timer);
  updateExplanation(id, mine);
}

// reload updates the facts of the run. It ignores a response that is older than the one shown, and its progress if the stream
// has sent an event since the request. Errors are ignored here; the stream reports them.
async function reload(id, mine) {
  const request = ++mine.requests;
  const events = mine.events;
  const response = await getRun(id).catch(() => undefined);
  if (response && shown === mine && request === mine.requests) showFacts(response, events === mine.events);
}

// updateExplanation shows the text of `berth run explain`, which changes while a run waits. Errors are ignored here; the
// stream reports them.
async function updateExplanation(id, mine) {
  const request = ++mine.explainRequests;
  const response = await get(`/api/v1/runs/${encodeURIComponent(id)}/explain`).catch(() => undefined);
  if (response && shown === mine && request === mine.explainRequests) explain(response);
}

// getRun reads a run, with its values as texts.
async function getRun(id) {
  const [detail, exact] = await getBoth(`/api/v1/runs/${encodeURIComponent(id)}`);
  detail.texts = { parameters: JSON.stringify(exact.run.parameters), result: exact.result && JSON.stringify(exact.result.value) };
  return detail;
}

// showFacts shows a run. currentProgress is false if the stream has sent newer progress.
function showFacts({ run, attempts, texts, progress, rule_findings: said = [] }, currentProgress = true) {
  document.getElementById("run-title").textContent = `Run ${run.name}`;
  document.title = `${run.name} · Berth`;
  showState(run.state);
  offerAction(run);
  const newest = attempts.at(-1);
  updateChildren(document.getElementById("run-facts"), ...definitions([
    ["Deployment", deploymentLink(run.deployment)],
    ["Pool", poolLink(run.pool)],
    ["Queue", run.queue],
    ["Created", moment(run.created_at)],
    ["Created by", run.created_by],
    ["Started", run.started_at && moment(run.started_at)],
    ["Ended", run.ended_at && moment(run.ended_at)],
    ["Attempt", run.attempt > 0 && String(run.attempt)],
    ["Exit code", run.exit_code !== undefined && String(run.exit_code)],
    ["Cause", run.category],
    ["Worker", newest?.worker],
    ["Job", newest?.job_name && [newest.job_namespace, newest.job_name].filter(Boolean).join("/")],
    ["Parameters", texts.parameters !== "{}" && texts.parameters],
    ["Result", texts.result],
  ]));
  if (run.ended_at) showProgress();
  else if (currentProgress) showProgress(progress);
  updateRows(document.getElementById("attempts"), attempts, attemptRow);
  document.getElementById("attempts").closest("section").hidden = attempts.length === 0;
  updateRows(document.getElementById("run-rules"), said, findingRow);
  document.getElementById("run-rules").closest("section").hidden = said.length === 0;
  indexed = newest?.indexes !== undefined && !newest.ended_at;
  if (newestAttempt !== newest?.number) {
    newestAttempt = newest?.number;
    showManifest(run.id);
  }
}

function findingRow(one) {
  const when = one.attempt === 0 ? "at creation" : `before attempt ${one.attempt}`;
  return [cell(tag(one.action)), cell(one.rule), cell(one.pool ? `pool ${one.pool}` : "installation"), cell(when), cell(one.message)];
}

function attemptRow(one) {
  return [
    cell(String(one.number)), cell(one.phase), cell(one.category ?? ""), cell(one.exit_code === undefined ? "" : String(one.exit_code)), cell(one.worker),
    cell(one.node ?? ""), element("td", { class: "number" }, duration({ state: { type: "" }, started_at: one.running_at, ended_at: one.ended_at })),
    cell([one.message ?? one.diagnosis ?? "", ...indexLines(one.indexes)].filter(Boolean).join("\n")),
  ];
}

// indexLines says how the indexes of an attempt stand whose Job is Indexed, and how the first failed ones ended.
function indexLines(indexes) {
  if (!indexes) return [];
  const { total, succeeded, failed, succeeded_indexes: done, failed_indexes: lost, failures = [] } = indexes;
  const counts = [`${succeeded} of ${total} indexes succeeded${done ? ` (${done})` : ""}`];
  if (failed > 0) counts.push(`${failed} failed${lost ? ` (${lost})` : ""}`);
  return [counts.join(", "), ...failures.map((one) => `index ${one.index}: ${one.message || one.category}`)];
}

// showManifest shows the Job of the newest attempt, once the user opens it.
async function showManifest(id) {
  const place = document.getElementById("manifest");
  if (!place.open || newestAttempt === undefined) return;
  const mine = shown;
  const text = await getExact(`/api/v1/runs/${encodeURIComponent(id)}/attempts/${newestAttempt}/manifest`)
    .then((job) => JSON.stringify(job, undefined, 2), (error) => error.message);
  if (shown === mine) place.querySelector("pre").textContent = text;
}

document.getElementById("manifest").addEventListener("toggle", () => shown && showManifest(shown.run));

// offerAction shows the button for the action that the state of the run permits. It is disabled, with the reason, if the role
// of the caller does not permit it.
function offerAction({ state: { type }, pool }) {
  const actions = { COMPLETED: undefined, CANCELLING: undefined, FAILED: "retry", CRASHED: "retry", CANCELLED: "retry" };
  const next = type in actions ? actions[type] : "cancel";
  const place = document.getElementById("run-actions");
  if (place.dataset.action === next && place.hasChildNodes()) return; // the user may be about to press it
  place.dataset.action = next;
  const allowed = may(shown?.caller, next === "cancel" ? "CancelRun" : "RetryRun", pool);
  place.replaceChildren(...(next ? [button(next)] : []));
  if (!next || allowed) return;
  place.firstChild.disabled = true;
  place.append(" ", element("span", { class: "quiet" }, `Your role in work pool ${pool} does not allow this.`));
}

// button asks for confirmation before a cancel, because the work of the run is lost.
function button(action) {
  const created = element("button", { type: "button", class: "second" }, action === "cancel" ? "Cancel" : "Retry");
  let confirmed = action === "retry";
  created.addEventListener("click", async () => {
    if (!confirmed) {
      confirmed = true;
      created.textContent = "Confirm cancel";
      return;
    }
    created.disabled = true;
    await act(action);
    created.disabled = false;
  });
  return created;
}

async function change(id, action, showError, clearError) {
  const mine = shown;
  try {
    const run = await post(`/api/v1/runs/${encodeURIComponent(id)}/${action}`);
    if (shown !== mine) return;
    if (action === "retry") {
      show(id, showError, clearError);
      return;
    }
    showState(run.state);
    offerAction(run);
  } catch (error) {
    if (shown === mine) showError(error);
  }
}

// showProgress shows the progress that a job has reported; nothing hides it.
function showProgress(progress) {
  const line = document.getElementById("run-progress");
  line.hidden = progress === undefined;
  if (!progress) return;
  const known = progress.percent !== undefined;
  line.replaceChildren(element("progress", known ? { max: "100", value: String(progress.percent) } : {}), known ? ` ${progress.percent} % ` : " ", progress.message ?? "");
}

// explain shows an explanation without the last lines of the output ("| …"), because the page has the output.
function explain({ sentence, details, next }) {
  updateChildren(document.getElementById("run-why"),
    element("p", {}, sentence),
    element("ul", {}, ...details.filter((line) => !line.startsWith("| ")).map((line) => element("li", {}, line))),
    element("ul", { class: "next" }, ...next.map((line) => element("li", {}, ...step(line)))),
  );
}

// step formats the command at the end of a step.
function step(line) {
  const [, text, command] = line.match(/^(.*?: )((?:berth|kubectl) .*)$/) || [];
  return command ? [text, element("code", {}, command)] : [line];
}

function showState(state) {
  updateChildren(document.getElementById("run-state"), badge(state), state.message ? ` ${state.message}` : "");
}

// addEvent shows an event that has just come, above the earlier ones.
function addEvent(event) {
  showState(event.state);
  document.getElementById("events").prepend(eventItem(event));
}

function eventItem(event) {
  return element("li", {}, badge(event.state), " ", element("span", { class: "quiet" }, clock(event.at), ` · ${event.actor}`),
    element("span", { class: "message" }, event.message));
}

// showEvents shows the newest events of the run, or those before the ones that are shown. It returns the number of the newest.
async function showEvents(mine) {
  const from = mine.earlier ? `&cursor=${encodeURIComponent(mine.earlier)}` : "";
  const page = await get(`/api/v1/runs/${encodeURIComponent(mine.run)}/events?limit=${EVENTS_PAGE}${from}`);
  if (shown !== mine) return 0;
  mine.earlier = page.next_cursor;
  document.getElementById("events").append(...page.items.map(eventItem));
  document.getElementById("events-earlier").hidden = !mine.earlier;
  return page.items[0]?.seq ?? 0;
}

document.getElementById("events-earlier").addEventListener("click", async (press) => {
  const mine = shown;
  press.target.disabled = true;
  await showEvents(mine).catch((error) => shown === mine && mine.showError(error));
  press.target.disabled = false;
});

let unshown = ""; // output that came since the last frame
let logLength = 0; // characters of output on the page

// addLog shows output. What comes within a frame is shown together: a job may write faster than a page can be laid out.
function addLog(chunk) {
  if (unshown === "") requestAnimationFrame(showLog);
  if (loggedAttempt === undefined && chunk.offset > 0) unshown += "… earlier output: berth run logs\n";
  if (loggedAttempt !== undefined && loggedAttempt !== chunk.attempt) unshown += `\n── attempt ${chunk.attempt} ──\n`;
  loggedAttempt = chunk.attempt;
  unshown += chunk.text;
  if (unshown.length > MAX_LOG) unshown = unshown.slice(-MAX_LOG / 2); // of a tab that is not seen
}

function showLog() {
  const log = document.getElementById("log");
  const follows = log.scrollTop + log.clientHeight >= log.scrollHeight - 30;
  log.append(unshown);
  logLength += unshown.length;
  unshown = "";
  if (logLength > MAX_LOG) {
    log.textContent = `…${log.textContent.slice(-MAX_LOG / 2)}`;
    logLength = log.textContent.length;
  }
  if (follows) log.scrollTop = log.scrollHeight;
}
