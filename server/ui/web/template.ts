/** The editor of a base job template: what is typed is checked at each pause, and shown as Job, difference and impact. */
import "./code.ts"; // the elements, which types alone would not bring
import { type Code, type Finding } from "./code.ts";
import { type Diff, type Merge } from "./compare.ts";
import { Defaults, type Default } from "./defaults.ts";
import { merge3 } from "./merge3.ts";
import { Words, type Language, type Variables } from "./words.ts";

interface Version { version: number; source?: string; comment?: string; created_at: string; created_by: string }
interface Place { line: number; column: number; length: number }
interface Found { message: string; suggestion?: string; place?: Place }
interface Summary { deployments: number; unchanged: number; changed: number; broken: number; newly_broken: number }
interface Checked { version: number; document?: { variables?: { properties?: Variables } }; errors: Found[]; warnings: Found[]; yaml?: string; origins?: { line: number; from: number[] }[]; defaults?: Default[]; impact?: Summary; breaks?: { deployment: string; reason: string }[] }
interface Impact { items: { deployment: string; verdict: string; errors: Found[]; text: string }[]; next_cursor?: string }
interface Problem { title: string; detail?: string; code: string; errors?: Found[]; approvals?: { id?: string; pool: string }[] }
interface Draft { text: string; version: number; base: string; at: number }

const PAUSE = 200; // milliseconds after the last key

const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const frame = element("template");
const pool = frame.dataset["pool"] ?? "";
const readOnly = frame.dataset["readOnly"] !== undefined;
const api = new URL(`${document.documentElement.dataset["root"] ?? "./"}api/v1/`, location.href);
const template = new URL(`work-pools/${encodeURIComponent(pool)}/template`, api).href;
const key = `berth.draft ${new URL(".", api).pathname} ${pool}`;

const source = element<Code>("source");
const job = element<Code>("job");
const diff = element<Diff>("diff");
const merging = element<Merge>("merge-view");
const deployment = element<HTMLSelectElement>("deployment");
const form = new Defaults(element("variables"), source, readOnly);

let base: Version = { version: 0, created_at: "", created_by: "" }; // what is edited
let theirs: Version | undefined; // a newer one, while it is merged
let words: Words | undefined;
let checked: Checked | undefined; // of the text as it is now
let asked = 0;
let timer: ReturnType<typeof setTimeout> | undefined;
let impactOf = ""; // the text whose impact is listed

