// Puts the page together.

const THEME = "tollgate-theme";
const choices = storage("localStorage");

/** One line at the top, for what went wrong; of several causes the latest is shown. */
const notice = {
  cause: undefined,
  show(cause, text) {
    this.cause = cause;
    say(find("notice-text"), text);
    find("retry").hidden = cause !== "line";
    find("notice").hidden = false;
    announce(text);
  },
  hide(cause) {
    if (this.cause !== cause) return;
    this.cause = undefined;
    find("notice").hidden = true;
  },
};

const counts = new Counts();
const overview = new Chart("All policies");
const policies = new PolicyList();
let lastSample;

const events = {
  history: (samples) => counts.restart(samples),
  policies: (list) => policies.show(list),
  sample(sample) {
    lastSample = new Date();
    counts.add(sample);
    showService(sample.service);
    showTop(sample.top);
    showBackends(sample.backends);
    overview.draw(counts, EVERYTHING);
    policies.draw(counts);
    find("no-traffic").hidden = counts.totals(EVERYTHING).some((total) => total > 0);
  },
};

const line = new Line({
  event(name, data) {
    const wasStale = document.body.classList.contains("stale");
    document.body.classList.remove("stale");
    find("token-form").hidden = true;
    document.body.classList.remove("locked");
    find("forget-token").hidden = token.read() === null;
    notice.hide("line");
    if (wasStale) announce("Connected again.");
    events[name]?.(data);
  },
  lost(why, seconds) {
    document.body.classList.add("stale");
    showUnreachable();
    const seen = lastSample ? ` What you see is from ${lastSample.toLocaleTimeString()}.` : "";
    notice.show("line", `${why}${seen} Trying again in ${plural(seconds, "second")}.`);
  },
  refused() {
    const wrong = token.read() !== null;
    token.forget();
    document.body.classList.remove("stale");
    notice.hide("line");
    find("forget-token").hidden = true;
    find("service").hidden = true;
    document.body.classList.add("locked");
    find("token-form").hidden = false;
    say(find("token-wrong"), wrong ? "The service did not take this token." : "");
    find("token").value = "";
    find("token").focus();
  },
});

find("retry").addEventListener("click", () => line.open());
// A tab that nobody sees takes no place; when it is seen again it is told what it missed.
document.addEventListener("visibilitychange", () => document.hidden ? line.close() : resume());
window.addEventListener("online", resume);
function resume() {
  // Whoever fetches the token from elsewhere finds the field as it was.
  if (!document.body.classList.contains("locked")) line.open();
}
find("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token.keep(find("token").value);
  line.open();
});
find("forget-token").addEventListener("click", () => {
  token.forget();
  // What was shown by its leave is no longer shown.
  location.reload();
});

for (const choice of document.querySelectorAll("input[name=theme]")) {
  choice.checked = choice.value === (choices.getItem(THEME) ?? "system");
  choice.addEventListener("change", () => setTheme(choice.value));
}
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  choices.setItem(THEME, theme);
}
setTheme(choices.getItem(THEME) ?? "system");

say(find("curl"), `curl ${location.origin}/check --json '{"key":"user:42","rate":10,"interval":60}'`);
startTrying();
overview.draw(counts, EVERYTHING);
find("overview").append(overview.figure, overview.numbers);
line.open();
