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

/** `[{ name, state, domains, open, nodes, connections, losses, timeouts, warnings }]` */
function showBackends(backends) {
  find("no-backend").hidden = backends.length > 0;
  find("backends").replaceChildren(...backends.map((backend) => {
    const [mood, word] = SERVICE[backend.state] ?? ["", backend.state];
    const state = element("span", { class: "state", "data-mood": mood }, word);
    const counts = [plural(backend.connections, "connection"), `${count(backend.losses)} lost`, plural(backend.timeouts, "timeout")];
    if (backend.nodes) counts.push(plural(backend.nodes, "node"));
    return element("li", {},
      element("div", { class: "row" }, element("h3", {}, backend.name), state),
      element("p", { class: "quiet" }, breakersInWords(backend)),
      element("p", { class: "quiet" }, counts.join(" · ")),
      ...backend.warnings.map((warning) => element("p", { class: "wrong" }, warning)));
  }));
}

/** A store may have many parts, as shards, each behind a breaker of its own. */
function breakersInWords({ domains, open }) {
  if (open === 0) return "Breaker closed: limits are counted there.";
  const which = domains === 1 ? "Breaker open: it did not answer." : `Breaker open for ${open} of ${domains} parts: they did not answer.`;
  return `${which} Each policy’s on_failure decides until it does.`;
}