function make(name: string, attributes: Record<string, string>, ...children: (Node | string)[]): HTMLElement {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

function button(text: string, press: () => void, style = "second small"): HTMLElement {
  const made = make("button", { type: "button", class: style }, text);
  made.addEventListener("click", press);
  return made;
}

async function ask<T>(url: string, method = "GET", body?: unknown, headers: Record<string, string> = {}): Promise<T> {
  const response = await fetch(url, { method, headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  if (response.ok) return await response.json() as T;
  throw new Refusal(response.status, await response.json().catch(() => ({ title: `the server answered ${response.status}`, code: "" })) as Problem);
}

class Refusal extends Error {
  constructor(readonly status: number, readonly problem: Problem) { super(problem.detail ?? problem.title); }
}

/** turn lets the browser draw and answer keys before the next piece of work. */
const turn = () => new Promise<void>((done) => { setTimeout(done); });

const text = (): string => source.value;
const count = (n: number, one: string): string => `${n} ${one}${n === 1 ? "" : "s"}`;
const saved = (): string => base.source ?? "";

// check asks what is wrong with the text and what it would do. An answer that was overtaken is not shown.
async function check(): Promise<void> {
  const mine = ++asked;
  const began = performance.now();
  const content = text();
  let answer: Checked;
  try {
    answer = content === "" ? { version: base.version, errors: [{ message: "the template is empty" }], warnings: [] }
      : await ask<Checked>(`${template}/check`, "POST", { source: content, ...(deployment.value && { deployment: deployment.value }) });
  } catch (error) {
    if (mine !== asked) return;
    element("verdict").textContent = error instanceof Refusal ? error.message : "No connection: not checked. Your text is kept in this browser.";
    timer = setTimeout(() => void check(), 2000);
    return;
  }
  if (mine !== asked || content !== text()) return;
  checked = answer;
  const variables = answer.document?.variables?.properties;
  if (words && variables) words.variables = variables;
  for (const show of [() => { if (variables) form.show(answer.defaults ?? [], variables); }, () => showFindings(answer), () => showJob(answer), () => showImpact(answer)]) {
    show();
    await turn();
    if (mine !== asked || content !== text()) return;
  }
  const took = Math.round(performance.now() - began);
  element("verdict").textContent = `${verdict(answer)} · answered in ${took} ms`;
  element("verdict").classList.toggle("bad", answer.errors.length > 0);
  showTab();
  frame.dataset["checked"] = String(mine);
}

function verdict({ errors, warnings }: Checked): string {
  const found = [errors.length > 0 && `✕ ${count(errors.length, "error")}`, warnings.length > 0 && count(warnings.length, "warning")].filter(Boolean);
  return found.length > 0 ? found.join(", ") : "✓ valid";
}

function showFindings({ errors, warnings }: Checked): void {
  const findings: Finding[] = [...errors.map((one) => ({ ...one, severity: "error" as const })), ...warnings.map((one) => ({ ...one, severity: "warning" as const }))];
  source.mark(findings);
  element("findings").replaceChildren(...findings.map((finding) => {
    const { place, message, suggestion, severity } = finding;
    const words = [place ? `${place.line}:${place.column} ` : "", message, suggestion ? `; ${suggestion}` : ""].join("");
    const item = make("li", { class: severity }, make("span", { class: "unseen" }, `${severity}: `));
    item.append(place ? button(words, () => source.go(place), "plain") : words);
    if (source.fixing(finding)) item.append(" ", button("Fix", () => source.fix(finding)));
    return item;
  }));
}

// The last Job that could be made stays, greyed, while the text is wrong.
function showJob({ yaml }: Checked): void {
  if (yaml !== undefined) job.value = yaml;
  job.classList.toggle("stale", yaml === undefined);
  light();
}

// light marks the lines of the Job that the line of the caret has made. While the text is wrong, that is not known.
function light(): void {
  if (!checked) return;
  const { line } = source;
  job.light((checked.origins ?? []).filter(({ from }) => from.includes(line)).map(({ line: made }) => made));
}

function sentence({ deployments, unchanged, changed, broken, newly_broken: newly }: Summary): string {
  return `${count(deployments, "deployment")}: ${unchanged} keep their Job, ${changed} get another Job, ${broken} can make none (${newly} of them only with this change).`;
}

function showImpact({ impact }: Checked): void {
  const tab = element("impact-count");
  if (!impact) {
    tab.textContent = "";
    element("impact-text").textContent = "Not known while there are errors.";
    return;
  }
  tab.textContent = [impact.newly_broken > 0 && `✕ ${impact.newly_broken} break`, impact.changed > 0 && `${impact.changed} change`].filter(Boolean).join(", ");
  element("impact-text").textContent = sentence(impact);
}

// listImpact lists the deployments that the text changes or breaks, a page at a time and only where it is looked at.
async function listImpact(cursor?: string): Promise<void> {
  const content = text();
  if (!checked?.impact || (impactOf === content && cursor === undefined)) return;
  impactOf = content;
  const list = element("impact");
  try {
    const url = new URL(`${template}/impact`);
    url.searchParams.set("limit", "50");
    if (cursor !== undefined) url.searchParams.set("cursor", cursor);
    const { items, next_cursor: next } = await ask<Impact>(url.href, "POST", { source: content });
    if (content !== text()) return;
    if (cursor === undefined) list.replaceChildren();
    list.querySelector(":scope > button")?.remove();
    list.append(...items.map(({ deployment: name, verdict: what, errors, text: changes }) => make("details", { class: what }, make("summary", {}, `${what === "broken" ? "✕ " : ""}${name}: ${what}`),
      ...errors.map(({ message }) => make("p", { class: "problem" }, message)), ...(changes ? [unified(changes)] : []))));
    if (next !== undefined) list.append(button("More", () => void listImpact(next)));
  } catch (error) {
    impactOf = "";
    list.replaceChildren(make("p", { class: "problem" }, error instanceof Error ? error.message : String(error)));
  }
}

function unified(changes: string): HTMLElement {
  const kinds: Record<string, string> = { "+": "added", "-": "removed", "@": "place" };
  return make("pre", { class: "code diff", tabindex: "0" }, ...changes.split("\n").map((line) => make("span", { class: /^(---|\+\+\+) /.test(line) ? "place" : kinds[line[0] ?? ""] ?? "same" }, `${line}\n`)));
}

// Tabs.

const tabs = [...document.querySelectorAll<HTMLButtonElement>("#template [role=tab]")];

function select(tab: HTMLButtonElement): void {
  for (const one of tabs) {
    one.setAttribute("aria-selected", String(one === tab));
    one.tabIndex = one === tab ? 0 : -1;
    element(one.getAttribute("aria-controls") ?? "").hidden = one !== tab;
  }
  history.replaceState(history.state, "", `#${tab.id}`); // reload, Back and a copied address show the same
  showTab();
}

function showTab(): void {
  if (!element("pane-diff").hidden) void showDiff();
  if (!element("pane-impact").hidden) void listImpact();
}

for (const [at, tab] of tabs.entries()) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = step === undefined ? undefined : tabs[(at + step + tabs.length) % tabs.length];
    if (next) { event.preventDefault(); select(next); next.focus(); }
  });
}

