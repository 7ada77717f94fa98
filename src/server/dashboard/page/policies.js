// The list of policies: limits, states, what goes through each, and the buttons that change a state.

/** What a change of state means for those who are limited. */
const MEANS = {
  active: "Requests are limited by it from now on.",
  suspended: "Requests are no longer limited by it. What keys have spent is kept, and counts when it is active again.",
  inactive: "Requests are no longer limited by it, and what keys have spent is forgotten.",
};
const VERBS = { active: "Activate", suspended: "Suspend", inactive: "Deactivate" };
const MOODS = { active: "good", suspended: "pause", inactive: "", draft: "draft" };
/** Fewer are seen at a glance. */
const FILTER_FROM = 8;
/** Under this name the service counts limits that come with the request. */
const CALLERS = "caller";

class PolicyList {
  #rows = new Map();
  #policies = [];
  #callersChoose = false;

  constructor() {
    find("filter").addEventListener("input", () => this.#filter());
  }

  /** `{ total, callers, policies: [{ id, name, state, next, limits, notes }] }` */
  show({ total, callers, policies }) {
    this.#callersChoose = callers;
    this.#policies = policies;
    const focused = document.activeElement.closest("#policies > li")?.dataset.id;
    this.#rows.clear();
    for (const policy of policies) this.#add(policy.id, this.#about(policy));
    find("policies").replaceChildren(...[...this.#rows.values()].map((row) => row.item));
    find("policies-wait").hidden = true;
    find("no-policy").hidden = total > 0;
    say(find("policy-count"), total > 0 ? String(total) : "");
    find("more-policies").hidden = total === policies.length;
    say(find("more-policies"), `And ${count(total - policies.length)} more: see GET /api/config/rate-limits`);
    find("filter-row").hidden = policies.length < FILTER_FROM;
    this.#filter();
    // Whoever pressed a button finds the next one in its place.
    this.#rows.get(focused)?.item.querySelector("button")?.focus();
  }

  draw(counts) {
    if (this.#callersChoose && !this.#rows.has(CALLERS) && counts.totals(CALLERS).some((total) => total > 0)) {
      this.#add(CALLERS, [element("h3", {}, "Limits chosen by callers"), element("p", {}, "of POST /check and CL.THROTTLE")]);
      find("policies").append(this.#rows.get(CALLERS).item);
    }
    for (const [id, row] of this.#rows) if (!row.item.hidden) row.chart.draw(counts, id);
  }

  #add(id, about) {
    const chart = new Chart(id);
    const item = element("li", { "data-id": id }, element("div", { class: "about" }, ...about), chart.figure, chart.numbers);
    this.#rows.set(id, { item, chart });
  }

  #about(policy) {
    const name = element("h3", {}, policy.name || policy.id);
    const notes = policy.name ? [policy.id, ...policy.notes] : policy.notes;
    const limits = element("ul", { class: "limits" }, ...policy.limits.map((limit) => element("li", {}, limit)));
    const state = element("span", { class: "state", "data-mood": MOODS[policy.state] ?? "" }, policy.state);
    const actions = element("p", { class: "row" }, state, ...policy.next.map((state) => this.#button(policy, state)));
    return [name, element("p", {}, notes.join(" · ")), limits, actions];
  }

  #button(policy, state) {
    const label = `${VERBS[state] ?? state} ${policy.id}`;
    const button = element("button", { type: "button", class: "small", "aria-label": label }, VERBS[state] ?? state);
    button.addEventListener("click", () => this.#change(policy, state));
    return button;
  }

  async #change(policy, state) {
    if (!await confirmed(`${VERBS[state]} “${policy.id}”?`, MEANS[state] ?? "", VERBS[state])) return;
    try {
      const response = await ask(`/api/config/rate-limits/${encodeURIComponent(policy.id)}/state`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ state }),
      });
      if (!response.ok) throw new Error((await problemOf(response)).detail);
      notice.hide("change");
      announce(`${policy.id} is ${state} now.`);
    } catch (error) {
      notice.show("change", `“${policy.id}” was not changed: ${error.message}`);
    }
  }

  #filter() {
    const wanted = find("filter").value.trim().toLowerCase();
    let shown = 0;
    for (const policy of this.#policies) {
      const text = [policy.id, policy.name, policy.state, ...policy.limits, ...policy.notes].join(" ").toLowerCase();
      const item = this.#rows.get(policy.id).item;
      item.hidden = !text.includes(wanted);
      if (!item.hidden) shown += 1;
    }
    find("no-match").hidden = shown > 0 || this.#policies.length === 0;
  }
}

/** Asks before something changes; the answer is no unless yes was chosen. */
function confirmed(title, text, verb) {
  const dialog = find("confirm");
  say(find("confirm-title"), title);
  say(find("confirm-text"), text);
  say(find("confirm-yes"), verb);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
