// The form that tries a limit, and what the answer's header fields mean.

/** What each algorithm is asked, in the three shapes of POST /check. */
const ALGORITHMS = [
  ["gcra", "GCRA: even, with bursts", ["rate", "Requests", "10"], ["interval", "in seconds", "60"]],
  ["token_bucket", "Token bucket", ["capacity", "Capacity", "10"], ["refill_rate", "Refill per second", "1"]],
  ["leaky_bucket", "Leaky bucket: a queue", ["capacity", "Queue", "10"], ["refill_rate", "Leaves per second", "1"]],
  ["fixed_window", "Fixed window", ["limit", "Limit", "10"], ["window", "Window in seconds", "60"]],
  ["sliding_window", "Sliding window", ["limit", "Limit", "10"], ["window", "Window in seconds", "60"]],
  ["sliding_log", "Sliding log: exact", ["limit", "Limit", "10"], ["window", "Window in seconds", "60"]],
];

const FIELDS = { key: "try-key", algorithm: "try-algorithm", cost: "try-cost" };

function startTrying() {
  const choice = find("try-algorithm");
  choice.append(...ALGORITHMS.map(([name, label]) => element("option", { value: name }, label)));
  const relabel = () => {
    const [, , count, span] = ALGORITHMS[choice.selectedIndex];
    for (const [id, [field, label, value]] of [["try-count", count], ["try-span", span]]) {
      say(find(`${id}-label`), label);
      Object.assign(find(id), { name: field, value });
    }
  };
  choice.addEventListener("change", relabel);
  relabel();
  find("try").addEventListener("submit", (event) => {
    event.preventDefault();
    tryOnce();
  });
}

/** A number if it is one; else as it was typed, so that the service can say what is wrong with it. */
const numeric = (text) => text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;

async function tryOnce() {
  const inputs = [...find("try").querySelectorAll("input, select")];
  const body = Object.fromEntries(inputs.map(({ id, name, value }) =>
    [name, id === "try-key" || id === "try-algorithm" ? value : numeric(value)]));
  for (const input of inputs) input.removeAttribute("aria-invalid");
  let response;
  try {
    response = await ask("/check", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    find("answer").replaceChildren(element("p", { class: "verdict no" }, "No answer: the service cannot be reached."));
    return;
  }
  const refusal = response.status === 429;
  if (response.ok || refusal) showAnswer(response, await response.json());
  else showProblem(response, await problemOf(response));
}

function showAnswer(response, answer) {
  const said = answer.allowed ? "Allowed" : "Refused";
  const verdict = element("p", { class: answer.allowed ? "verdict yes" : "verdict no" },
    `${said}: ${count(answer.remaining)} of ${count(answer.limit)} left.`);
  const facts = [];
  if (!answer.allowed) facts.push(answer.retry_after == null ? "It never fits." : `It fits in ${duration(answer.retry_after)}.`);
  if (answer.delay > 0) facts.push(`It waits ${duration(answer.delay)} first.`);
  if (answer.reset > 0) facts.push(`Full again in ${duration(answer.reset)}.`);
  const list = element("dl");
  for (const [name, value] of response.headers) {
    const meaning = fieldInWords(name, value);
    if (meaning) list.append(element("dt", {}, `${name}: ${value}`), element("dd", {}, meaning));
  }
  const status = element("p", { class: "quiet" }, `Status ${response.status}. ${facts.join(" ")}`);
  find("answer").replaceChildren(verdict, status, list);
}

function showProblem(response, { detail, field }) {
  const name = field?.replace(/^\//, "");
  const input = find(FIELDS[name]) ?? find("try").elements.namedItem(name ?? "");
  if (input) {
    input.setAttribute("aria-invalid", "true");
    input.focus();
  }
  find("answer").replaceChildren(
    element("p", { class: "verdict no" }, "Not asked: the service did not take it."),
    element("p", { class: "quiet" }, `Status ${response.status}. ${detail}`));
}

/** What a header field says, or nothing for one that is not about limits. */
function fieldInWords(name, value) {
  // One of: "name";r=9;t=6 or "name";q=10;w=60
  const items = [...value.matchAll(/"((?:[^"\\]|\\.)*)"((?:;[^,]*)?)/g)].map(([, policy, rest]) =>
    ({ policy, ...Object.fromEntries(rest.split(";").filter(Boolean).map((part) => part.split("="))) }));
  const seconds = (text) => duration(Number(text));
  switch (name) {
    case "ratelimit":
      return items.map(({ policy, r, a, t, w }) => {
        const [left, span] = [Number(r ?? a), t ?? w];
        if (left === 0) return `“${policy}” has nothing left${span ? ` for ${seconds(span)}` : ""}.`;
        return `“${policy}” has ${plural(left, "request")} left${span ? `, to last for ${seconds(span)}` : ""}.`;
      }).join(" ");
    case "ratelimit-policy":
      return items.map(({ policy, q, w }) => `“${policy}” allows ${plural(Number(q), "request")}${w ? ` in ${seconds(w)}` : ""}.`).join(" ");
    case "retry-after":
      return `Asking again before ${seconds(value)} have passed is of no use.`;
    case "ratelimit-limit": case "x-ratelimit-limit":
      return `At most ${value.split(",")[0]} requests.`;
    case "ratelimit-remaining": case "x-ratelimit-remaining":
      return `${plural(Number(value), "request")} left.`;
    case "ratelimit-reset": case "x-ratelimit-reset":
      return `Full again in ${seconds(value)}.`;
    default:
      return undefined;
  }
}