const texts = new Map<number, string>(); // of versions, which never change

async function textOf(version: number): Promise<string> {
  const known = texts.get(version);
  if (known !== undefined) return known;
  const { source: content = "" } = await ask<Version>(`${template}?version=${version}`);
  texts.set(version, content);
  return content;
}

async function showDiff(): Promise<void> {
  const against = Number(element<HTMLSelectElement>("against").value) || base.version;
  const [before, loaded] = await Promise.all([textOf(against), compare()]);
  if (loaded) diff.show(before, text());
}

/** compare loads the elements that compare texts, or says that it cannot: after an upgrade, the server has others. */
async function compare(): Promise<boolean> {
  try {
    await import("./compare.ts");
    return true;
  } catch {
    const kept = readDraft()?.text === text() ? ": your text is kept in this browser" : "";
    say("draft", `What compares texts cannot be loaded. Reload the page${kept}.`);
    return false;
  }
}

async function showHistory(): Promise<void> {
  let items: Version[];
  try {
    ({ items } = await ask<{ items: Version[] }>(`${template}/versions?limit=20`));
  } catch {
    element("history").replaceChildren(make("li", {}, "The history cannot be read now."));
    return;
  }
  const chosen = element<HTMLSelectElement>("against");
  chosen.replaceChildren(...items.map(({ version }) => make("option", { value: String(version) }, `version ${version}`)));
  chosen.value = String(base.version);
  const newest = items[0]?.version ?? base.version;
  element("history").replaceChildren(...items.map(({ version, created_at: at, created_by: by, comment }) => {
    const item = make("li", {}, make("a", { href: `template/versions/${version}` }, `version ${version}`), ` ${by}, `, make("time", { class: "ago", datetime: at }, new Date(at).toLocaleString()), comment ? `: ${comment}` : "");
    if (version !== newest) {
      item.append(" · ", make("a", { href: `template/diff?from=${version}&to=${newest}` }, "compare"));
      if (!readOnly) item.append(" · ", make("a", { href: `template/rollback/${version}`, "data-dialog": "" }, "roll back…"));
    }
    return item;
  }));
}

// Drafts: text that is not saved is kept in this browser, with the version that it began with.

function storeDraft(): void {
  if (readOnly || base.version === 0) return;
  const content = text();
  element<HTMLButtonElement>("discard").disabled = element<HTMLButtonElement>("save").disabled = content === saved();
  if (content === saved()) { localStorage.removeItem(key); return; }
  const draft: Draft = { text: content, version: base.version, base: saved(), at: Date.now() };
  try {
    localStorage.setItem(key, JSON.stringify(draft));
  } catch {
    say("draft", "This browser cannot keep your unsaved text: save it before you leave."); // its storage is full or off
  }
}

