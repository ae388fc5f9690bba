// One run as it happens: its facts, its events, its output.

import { get, post, stream } from "/ui/api.js";
import { badge, cell, clock, duration, element, facts as shownFacts, moment, put, rows, toDeployment, toPool } from "/ui/app.js";

const PAUSE = 2000; // milliseconds before a broken stream is taken up again
const WHY = 5000; // milliseconds between looks at what keeps it from going on
const LINES = 500_000; // characters of output kept on the page

let shown; // the AbortController of what is shown
let newestAttempt; // the number of the newest attempt
let logged; // the number of the attempt that the last output was of
let act; // does something to the run that is shown: cancel or retry

export function hide() {
  shown?.abort();
  shown = undefined;
  document.getElementById("run").hidden = true;
}

export async function show(id, failed, well) {
  hide();
  act = (what) => change(id, what, failed, well);
  const mine = (shown = new AbortController());
  mine.run = id;
  mine.looks = mine.whys = mine.told = 0; // how often was asked, and how often the stream has said something
  document.getElementById("run-title").textContent = "";
  document.getElementById("run-state").replaceChildren();
  document.getElementById("run-facts").replaceChildren();
  document.getElementById("run-why").replaceChildren();
  document.getElementById("run-actions").replaceChildren();
  progress();
  document.getElementById("events").replaceChildren();
  document.getElementById("log").textContent = "";
  document.getElementById("manifest").open = false;
  rows(document.getElementById("attempts"), [], attemptRow);
  logged = newestAttempt = undefined;
  document.getElementById("run").hidden = false;
  let last = "";
  let ended = false;
  why(id, mine);
  const again = setInterval(() => document.hidden || why(id, mine), WHY);
  mine.signal.addEventListener("abort", () => clearInterval(again));
  while (!ended && !mine.signal.aborted) {
    try {
      mine.looks++; // what was asked before is old by then
      facts(await get(`/api/v1/runs/${encodeURIComponent(id)}`));
      if (mine.signal.aborted) return;
      well();
      await stream(`/api/v1/runs/${encodeURIComponent(id)}/stream`, last, mine.signal, (name, data, at) => {
        if (mine.signal.aborted) return;
        last = at || last;
        mine.told++;
        if (name === "event") {
          addEvent(data);
          why(id, mine);
          look(id, mine);
        }
        if (name === "log") addLog(data);
        if (name === "progress") progress(data);
        if (name === "end") ended = true;
      });
      if (!mine.signal.aborted) facts(await get(`/api/v1/runs/${encodeURIComponent(id)}`));
    } catch (error) {
      if (mine.signal.aborted) return;
      if (failed(error)) {
        if (error.status === 404) document.getElementById("run").hidden = true;
        return;
      }
    }
    if (!ended) await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  clearInterval(again);
  why(id, mine);
}

// look shows the facts as they are now; an answer that comes after that to a later question is old, and so is how far the run
// is where the stream has said something since. Where they can not be had, the rest of the page says so.
async function look(id, mine) {
  const asked = ++mine.looks;
  const told = mine.told;
  const answer = await get(`/api/v1/runs/${encodeURIComponent(id)}`).catch(() => undefined);
  if (answer && shown === mine && asked === mine.looks) facts(answer, told === mine.told);
}

// why shows what `berth run explain` says, which changes while a run waits. Where that can not be had, the rest of the page
// says so.
async function why(id, mine) {
  const asked = ++mine.whys;
  const answer = await get(`/api/v1/runs/${encodeURIComponent(id)}/explain`).catch(() => undefined);
  if (answer && shown === mine && asked === mine.whys) explain(answer);
}

function facts({ run, attempts, result, progress: told }, fresh = true) {
  document.getElementById("run-title").textContent = `Run ${run.name}`;
  document.title = `${run.name} · Berth`;
  state(run.state);
  offer(run.state.type);
  const newest = attempts.at(-1);
  put(document.getElementById("run-facts"), ...shownFacts([
    ["Deployment", toDeployment(run.deployment)],
    ["Pool", toPool(run.pool)],
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
    ["Parameters", Object.keys(run.parameters).length > 0 && JSON.stringify(run.parameters)],
    ["Result", result && JSON.stringify(result.value)],
  ]));
  if (run.ended_at) progress();
  else if (fresh) progress(told);
  rows(document.getElementById("attempts"), attempts, attemptRow);
  document.getElementById("attempts").closest("section").hidden = attempts.length === 0;
  if (newestAttempt !== newest?.number) {
    newestAttempt = newest?.number;
    manifest(run.id);
  }
}

function attemptRow(one) {
  return [
    cell(String(one.number)), cell(one.phase), cell(one.category ?? ""), cell(one.exit_code === undefined ? "" : String(one.exit_code)), cell(one.worker),
    cell(one.node ?? ""), element("td", { class: "number" }, duration({ state: { type: "" }, started_at: one.running_at, ended_at: one.ended_at })),
    cell(one.message ?? one.diagnosis ?? ""),
  ];
}

// manifest shows the Job of the newest attempt, once somebody wants to see it.
async function manifest(id) {
  const place = document.getElementById("manifest");
  if (!place.open || newestAttempt === undefined) return;
  const mine = shown;
  const text = await get(`/api/v1/runs/${encodeURIComponent(id)}/attempts/${newestAttempt}/manifest`)
    .then((job) => JSON.stringify(job, undefined, 2), (error) => error.message);
  if (shown === mine) place.querySelector("pre").textContent = text;
}

document.getElementById("manifest").addEventListener("toggle", () => shown && manifest(shown.run));

// offer shows the button of what can be done to a run now.
function offer(type) {
  const what = { COMPLETED: undefined, CANCELLING: undefined, FAILED: "retry", CRASHED: "retry", CANCELLED: "retry" };
  const next = type in what ? what[type] : "cancel";
  const place = document.getElementById("run-actions");
  if (place.dataset.offers === next && place.hasChildNodes()) return; // who is about to press it keeps it
  place.dataset.offers = next;
  place.replaceChildren(...(next ? [button(next)] : []));
}

// button asks once more before it cancels: what a run has done by then is lost.
function button(what) {
  const made = element("button", { type: "button", class: "second" }, what === "cancel" ? "Cancel" : "Retry");
  let sure = what === "retry";
  made.addEventListener("click", async () => {
    if (!sure) {
      sure = true;
      made.textContent = "Really cancel?";
      return;
    }
    made.disabled = true;
    await act(what);
    made.disabled = false;
  });
  return made;
}

async function change(id, what, failed, well) {
  const mine = shown;
  try {
    const run = await post(`/api/v1/runs/${encodeURIComponent(id)}/${what}`);
    if (shown !== mine) return;
    if (what === "retry") {
      show(id, failed, well);
      return;
    }
    state(run.state);
    offer(run.state.type);
  } catch (error) {
    if (shown === mine) failed(error);
  }
}

function progress(told) {
  const line = document.getElementById("run-progress");
  line.hidden = told === undefined;
  if (!told) return;
  const known = told.percent !== undefined;
  line.replaceChildren(element("progress", known ? { max: "100", value: String(told.percent) } : {}), known ? ` ${told.percent} % ` : " ", told.message ?? "");
}

// The last lines of the output ("| …") are left out: the output is on the page.
function explain({ sentence, details, next }) {
  put(document.getElementById("run-why"),
    element("p", {}, sentence),
    element("ul", {}, ...details.filter((line) => !line.startsWith("| ")).map((line) => element("li", {}, line))),
    element("ul", { class: "next" }, ...next.map((line) => element("li", {}, ...step(line)))),
  );
}

// step shows the command that a next step ends with as one.
function step(line) {
  const [, text, command] = line.match(/^(.*?: )((?:berth|kubectl) .*)$/) || [];
  return command ? [text, element("code", {}, command)] : [line];
}

function state(now) {
  put(document.getElementById("run-state"), badge(now), now.message ? ` ${now.message}` : "");
}

function addEvent(event) {
  state(event.state);
  document.getElementById("events").append(
    element("li", {}, badge(event.state), " ", element("span", { class: "quiet" }, clock(event.at), ` · ${event.actor}`),
      element("span", { class: "message" }, event.message)),
  );
}

function addLog(chunk) {
  const log = document.getElementById("log");
  const follows = log.scrollTop + log.clientHeight >= log.scrollHeight - 30;
  if (logged !== undefined && logged !== chunk.attempt) log.append(`${log.textContent.endsWith("\n") ? "" : "\n"}── attempt ${chunk.attempt} ──\n`);
  logged = chunk.attempt;
  log.append(chunk.text);
  if (log.textContent.length > LINES) log.textContent = `…${log.textContent.slice(-LINES / 2)}`;
  if (follows) log.scrollTop = log.scrollHeight;
}
