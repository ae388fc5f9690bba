// How the page talks to the API: with the key of this tab, if it has one.

const KEY = "berth.api-key";
const SILENCE = 45_000; // milliseconds without a heartbeat, of which there are several by then, after which a stream is dead

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

// post sends a body that is JSON already. The same key with the same body does what it does once, however often it is sent.
export async function post(path, body, key) {
  const headers = { "Content-Type": "application/json", ...(key && { "Idempotency-Key": key }) };
  return (await request(path, { method: "POST", body, headers })).json();
}

// randomKey is nobody else's. (crypto.randomUUID is not there on pages without TLS.)
export function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// stream reads server-sent events with fetch, since EventSource can not send a key. It calls on(name, data, id) for each
// and returns when the stream ends.
export async function stream(path, lastId, signal, on) {
  const response = await request(path, { signal, headers: lastId ? { "Last-Event-ID": lastId } : {} });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await inTime(reader.read(), () => reader.cancel());
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) dispatch(block, on);
  }
}

// inTime gives up on a connection that is dead without saying so, as after a laptop has slept.
async function inTime(reading, giveUp) {
  let timer;
  const silence = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("the stream is silent")), SILENCE);
  });
  try {
    return await Promise.race([reading, silence]);
  } catch (error) {
    giveUp().catch(() => {}); // it is dead already
    throw error;
  } finally {
    clearTimeout(timer);
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
