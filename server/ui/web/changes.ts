/**
 * The one connection of all tabs of a browser, as a SharedWorker: over HTTP/1.1 a browser opens six to a server, and a seventh
 * tab with another stream would hang. It says what has changed; what a page shows it asks for itself.
 */
import { type Message, type Request } from "./message.ts";

interface Port { topics: string[]; port: MessagePort }

const ports = new Map<MessagePort, Port>();
let source: EventSource | undefined;
let link: "live" | "lost" = "lost";

function tellAll(message: Message): void {
  for (const { port } of ports.values()) port.postMessage(message);
}

function say(now: "live" | "lost"): void {
  if (link === now) return;
  link = now;
  tellAll({ link });
}

function open(address: string): void {
  source = new EventSource(address);
  source.addEventListener("changed", ({ data }: MessageEvent<string>) => {
    const { topics } = JSON.parse(data) as { topics: string[] };
    for (const { port, topics: wanted } of ports.values()) if (wanted.some((one) => topics.includes(one))) port.postMessage({ changed: true } satisfies Message);
  });
  source.addEventListener("open", () => say("live"));
  source.addEventListener("error", () => {
    say("lost");
    if (source?.readyState === EventSource.CLOSED) { // it was refused, and does not try again by itself
      source = undefined;
      void refused(address);
      setTimeout(() => { if (ports.size > 0 && !source) open(address); }, 2000);
    }
  });
}

/** refused asks why there is no stream, and tells the pages where the session is over. */
async function refused(address: string): Promise<void> {
  const stop = new AbortController();
  try {
    if ((await fetch(address, { signal: stop.signal })).status === 401) tellAll({ over: true });
  } catch {
    // No connection: the stream is tried again.
  } finally {
    stop.abort();
  }
}

addEventListener("connect", (event) => {
  const port = (event as MessageEvent).ports[0] as MessagePort;
  port.addEventListener("message", ({ data }: MessageEvent<Request>) => {
    if ("signedOut" in data) { tellAll({ over: true }); return; }
    if ("bye" in data) {
      ports.delete(port);
      if (ports.size === 0) { source?.close(); source = undefined; link = "lost"; }
      return;
    }
    ports.set(port, { topics: data.topics, port });
    if (source) port.postMessage({ link } satisfies Message);
    else open(data.address);
  });
  port.start();
});
