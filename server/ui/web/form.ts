/**
 * The form of a run. The server makes it, reads it and says what differs from the defaults; here it is asked while one types.
 * Without this script, buttons do the same.
 */

const PAUSE = 250; // milliseconds without a key, after which the server is asked
let latest = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

const form = () => document.getElementById("run-form") as HTMLFormElement | null;

/** post sends the form as if a button were pressed. */
function post(action: string): Promise<{ page: Document; status: number; url: string }> {
  const data = new URLSearchParams();
  for (const [name, value] of new FormData(form()!)) if (typeof value === "string") data.append(name, value);
  data.set("do", action);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", location.href);
    request.responseType = "document";
    request.setRequestHeader("Accept", "text/html");
    request.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
    request.onload = () => {
      const page = request.response as Document | null;
      if (page) resolve({ page, status: request.status, url: request.responseURL });
      else reject(new Error("no page"));
    };
    request.onerror = () => reject(new Error("no connection"));
    request.send(data);
  });
}

/** preview asks what the values come to, and puts the Job, the command and the marks into the page. */
async function preview(): Promise<void> {
  const mine = ++latest;
  try {
    const { page } = await post("preview");
    if (mine !== latest) return; // an answer to what is no longer typed
    const [old, fresh] = [document.getElementById("preview"), page.getElementById("preview")];
    if (old && fresh) old.replaceWith(document.importNode(fresh, true));
    for (const mark of document.querySelectorAll<HTMLElement>("#run-form [data-mark]")) {
      const now = page.getElementById(mark.id);
      if (!now) continue;
      mark.hidden = now.hidden;
      if (mark.classList.contains("problem")) mark.textContent = now.textContent;
    }
  } catch {
    // The link says that there is no connection; the next key asks again.
  }
}

/** press does what a button of the form does, without leaving the page. */
async function press(action: string): Promise<void> {
  clearTimeout(timer);
  latest++;
  if (action === "preview") return preview();
  try {
    const { page, status, url } = await post(action);
    const fresh = page.getElementById("run-form");
    const goesOn = action === "run" && status < 300 && page.querySelector("[data-go-on]") !== null; // a part of many runs was started
    if (!fresh && status >= 400) { refuse(page.querySelector("main")?.textContent?.trim() ?? `The server answered ${status}.`); return; }
    if (action === "run" && status < 300 && !goesOn || !fresh) { location.href = url; return; }
    const open = document.querySelector<HTMLDetailsElement>("#job-variables")?.open;
    const now = document.importNode(fresh, true);
    form()?.replaceWith(now);
    const variables = document.querySelector<HTMLDetailsElement>("#job-variables");
    if (variables && open) variables.open = true;
    choose();
    document.querySelector<HTMLElement>("#run-form [autofocus]")?.focus();
    if (goesOn) void press("run");
  } catch {
    refuse("No response. Press the button again: where the run was started, its page opens; no second run is started.");
  }
}

/** refuse says above the form why it was not taken. */
function refuse(text: string): void {
  const problem = document.createElement("p");
  problem.className = "problem";
  problem.textContent = text;
  document.getElementById("run-problem")?.replaceChildren(problem);
}

/** choose shows the alternative of each choice that is chosen. */
function choose(): void {
  for (const one of document.querySelectorAll<HTMLElement>("#run-form [data-choice]")) {
    const chosen = [...document.querySelectorAll<HTMLInputElement>("#run-form input[type=radio]:checked")].find((radio) => radio.name === one.dataset["choice"]);
    one.hidden = chosen?.value !== one.dataset["value"];
  }
}

document.addEventListener("input", ({ target }) => {
  if (!(target instanceof Element) || !target.closest("#run-form")) return;
  choose();
  clearTimeout(timer);
  timer = setTimeout(() => void preview(), PAUSE);
});

// In the capture phase: what is sent here is not sent by the browser as well.
document.addEventListener("submit", (event) => {
  if (event.target !== form()) return;
  event.preventDefault();
  event.stopPropagation();
  const button = (event as SubmitEvent).submitter as HTMLButtonElement | null;
  void press(button?.value ?? "preview");
}, true);

choose();
