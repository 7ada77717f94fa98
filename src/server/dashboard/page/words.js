// Elements and words. Data becomes text nodes and never markup: keys are chosen by whoever sends requests.

const find = (id) => document.getElementById(id);

/** An element: `element("p", { class: "quiet" }, "text", child)`. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

/** Sets a text that may not have changed: a text that stays the same is not laid out and not announced again. */
function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** A key's text as it can be read: characters that would hide, move or reverse others are shown by number. */
const readable = (text) => text === "" ? "(empty)" : text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
  (character) => `\\u{${character.codePointAt(0).toString(16)}}`);

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const FINE = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

const count = (n) => n < 1e5 ? WHOLE.format(n) : SHORT.format(n);
const rate = (n) => n < 10 ? FINE.format(n) : n < 1e4 ? WHOLE.format(n) : SHORT.format(n);

const plural = (n, one) => `${WHOLE.format(n)} ${one}${n === 1 ? "" : "s"}`;

/** Seconds in words, by the two largest units. */
function duration(seconds) {
  if (seconds > 0 && seconds < 1) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 60) return `${FINE.format(seconds)} s`;
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  let left = Math.round(seconds);
  const parts = [];
  for (const [name, size] of units) {
    const whole = Math.floor(left / size);
    left -= whole * size;
    if (whole > 0 || parts.length === 1) parts.push(whole > 0 ? `${WHOLE.format(whole)} ${name}` : "");
    if (parts.length === 2) break;
  }
  return parts.filter(Boolean).join(" ");
}

/** What the browser keeps; where it refuses to, until the page is left. */
function storage(name) {
  try {
    return window[name];
  } catch {
    const kept = new Map();
    return {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => kept.set(key, value),
      removeItem: (key) => kept.delete(key),
    };
  }
}

/** Says something to those who do not see the page. */
const announce = (text) => say(find("announcement"), text);
