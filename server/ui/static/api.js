// The API client of the page. It sends the API key of this tab, if there is one.

const KEY = "berth.api-key";
const STREAM_TIMEOUT = 45_000; // milliseconds without data; the server sends a heartbeat every 15 s

export class RequestError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the server answered ${status}`);
    this.status = status;
    this.findings = problem.errors;
  }
}

export function setKey(key) {
  sessionStorage.setItem(KEY, key);
  known = undefined;
}

function headers() {
  const key = sessionStorage.getItem(KEY);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

// here is the address of a path of the server. A proxy may serve the page below a path.
export const here = (path) => new URL(path.replace(/^\//, ""), document.baseURI);

async function request(path, options = {}) {
  const response = await fetch(here(path), { ...options, headers: { ...headers(), ...options.headers }, cache: "no-store" });
  if (!response.ok) {
    throw new RequestError(response.status, await response.json().catch(() => ({})));
  }
  return response;
}

export async function get(path) {
  return (await request(path)).json();
}

// getExact is get with numbers that JSON.stringify writes as they came, where the browser can: 9007199254740993 and 1.0 are no
// other numbers. Nothing else can be done with these.
export const getExact = async (path) => exact(await (await request(path)).text());

// getBoth is get and getExact.
export async function getBoth(path) {
  const text = await (await request(path)).text();
  return [JSON.parse(text), exact(text)];
}

const exact = (text) => JSON.parse(text, (_, value, context) =>
  typeof value === "number" && context?.source && JSON.rawJSON ? JSON.rawJSON(context.source) : value);

let known; // who the caller is, requested once for each key

// caller returns who the caller is and what it may do; nothing if the server does not say.
export function caller() {
  known ??= get("/api/v1/whoami").catch(() => (known = undefined));
  return known;
}

// may reports whether the caller may call an operation in a work pool. The server has the last word: what is not known is
// offered.
export function may(who, operation, pool) {
  const pools = who?.operations[operation] ?? [];
  return !who || pools.includes("*") || pools.includes(pool);
}

// post sends a JSON text. Requests with the same idempotency key and body take effect once, however often they are sent.
export async function post(path, body, key) {
  const headers = { "Content-Type": "application/json", ...(key && { "Idempotency-Key": key }) };
  return (await request(path, { method: "POST", body, headers })).json();
}

// put creates or replaces a resource from a JSON text.
export async function put(path, body) {
  return (await request(path, { method: "PUT", body, headers: { "Content-Type": "application/json" } })).json();
}

// remove deletes a resource.
export async function remove(path) {
  await request(path, { method: "DELETE" });
}

// randomKey returns a unique idempotency key. (crypto.randomUUID is not available on pages without TLS.)
export function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// stream reads server-sent events with fetch, because EventSource cannot send an API key. It calls on(name, data, id) for
// each event and returns when the stream ends.
export async function stream(path, lastId, signal, on) {
  const response = await request(path, { signal, headers: lastId ? { "Last-Event-ID": lastId } : {} });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await withTimeout(reader.read(), () => reader.cancel());
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) dispatch(block, on);
  }
}

// withTimeout ends the wait on a connection that broke without notice, for example while a laptop slept.
async function withTimeout(reading, cancel) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("stream timed out")), STREAM_TIMEOUT);
  });
  try {
    return await Promise.race([reading, timeout]);
  } catch (error) {
    cancel().catch(() => {}); // the connection is broken already
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