function readDraft(): Draft | undefined {
  try {
    const draft = JSON.parse(localStorage.getItem(key) ?? "null") as Draft | null;
    return draft && typeof draft.text === "string" && typeof draft.version === "number" && typeof draft.base === "string" ? draft : undefined;
  } catch {
    return undefined; // it is none of ours
  }
}

function say(id: string, ...content: (Node | string)[]): void {
  const place = element(id);
  place.hidden = content.length === 0;
  place.replaceChildren(...content);
}

function restore(newest: Version): void {
  const draft = readOnly ? undefined : readDraft();
  if (!draft || draft.text === newest.source) { source.value = newest.source ?? ""; return; }
  if (draft.version !== newest.version) {
    base = { ...newest, version: draft.version, source: draft.base };
    texts.set(draft.version, draft.base);
  }
  source.value = draft.text;
  say("draft", `This is your unsaved text of ${new Date(draft.at).toLocaleString()}, which began with version ${draft.version}. `, button("Discard it", discard));
}

function discard(): void {
  ask<Version>(template).then((newest) => open(newest, newest.source ?? ""), (error: unknown) => say("draft", `Not discarded: ${String(error)}`));
}

/** open makes a version the one that is edited, with a text, in one step: saving in between would overwrite the version. */
function open(version: Version, content: string): void {
  source.edit(content);
  base = version;
  texts.set(version.version, saved());
  theirs = undefined;
  say("draft");
  say("conflict");
  element("merge").hidden = true;
  changed();
  void showHistory();
}

function changed(): void {
  checked = undefined;
  clearTimeout(timer);
  timer = setTimeout(() => { storeDraft(); void check(); }, PAUSE); // not at each key: a long text takes milliseconds to store
}

// Conflicts: another has saved a version meanwhile.

async function conflict(): Promise<void> {
  const newest = await ask<Version>(template);
  if (newest.version <= base.version) return;
  texts.set(newest.version, newest.source ?? "");
  if (text() === saved()) { // nothing of ours is at stake
    open(newest, newest.source ?? "");
    return;
  }
  theirs = newest;
  say("conflict", `${newest.created_by} has saved version ${newest.version} meanwhile${newest.comment ? `: ${newest.comment}` : ""}. Your text began with version ${base.version}. `, button("Merge", () => void merge(), "small"));
}

async function merge(): Promise<void> {
  if (!await compare() || !theirs) return;
  element("merge").hidden = false;
  element("merge-title").textContent = `Merge with version ${theirs.version} by ${theirs.created_by}`;
  element("merge-note").textContent = "";
  merging.show(theirs.source ?? "", text());
  compareSides(undefined);
  element("merge").scrollIntoView();
}

const sides = { "merge-theirs": () => theirs?.source ?? "", "merge-yours": () => merging.value };

function compareSides(side: keyof typeof sides | undefined): void {
  for (const id of Object.keys(sides)) element(id).setAttribute("aria-pressed", String(id === side));
  merging.hidden = side !== undefined;
  element("merge-diff").hidden = side === undefined;
  if (side) element<Diff>("merge-diff").show(saved(), sides[side]());
}

for (const id of Object.keys(sides) as (keyof typeof sides)[]) {
  element(id).addEventListener("click", () => compareSides(element(id).getAttribute("aria-pressed") === "true" ? undefined : id));
}

element("merge-take").addEventListener("click", () => {
  const { text: merged, taken, both } = merge3(saved(), theirs?.source ?? "", merging.value);
  merging.value = merged;
  compareSides(undefined);
  element("merge-note").textContent = `${count(taken, "change")} of theirs taken${both > 0 ? `; ${count(both, "change")} in lines that you changed too: choose there yourself` : ""}.`;
});

element("merge-done").addEventListener("click", () => {
  if (!theirs) return;
  open(theirs, merging.value);
  source.view.focus();
});

// Saving.

