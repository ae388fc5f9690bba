/**
 * fetchPage returns a page as a document, and where it was found after redirects. It rejects where there is no connection, and
 * when the signal tells it to stop.
 */
export function fetchPage(url: string, signal?: AbortSignal): Promise<{ page: Document; status: number; url: string }> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", url);
    request.responseType = "document";
    request.setRequestHeader("Accept", "text/html");
    request.onload = () => {
      const page = request.response as Document | null;
      if (page && request.status < 500) resolve({ page, status: request.status, url: request.responseURL });
      else reject(new Error(`the server answered ${request.status}`));
    };
    request.onerror = () => reject(new Error("no connection"));
    request.onabort = () => reject(new Error("no longer asked for"));
    signal?.addEventListener("abort", () => request.abort());
    request.send();
  });
}
