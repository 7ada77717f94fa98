// What stands beside the charts: the service itself, who is refused, and the backends.

const SERVICE = {
  initializing: ["", "starting"],
  active: ["good", "active"],
  failed: ["bad", "failed"],
  recovering: ["bad", "recovering"],
  draining: ["pause", "shutting down"],
};

function showService({ state, uptime, version }) {
  const [mood, word] = SERVICE[state] ?? ["", state];
  find("service").hidden = false;
  find("service-state").dataset.mood = mood;
  say(find("service-state"), word);
  say(find("uptime"), duration(Math.floor(uptime)));
  say(find("release"), version);
}

function showUnreachable() {
  find("service-state").dataset.mood = "bad";
  say(find("service-state"), "not reached");
}

/** `[{ policy, key, refused, tooManyBy }]`, the worst first. */
function showTop(top) {
  find("no-top").hidden = top.length > 0;
  find("top").hidden = top.length === 0;
  const rows = top.map(({ policy, key, refused, tooManyBy }) => {
    const number = element("td", { class: "number" }, count(refused));
    if (tooManyBy > 0) number.title = `at most; ${count(refused - tooManyBy)} at least`;
    return element("tr", {}, element("td", { class: "key-text" }, element("bdi", {}, readable(key))), element("td", {}, readable(policy)), number);
  });
  find("top").tBodies[0].replaceChildren(...rows);
}

/** `[{ name, breakers: ["closed", "open"], connections, losses, timeouts, warnings }]` */
function showBackends(backends) {
  find("no-backend").hidden = backends.length > 0;
  find("backends").replaceChildren(...backends.map((backend) => {
    const { mood, word, meaning } = breakersInWords(backend.breakers);
    const state = element("span", { class: "state", "data-mood": mood }, word);
    const counts = [plural(backend.connections, "connection"), `${count(backend.losses)} lost`, plural(backend.timeouts, "timeout")];
    return element("li", {},
      element("div", { class: "row" }, element("h3", {}, backend.name), state),
      element("p", { class: "quiet" }, meaning),
      element("p", { class: "quiet" }, counts.join(" · ")),
      ...backend.warnings.map((warning) => element("p", { class: "wrong" }, warning)));
  }));
}

/** A store may have many servers, each behind a breaker of its own. */
function breakersInWords(breakers) {
  const open = breakers.filter((state) => state === "open").length;
  if (breakers.length === 0) return { mood: "", word: "not asked yet", meaning: "No limit has been counted there." };
  if (open === 0) return { mood: "good", word: "breaker closed", meaning: "Limits are counted there." };
  const which = open === breakers.length ? "The store" : `${open} of ${breakers.length} servers`;
  return {
    mood: "bad",
    word: "breaker open",
    meaning: `${which} did not answer. Each limit’s on_failure decides until probes succeed.`,
  };
}
