/** What a page tells the connection that all tabs share: what it shows, that it is gone, or that the browser was signed out. */
export type Request = { topics: string[]; address: string } | { bye: true } | { signedOut: true };

/** What the connection tells a page: how the link is, that one of its topics has changed, or that the session is over. */
export type Message = { link: "live" | "lost" } | { changed: true } | { over: true };
