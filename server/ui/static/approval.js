// View of one approval request: the plan, and the buttons of who may decide about it. Also what the pool shows of requests.

import { get, post } from "./api.js";
import { badge, cell, element, definitions, moment, updateChildren, updateRows, poolLink } from "./app.js";

const STATES = {
  open: ["PENDING", "Open"], approved: ["COMPLETED", "Approved"], used: ["SCHEDULED", "Used"], rejected: ["FAILED", "Rejected"],
  withdrawn: ["CANCELLED", "Withdrawn"], lapsed: ["CANCELLED", "Lapsed"], bypassed: ["CRASHED", "Without approval"],
};
const DECISIONS = {
  approve: { title: "Approve this plan?", button: "Approve", label: "Comment", required: false },
  reject: { title: "Reject this change?", button: "Reject", label: "Reason", required: true },
  withdraw: { title: "Withdraw this request?", button: "Withdraw", label: "Reason", required: false },
};
const SHOWN_OF_POOL = 10; // requests

let shown; // the id of the request
let current; // the request, as it was read last
let decision; // that the dialog asks about

const part = (name) => document.getElementById(`approval-${name}`);
const dialog = part("dialog");

export function hide() {
  shown = current = undefined;
  document.getElementById("approval").hidden = true;
  if (dialog.open) dialog.close();
}

export function show(id, showError, clearError) {
  shown = id;
  return refresh(showError, clearError);
}

// refresh updates the view.
export async function refresh(showError, clearError) {
  const id = shown;
  if (!id) return;
  try {
    const one = await get(`/api/v1/approvals/${encodeURIComponent(id)}`);
    if (shown !== id) return;
    describe(one);
    document.getElementById("approval").hidden = false;
    clearError();
  } catch (error) {
    if (shown === id) showError(error);
  }
}

const stateBadge = (one) => {
  const [type, name] = STATES[one.state] ?? ["SCHEDULED", one.state];
  return badge({ type, name });
};

function describe(one) {
  current = one;
  document.title = `Approval · ${one.pool} · Berth`;
  part("title").textContent = `Approval of ${summary(one)}`;
  updateChildren(part("state"), stateBadge(one));
  updateChildren(part("facts"), ...definitions([
    ["Pool", poolLink(one.pool)],
    ["Asked by", one.asked_by],
    ["Asked", moment(one.asked_at)],
    ["Needs", `another person with role ${one.approver} or higher`],
    ["Decided by", one.decided_by],
    ["Used by", one.used_by],
    ["Lapses", one.expires_at && moment(one.expires_at)],
    ["Reason", one.reason],
    ["Fingerprint", one.fingerprint],
  ]));
  updateChildren(part("plan"), ...one.items.flatMap(item));
  const buttons = [["approve", one.may_approve], ["reject", one.may_reject], ["withdraw", one.may_withdraw]];
  for (const [name, allowed] of buttons) part(name).hidden = !allowed;
  part("refusal").hidden = !one.may_not;
  part("refusal").textContent = one.may_not ?? "";
  part("next").hidden = one.state !== "approved";
}

const VERBS = { create: "create", update: "change", delete: "delete" };
const summary = (one) => one.items.map(({ action, kind, name }) => `${VERBS[action] ?? action} ${kind} ${name}`).join(", ");

// item shows one object of the plan with its differences.
function item({ action, kind, name, text }) {
  const lines = (text ?? "").split("\n").filter((line) => line && !/^(---|\+\+\+|@@)/.test(line)).map((line) => {
    const kind = line.startsWith("+") ? "add" : line.startsWith("-") ? "del" : "";
    return element("span", { class: kind }, `${line}\n`);
  });
  const title = `${VERBS[action] ?? action} ${kind} ${name}`;
  return [element("h4", {}, title), element("pre", { class: "code diff", tabindex: "0", "aria-label": title }, ...lines)];
}

// open asks before it decides, and takes a comment or a reason.
function open(name) {
  decision = name;
  const { title, button, label, required } = DECISIONS[name];
  part("question").textContent = title;
  part("about").textContent = `${summary(current)}, in work pool ${current.pool}, asked by ${current.asked_by}.`;
  part("label").textContent = label;
  part("reason").value = "";
  part("reason").required = required;
  part("problem").hidden = true;
  part("confirm").textContent = button;
  dialog.showModal();
}

for (const name of Object.keys(DECISIONS)) part(name).addEventListener("click", () => open(name));
part("cancel").addEventListener("click", () => dialog.close());
part("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { id, fingerprint } = current;
  const text = part("reason").value.trim() || undefined;
  if (DECISIONS[decision].required && !text) {
    part("problem").textContent = "Give a reason.";
    part("problem").hidden = false;
    return;
  }
  const body = decision === "approve" ? { fingerprint, comment: text } : { reason: text };
  part("confirm").disabled = true;
  try {
    const decided = await post(`/api/v1/approvals/${id}/${decision}`, JSON.stringify(body));
    if (shown === id) describe(decided);
    dialog.close();
  } catch (error) {
    part("problem").textContent = error.message;
    part("problem").hidden = false;
  } finally {
    part("confirm").disabled = false;
  }
});

// policy says in a sentence what a pool requires; empty for nothing.
function policy({ require, approver, lifetime_seconds: lifetime }) {
  if (require.length === 0) return "";
  const hours = lifetime / 3600;
  const time = hours >= 1 ? `${Math.round(hours * 10) / 10} h` : `${Math.round(lifetime / 60)} min`;
  return `Changes of ${require.join(", ")} need the approval of another person with role ${approver} or higher. An approval can be used for ${time}.`;
}

// showOfPool shows the policy and the newest requests of a pool.
export async function showOfPool(pool) {
  const section = document.getElementById("pool-approvals-section");
  const { items } = await get(`/api/v1/approvals?limit=${SHOWN_OF_POOL}&pool=${encodeURIComponent(pool.name)}`);
  const text = policy(pool.approvals);
  section.hidden = !text && items.length === 0;
  document.getElementById("pool-policy").textContent = text || "This pool requires no approvals now.";
  const table = document.getElementById("pool-approvals");
  table.closest(".scroll").hidden = items.length === 0;
  updateRows(table, items, (one) => [
    cell(stateBadge(one)),
    cell(element("a", { href: `#/approvals/${one.id}` }, summary(one))),
    cell(one.asked_by), cell(moment(one.asked_at)), cell(one.decided_by ?? one.used_by ?? ""), cell(one.reason ?? ""),
  ]);
}

// showWaiting says on the overview which pools have open requests.
export function showWaiting(pools) {
  const line = document.getElementById("waiting");
  const waiting = pools.filter((one) => one.open_approvals);
  const count = waiting.reduce((sum, one) => sum + one.open_approvals, 0);
  line.hidden = count === 0;
  const links = waiting.flatMap((one, i) => [i === 0 ? " " : ", ", poolLink(one.name), ` (${one.open_approvals})`]);
  updateChildren(line, count === 1 ? "1 change waits for an approval:" : `${count} changes wait for an approval:`, ...links);
}
