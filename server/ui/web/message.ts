/** What a page tells the connection that all tabs share: what it shows, or that it is gone. */
export type Request = { topics: string[]; address: string } | { bye: true };

/** What the connection tells a page: how the link is, or that one of its topics has changed. */
export type Message = { link: "live" | "lost" } | { changed: true };
