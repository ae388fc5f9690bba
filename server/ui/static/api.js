// How the page talks to the API: with the key of this tab, if it has one.

const KEY = "berth.api-key";

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the server answered ${status}`);
    this.status = status;
    this.findings = problem.errors;
  }
}

export function setKey(key) {
  sessionStorage.setItem(KEY, key);
}

function headers() {
  const key = sessionStorage.getItem(KEY);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function request(path, options = {}) {
  const response = await fetch(path, { ...options, headers: { ...headers(), ...options.headers }, cache: "no-store" });
  if (!response.ok) {
    throw new Refused(response.status, await response.json().catch(() => ({})));
  }
  return response;
}

export async function get(path) {
  return (await request(path)).json();
}

// post sends a body that is JSON already.
export async function post(path, body) {
  return (await request(path, { method: "POST", body, headers: { "Content-Type": "application/json" } })).json();
}

// stream reads server-sent events with fetch, since EventSource can not send a key. It calls on(name, data, id) for each
// and returns when the stream ends.
export async function stream(path, lastId, signal, on) {
  const response = await request(path, { signal, headers: lastId ? { "Last-Event-ID": lastId } : {} });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) dispatch(block, on);
  }
}

function dispatch(block, on) {
  const fields = { event: "message", data: "", id: "" };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
  }
  if (fields.data) on(fields.event, JSON.parse(fields.data), fields.id);
}
