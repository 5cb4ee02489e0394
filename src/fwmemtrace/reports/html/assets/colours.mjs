// Colours from the style sheet, for canvases. Categories of memory have fixed ones that colour-blind people can tell
// apart (after Okabe and Ito), in an order that puts light next to dark.

export const CATEGORIES = [
  "file",
  "shared memory",
  "model file",
  "native heap",
  "python heap",
  "allocator free",
  "thread stacks",
  "named memory",
  "device",
  "tracer",
  "kernel counter",
  "",
];

// A category as a choice of the reader, where "" is none.
export function kindOf(category) {
  return category || "unexplained";
}

export function categoryColour(category) {
  const at = CATEGORIES.indexOf(category);
  return `var(--c${at < 0 ? 9 : at})`;
}

export function readColours() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  return {
    text: colour("--text"),
    dim: colour("--dim"),
    line: colour("--line"),
    card: colour("--card"),
    accent: colour("--accent"),
    bad: colour("--bad"),
    good: colour("--good"),
    dark: colour("--scheme") === "dark",
    lane: colour("--lane"),
    category: (name) => {
      const at = CATEGORIES.indexOf(name);
      return colour(`--c${at < 0 ? 9 : at}`);
    },
  };
}

// The colour of a phase wherever it shows: a band of the timeline, a swatch in a table. `--lane` is a lightness.
export function phaseColour(path, colours = null) {
  return `hsl(${hueOf(path)} 45% ${colours ? colours.lane : "var(--lane)"})`;
}

// A hue that a name always has.
export function hueOf(name) {
  let hash = 2166136261;
  for (let at = 0; at < name.length && at < 300; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 16777619);
  return (hash >>> 0) % 360;
}