function askToSave(): void {
  const broken = checked?.impact?.newly_broken ?? 0;
  element("save-title").textContent = `Save as version ${(checked?.version ?? base.version) + 1}`;
  element("save-impact").textContent = checked?.impact ? sentence(checked.impact) : "The text is not checked yet, or has errors.";
  element("save-breaks").replaceChildren(...(checked?.breaks ?? []).map(({ deployment: name, reason }) => make("li", {}, `${name}: ${reason}`)));
  needTick(broken);
  say("save-problem");
  element<HTMLDialogElement>("save-dialog").showModal();
  element("comment").focus();
}

function needTick(broken: number): void {
  element("break-field").hidden = broken === 0;
  element("break-label").textContent = `Break ${count(broken, "deployment")}`;
  element<HTMLInputElement>("break").checked = false;
  element<HTMLButtonElement>("save-now").disabled = broken > 0;
}

async function save(): Promise<void> {
  const press = element<HTMLButtonElement>("save-now");
  press.disabled = true;
  const comment = element<HTMLInputElement>("comment");
  const content = text();
  const may = element<HTMLInputElement>("break").checked;
  const glass = document.getElementById("glass") as HTMLInputElement | null; // only for whoever may do without an approval
  const reason = glass?.value.trim() ?? "";
  try {
    const version = await ask<Version>(`${template}?require_unbroken=${!may}${reason && `&break_glass=${encodeURIComponent(reason)}`}`, "PUT", { source: content, ...(comment.value && { comment: comment.value }) }, { "If-Match": `"${base.version}"` });
    comment.value = "";
    if (glass) { glass.value = ""; element("glass-field").hidden = true; }
    element<HTMLDialogElement>("save-dialog").close();
    open({ ...version, source: content }, text());
  } catch (error) {
    const refused = error instanceof Refusal ? error : undefined;
    if (refused?.status === 412) await conflict();
    if (refused?.problem.code === "template-breaks-deployments") needTick(Math.max(1, refused.problem.errors?.length ?? 0));
    if (refused?.problem.code === "approval-required" && glass) element("glass-field").hidden = false;
    const requests = (refused?.problem.approvals ?? []).flatMap(({ id, pool: of }) => id === undefined ? [] : [" ", make("a", { href: new URL(`../../approvals/${id}`, api).href }, `The request of ${of}`)]);
    const again = refused?.status === 412 ? [" ", button("Merge", () => { element<HTMLDialogElement>("save-dialog").close(); void merge(); }, "small")] : [];
    say("save-problem", refused ? [refused.message, ...(refused.problem.errors ?? []).map(({ message }) => message)].join("\n") : "No connection: nothing was saved. Your text is kept in this browser.", ...again, ...requests);
  }
  press.disabled = !element("break-field").hidden && !element<HTMLInputElement>("break").checked;
}

async function start(): Promise<void> {
  const [newest, language] = await Promise.all([ask<Version>(template), ask<Language>(new URL("language", api).href)]);
  base = newest;
  texts.set(newest.version, saved());
  restore(newest);
  await turn();
  words = new Words(language);
  source.helpWith(words.complete, words.hover);
  source.addEventListener("edited", changed);
  source.addEventListener("caret", light);
  deployment.addEventListener("change", () => void check());
  element("against").addEventListener("change", () => void showDiff());
  if (!readOnly) {
    element("discard").addEventListener("click", discard);
    element("save").addEventListener("click", askToSave);
    element("save-now").addEventListener("click", () => void save());
    element("break").addEventListener("change", () => { element<HTMLButtonElement>("save-now").disabled = !element<HTMLInputElement>("break").checked; });
    addEventListener("pagehide", storeDraft);
    storeDraft();
  }
  // live.ts has asked for the page again: it names the newest version.
  document.addEventListener("refreshed", () => { if (Number(document.getElementById("newest")?.dataset["version"]) > base.version) void conflict(); });
  await Promise.all([check(), showHistory()]);
  const named = tabs.find((one) => `#${one.id}` === location.hash);
  if (named) select(named);
  if (newest.version > base.version) await conflict();
  frame.dataset["ready"] = "";
}

start().catch((error: unknown) => { element("verdict").textContent = `The editor cannot start: ${error instanceof Error ? error.message : String(error)}. Reload the page.`; });
