// The connection to the service: events, the token, and what happens when the line is lost.

const TOKEN = "tollgate-token";
/** The service sends a sample a second: after so long without any, the line is taken for lost. */
const SILENCE_MS = 5000;
/** How long the page waits before it tries again, at most: nobody looks at an old picture for longer. */
const LONGEST_WAIT_S = 8;

const tab = storage("sessionStorage");
const token = {
  read: () => tab.getItem(TOKEN),
  keep: (value) => tab.setItem(TOKEN, value),
  forget: () => tab.removeItem(TOKEN),
};

/** Fetches with the token, if there is one. EventSource cannot, and an address with a token in it would be logged. */
function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  if (token.read()) headers.set("authorization", `Bearer ${token.read()}`);
  return fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
}

/** What is wrong, in the words of a problem+json answer. */
async function problemOf(response) {
  try {
    const problem = await response.json();
    return { detail: problem.detail ?? problem.title ?? `status ${response.status}`, field: problem.field };
  } catch {
    return { detail: `The service answered with status ${response.status}.` };
  }
}

/** Splits a stream of server-sent events; calls `onEvent(name, data)` for each. */
async function readEvents(body, onEvent) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      let name = "message";
      const data = [];
      for (const line of block.split("\n")) {
        if (line.startsWith("event:")) name = line.slice(6).trim();
        if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
      }
      if (data.length > 0) onEvent(name, JSON.parse(data.join("\n")));
    }
  }
}

/** Keeps the page connected. `page` has `event`, `connected`, `lost(why, seconds)` and `refused()`. */
class Line {
  #page;
  #attempt = 0;
  #timer;
  #abort = new AbortController();

  constructor(page) {
    this.#page = page;
  }

  /** Lets go of the service, and of the next attempt. */
  close() {
    clearTimeout(this.#timer);
    const before = this.#abort;
    this.#abort = new AbortController();
    before.abort();
  }

  /** Connects now, whatever went on before. */
  async open() {
    this.close();
    const abort = this.#abort;
    let watchdog;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => abort.abort(), SILENCE_MS);
    };
    let why = "The connection to the service was lost.";
    try {
      alive();
      const response = await ask("/events", { signal: abort.signal, headers: { accept: "text/event-stream" } });
      if (response.status === 401) {
        this.#page.refused();
        return;
      }
      if (response.ok) {
        await readEvents(response.body, (name, data) => {
          alive();
          this.#attempt = 0;
          this.#page.event(name, data);
        });
      } else {
        why = (await problemOf(response)).detail;
      }
    } catch {
      // Lost, which is said below: `fetch` does not tell why.
    } finally {
      clearTimeout(watchdog);
    }
    // Otherwise it was closed on purpose, or another one has been opened meanwhile.
    if (abort === this.#abort) this.#again(why);
  }

  #again(why) {
    const seconds = Math.min(2 ** this.#attempt, LONGEST_WAIT_S);
    this.#attempt += 1;
    this.#page.lost(why, seconds);
    this.#timer = setTimeout(() => this.open(), seconds * 1000);
  }
}
