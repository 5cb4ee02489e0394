// Figures and names as text, by the same rules as units.py and visible.py.

export function formatBytes(size, signed = false) {
  if (size === null || size === undefined) return "";
  const sign = size < 0 ? "-" : signed && size > 0 ? "+" : "";
  let rest = Math.abs(size);
  if (rest < 999.5) return `${sign}${rest.toFixed(0)} B`;
  for (const [unit, digits] of [["kB", 1], ["MB", 1], ["GB", 2]]) {
    rest /= 1000;
    if (rest < 999.95) return `${sign}${rest.toFixed(digits)} ${unit}`;
  }
  return `${sign}${(rest / 1000).toFixed(2)} TB`;
}

// "20.0 to 35.0 MB": a unit that both ends have is written once.
export function formatRange(low, high) {
  const [from, to] = [formatBytes(low), formatBytes(high)];
  if (from === to) return from;
  const [figure, unit] = from.split(" ");
  return `${to.endsWith(` ${unit}`) ? figure : from} to ${to}`;
}

// A value on an axis, without the zeros that say nothing: "200 MB", "1.5 s".
export function tickText(text) {
  return text.replace(/\.(\d*?)0+(?= )/, (_, kept) => (kept ? `.${kept}` : ""));
}

export function formatDuration(ns) {
  if (ns === null || ns === undefined) return "";
  const size = Math.abs(ns);
  if (size < 1000) return `${ns.toFixed(0)} ns`;
  if (size < 999950) return `${(ns / 1e3).toFixed(1)} us`;
  if (size < 999950000) return `${(ns / 1e6).toFixed(1)} ms`;
  if (size < 600e9) return `${(ns / 1e9).toFixed(1)} s`;
  return `${(ns / 60e9).toFixed(1)} min`;
}

export function formatCount(count, signed = false) {
  if (count === null || count === undefined) return "";
  const text = Math.round(Math.abs(count)).toString().replace(/\B(?=(\d{3})+$)/g, ",");
  return `${count < 0 ? "-" : signed && count > 0 ? "+" : ""}${text}`;
}

export function formatShare(part, whole) {
  if (!whole) return "";
  const share = (100 * part) / whole;
  return `${share.toFixed(Math.abs(share) < 10 ? 1 : 0)}%`;
}

// What does not show as itself: controls, marks that reorder text, blanks other than the space, lone surrogates,
// private use and unassigned code points.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;
const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

export function visible(text) {
  return String(text).replace(HIDDEN, (character) => {
    if (character in SHORT) return SHORT[character];
    const code = character.codePointAt(0);
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
    if (code < 0x10000) return `\\u${code.toString(16).padStart(4, "0")}`;
    return `\\U${code.toString(16).padStart(8, "0")}`;
  });
}

// A name of any length in at most so many characters; the middle goes.
export function shorten(text, most = 120) {
  const shown = visible(text);
  if (shown.length <= most) return shown;
  const half = Math.floor((most - 1) / 2);
  return `${shown.slice(0, half)}…${shown.slice(-half)}`;
}

// The last folders of a path tell more than the first.
export function shortPath(file) {
  const installed = file.match(/(?:site|dist)-packages[\\/](.*)$/s);
  if (installed) return installed[1];
  const parts = file.split(/[\\/]/);
  return parts.length > 3 ? parts.slice(-2).join("/") : file;
}

// The installed package of a file, "" for none.
export function packageOf(file) {
  const installed = file.match(/.*[\\/](?:site|dist)-packages[\\/]([^\\/]+)/s);
  return installed ? installed[1].replace(/\.libs$/, "").replace(/\.(py|so).*$/, "") : "";
}
