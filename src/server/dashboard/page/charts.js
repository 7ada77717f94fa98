// What was counted over the last two minutes, and how it is drawn.

const SPAN_MS = 120_000;
/** A line is not drawn across a longer time without samples. */
const GAP_MS = 3500;
/** Of the number that stands beside a chart: one second alone would flicker. */
const MEAN_MS = 5000;
const EVERYTHING = Symbol("all policies");

/** Counters as they were at each sample, and the rates between them. */
class Counts {
  #samples = [];

  restart(samples) {
    this.#samples = [];
    for (const sample of samples) this.add(sample);
  }

  /** A sample: `{ at, total: [admitted, refused], traffic: [[policy, admitted, refused], ...] }`, counted since the service started. */
  add({ at, total, traffic }) {
    // The latest sample of the past is told again as the first of the present.
    if (at <= this.now) return;
    const of = new Map(traffic.map(([policy, admitted, refused]) => [policy, [admitted, refused]]));
    of.set(EVERYTHING, total);
    this.#samples.push({ at, of });
    while (this.#samples[0].at < at - SPAN_MS - GAP_MS) this.#samples.shift();
  }

  get now() {
    return this.#samples.at(-1)?.at ?? 0;
  }

  /** All that was counted since the service started. */
  totals(policy) {
    return this.#samples.at(-1)?.of.get(policy) ?? [0, 0];
  }

  /** Per second, for each sample: `{ at, gap, admitted, refused }`. */
  rates(policy) {
    const points = [];
    for (let index = 1; index < this.#samples.length; index += 1) {
      const [before, after] = [this.#samples[index - 1], this.#samples[index]];
      const [from, to] = [before.of.get(policy) ?? [0, 0], after.of.get(policy) ?? [0, 0]];
      const seconds = (after.at - before.at) / 1000;
      if (seconds <= 0) continue;
      const each = (which) => Math.max(0, to[which] - from[which]) / seconds;
      points.push({ at: after.at, gap: seconds * 1000 > GAP_MS, admitted: each(0), refused: each(1) });
    }
    return points;
  }
}

/** A short number that is not below the value. */
function roundUp(value) {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((factor) => factor * power).find((bound) => bound >= value * 0.999);
}

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [1000, 100];

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

/** A chart of admitted and refused per second, with the numbers beside it. */
class Chart {
  #top = element("span");
  #area = shape("path", { class: "area" });
  #admitted = shape("path", { class: "admitted" });
  #refused = shape("path", { class: "refused" });
  #plot = shape("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  #numbers = { admitted: element("dd"), refused: element("dd") };
  #totals = { admitted: element("small"), refused: element("small") };
  #name;

  constructor(name) {
    this.#name = name;
    for (const y of [0, HEIGHT / 2, HEIGHT]) this.#plot.append(shape("line", { x1: 0, x2: WIDTH, y1: y, y2: y }));
    this.#plot.append(this.#area, this.#admitted, this.#refused);
    const y = element("div", { class: "y", "aria-hidden": "true" }, this.#top, element("span", {}, "0"));
    const x = element("div", { class: "x", "aria-hidden": "true" }, element("span", {}, "2 min ago"), element("span", {}, "now"));
    this.figure = element("div", { class: "chart" }, y, this.#plot, x);
    this.numbers = element("dl", { class: "rates" });
    for (const which of ["admitted", "refused"]) {
      const term = element("dt", {}, `${which}/s`, this.#totals[which]);
      this.numbers.append(element("div", { class: which }, term, this.#numbers[which]));
    }
  }

  draw(counts, policy) {
    const start = counts.now - SPAN_MS;
    const points = counts.rates(policy).filter((point) => point.at >= start);
    const highest = roundUp(Math.max(0, ...points.map((point) => Math.max(point.admitted, point.refused))));
    const x = (at) => ((at - start) / SPAN_MS * WIDTH).toFixed(1);
    const y = (value) => Math.max(0, HEIGHT - value / highest * HEIGHT).toFixed(1);
    const line = (which) => points.map((point, index) =>
      `${index === 0 || point.gap ? "M" : "L"}${x(point.at)} ${y(point[which])}`).join("");
    this.#admitted.setAttribute("d", line("admitted"));
    this.#refused.setAttribute("d", line("refused"));
    this.#area.setAttribute("d", areaUnder(points, x, y));
    say(this.#top, rate(highest));
    const lately = points.filter((point) => point.at > counts.now - MEAN_MS);
    const totals = counts.totals(policy);
    for (const [index, which] of ["admitted", "refused"].entries()) {
      const mean = lately.reduce((sum, point) => sum + point[which], 0) / (lately.length || 1);
      say(this.#numbers[which], rate(mean));
      say(this.#totals[which], `${count(totals[index])} in all`);
    }
    const now = `${this.#numbers.admitted.textContent} admitted and ${this.#numbers.refused.textContent} refused per second`;
    this.#plot.setAttribute("aria-label", `${this.#name}, last two minutes, up to ${rate(highest)} per second; now ${now}`);
  }
}

/** The area under what was admitted: one piece for each time without a gap. */
function areaUnder(points, x, y) {
  let path = "";
  points.forEach((point, index) => {
    const first = index === 0 || point.gap;
    const last = index + 1 === points.length || points[index + 1].gap;
    path += first ? `M${x(point.at)} ${HEIGHT}L${x(point.at)} ${y(point.admitted)}` : `L${x(point.at)} ${y(point.admitted)}`;
    if (last) path += `L${x(point.at)} ${HEIGHT}Z`;
  });
  return path;
}
