// The icicles of native stacks, the Python heap and rises of RSS, in one section.
import { card, el, empty, searchField, segmented } from "./dom.mjs";
import { formatBytes, formatCount, formatShare, packageOf, shorten } from "./format.mjs";
import { makeIcicle } from "./icicle.mjs";
import { isWithin } from "./paths.mjs";
import { brushed } from "./phases.mjs";
import { PHASE, byLibrary, invert, onlyPhases, unknownPeaks, walk } from "./stacks.mjs";

const SOURCES = [
  ["native", "Native"],
  ["sampled", "Sampled heap"],
  ["heap", "Python heap"],
  ["rises", "RSS rises"],
];
const VIEWS = [
  ["", "By phase"],
  ["inverted", "Inverted"],
  ["library", "By library"],
];
const ABOUT = {
  native: "What each stack allocated, by memray's capture.",
  sampled: "Estimated from samples; tables of phases have confidence intervals.",
  heap: "What each line or stack allocated, by tracemalloc. Phases include the phases inside them.",
  rises: "The stacks that were running while RSS rose; a fall takes back what rose last.",
};
const AT_PEAK = "at peak";
const METRICS = {
  live: "live at the end",
  "at peak": "held at the peak",
  allocated: "allocated",
  allocations: "allocations",
  temporary: "allocated and freed again",
  growth: "growth over the phase",
  size: "size at the end of the phase",
  risen: "all rises, also those that were given back",
  kept: "not given back at the end",
};

export function stacksCard(app) {
  const searching = searchField("Search functions, files, libraries", "Search stacks", (search) => app.store.set({ search }));
  const controls = el("div.controls");
  const about = el("p.caption");
  const icicle = makeIcicle(app, {
    label: "Icicle of stacks. Arrow keys walk, Enter zooms, Backspace zooms out, S shows the source line.",
    format: (value) => format(value),
    lines: (one, metric) => linesOf(one, metric),
    onOpen: (one) => (one.path ? app.store.set({ phase: one.path }) : openSource(app, one.frame)),
  });
  const held = {}; // the tree that is shown, and what it was made from
  const available = () => SOURCES.filter(([name]) => app.model().packed[name]);
  const source = () => {
    const wanted = app.store.get().stacks;
    const names = available().map(([name]) => name);
    return names.includes(wanted) ? wanted : names[0];
  };
  const metrics = () => app.model().packed[source()].metrics;
  const metric = () => Math.max(metrics().indexOf(app.store.get().metric), 0);
  const format = (value) => (metrics()[metric()] === "allocations" ? formatCount(value) : formatBytes(value));

  function linesOf(one) {
    const tree = held.tree;
    const lines = metrics().flatMap((name, at) => {
      const total = one.total[at];
      if (name === AT_PEAK && held.unknown.length && !total) return []; // it may be none, or not known
      return [[METRICS[name] ?? name, name === "allocations" ? formatCount(total) : `${formatBytes(total)} · ${formatShare(total, tree.total[at])}`]];
    });
    if (one.frame?.file) lines.unshift(`${shorten(one.frame.file, 90)}${one.frame.line ? `:${one.frame.line}` : ""}`);
    if (one.frame?.library) lines.unshift(shorten(one.frame.library, 60));
    if (one.path) lines.unshift(`phase ${shorten(one.path, 120)}`);
    return lines;
  }

  const made = card(app, "stacks", "Stacks", {
    tools: [searching.field],
    csv: () => stackCsv(held.tree, metrics()),
    draw: (body) => {
      if (!body.contains(icicle.element)) empty(body).append(controls, about, icicle.element, hint());
      redraw();
    },
  });

  function redraw() {
    const state = app.store.get();
    searching.show(state.search);
    const name = source();
    empty(controls).append(
      segmented("Source of the stacks", available(), name, (stacks) => app.store.set({ stacks, metric: "" })),
      segmented("Figure", metrics().map((one) => [one, one]), metrics()[metric()], (one) => app.store.set({ metric: one })),
      segmented("Arrangement", VIEWS, state.view, (view) => app.store.set({ view })),
    );
    const key = JSON.stringify([state.pid, name, state.view, state.phase, state.from, state.to]);
    if (held.key !== key) {
      held.key = key;
      held.tree = arranged(app, name, state.view);
      held.unknown = name === "native" ? unknownPeaks(app.model().tree(name), metrics().indexOf(AT_PEAK), (path) => app.model().byPath.get(path)?.native?.peak_bytes) : [];
    }
    const shown = metrics()[metric()];
    const only = state.phase ? ` Only phase ${shorten(state.phase, 80)}.` : brushed(app) ? " Only phases of the selection." : "";
    const missing = shown === AT_PEAK && held.unknown.length ? ` Not known for ${shorten(held.unknown.join(", "), 160)}.` : "";
    about.textContent = `${ABOUT[name]} Shown: ${METRICS[shown] ?? shown}.${only}${missing}`;
    icicle.show(held.tree, metric(), state.search);
  }

  app.store.on(["stacks", "metric", "view", "search", "phase", "from", "to"], () => made.redraw());
  return made;
}

function hint() {
  const key = (colour, label) => el("span", {}, el("i", { style: `background:${colour}` }), label);
  return el(
    "p.legend",
    {},
    key("var(--ownframe)", "own code"),
    key("var(--pythonframe)", "Python packages"),
    key("var(--nativeframe)", "native libraries"),
    key("var(--phaseframe)", "phases"),
    el("span.dim", {}, "A click zooms; with Ctrl or Cmd it shows the source line, or selects the phase."),
  );
}

function arranged(app, name, view) {
  const model = app.model();
  const state = app.store.get();
  let tree = model.tree(name);
  const within = brushed(app);
  const heap = name === "heap"; // its phases include those inside: only one level may count
  if (state.phase || within || heap) {
    tree = onlyPhases(tree, (path) => {
      if (within && !within.has(path)) return false;
      if (heap) return state.phase ? path === state.phase : path === "" || model.byPath.get(path)?.parent === null;
      return !state.phase || isWithin(path, state.phase);
    });
  }
  if (view === "inverted") return invert(tree);
  if (view === "library") return byLibrary(tree, packageOf);
  return tree;
}

export function openSource(app, frame) {
  if (!frame?.file || !frame.line) return;
  app.store.set({ source: `${frame.file}:${frame.line}` });
  document.getElementById("source")?.scrollIntoView({ block: "start" });
}

// Shows the stacks that go through a line, of all phases, as the bytes beside the line are.
export function openStacks(app, source, file, line) {
  app.store.set({ stacks: source, metric: "", view: "", phase: "", from: "", to: "", search: `${file.split(/[\\/]/).pop()}:${line}` });
  document.getElementById("stacks")?.scrollIntoView({ block: "start" });
}

function stackCsv(tree, metrics) {
  const rows = [];
  const around = [];
  walk(tree, (one, depth) => {
    around.length = depth;
    around.push(one);
    if (!one.own.some(Boolean)) return;
    const phase = around.filter((level) => level.kind === PHASE && level.path).pop()?.path ?? "";
    const stack = around.filter((level) => level.kind !== PHASE).map((level) => level.label);
    rows.push([phase, stack.join(";"), ...one.own]);
  });
  const unit = (name) => name.replace(/ /g, "_") + (name === "allocations" ? "" : "_bytes");
  return [["phase", "stack", ...metrics.map(unit)], rows];
}
