// Growth: a small chart for each phase and metric, with the fitted line, its interval, the warm-up, and what holds it.
import { button, card, el, empty, svgEl } from "./dom.mjs";
import { formatBytes, formatCount, shorten, shortPath } from "./format.mjs";
import { brushed } from "./phases.mjs";
import { linear } from "./scales.mjs";
import { trendBand, trendLine } from "./trend.mjs";

const WIDTH = 300;
const HEIGHT = 96;
const FIRST = 12;
const MOST_NAMED = 12; // of the phases with too few calls
const ORDER = ["growing", "saturating", "flat", "too few calls"];
const METRIC_WORDS = { rss: "RSS", native: "native live", python_heap: "Python heap", objects: "objects", tensors: "tensors" };

export function growthCard(app) {
  let all = false;
  const made = card(app, "growth", "Growth", {
    caption: "The level at the end of each call, the growth per call as a line with its 99% interval, the warm-up shaded. Where a phase adds less than the level rises, the line shows what it adds.",
    csv: () => [
      ["path", "metric", "calls", "verdict", "slope_per_call", "low", "high"],
      app.model().growth.map((row) => [row.path, row.metric, row.calls, row.verdict, row.slope_bytes_per_call, row.low, row.high]),
    ],
    draw: (body) => {
      const model = app.model();
      const within = brushed(app);
      const chosen = app.store.get().phase;
      const rows = model.growth
        .filter((row) => (!within || within.has(row.path)) && row.calls > 1)
        .sort((a, b) => Number(b.path === chosen) - Number(a.path === chosen) || ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict) || Math.abs(b.rise_bytes) - Math.abs(a.rise_bytes));
      const judged = rows.filter((row) => row.verdict !== "too few calls");
      const shown = all ? judged : judged.slice(0, FIRST);
      empty(body).append(el("div.multiples", {}, shown.map((row) => multiple(app, model, row))));
      if (judged.length > shown.length) body.append(button(`Show ${formatCount(judged.length - shown.length)} more`, () => ((all = true), made.redraw()), { "class": "more" }));
      body.append(tooFew(rows));
    },
  });
  app.store.on(["from", "to", "phase"], () => made.redraw());
  return made;
}

// The phases that have no verdict, in one line.
function tooFew(rows) {
  const paths = [...new Set(rows.map((row) => row.path))].filter((path) => rows.every((row) => row.path !== path || row.verdict === "too few calls"));
  if (!paths.length) return el("p.none", { hidden: rows.length > 0 }, "No phase of the selection has more than one call.");
  const shown = paths.slice(0, MOST_NAMED).flatMap((path, at) => [at ? ", " : "", el("code", {}, shorten(path, 60))]);
  const more = paths.length - MOST_NAMED;
  return el("p.dim", {}, "Too few calls to judge: ", shown, more > 0 ? ` and ${formatCount(more)} more` : "", ".");
}

function amount(row, value, signed = true) {
  return row.unit === "objects" ? `${formatCount(value, signed)} objects` : formatBytes(value, signed);
}

function multiple(app, model, row) {
  const levels = model.details?.levels.find((one) => one.path === row.path && one.metric === row.metric);
  const tone = row.verdict === "growing" ? ".bad" : row.verdict === "flat" ? ".good" : "";
  const interval = `99% CI ${amount(row, row.low)} to ${amount(row, row.high)}`;
  const figure = el(
    "figure",
    { "data-verdict": row.verdict },
    el("figcaption", {}, el("code", {}, phaseButton(app, row.path)), el("span.metric", {}, METRIC_WORDS[row.metric] ?? row.metric), el(`span.badge${tone}`, {}, row.verdict)),
    levels ? chart(row, levels) : null,
    el("p.slope", { title: interval }, el("b", {}, amount(row, row.slope_bytes_per_call)), ` per call · ${interval} · ${formatCount(row.calls)} calls`),
  );
  const holder = row.held_by[0];
  if (holder?.words) figure.append(el("p.chain", {}, shorten(holder.words, 400)));
  const kind = row.types.find((one) => one.delta_count > 0);
  if (!holder && kind) figure.append(el("p.chain", {}, `${formatCount(kind.delta_count, true)} ${shorten(kind.type, 60)}`));
  const site = row.sites[0];
  if (site && row.verdict !== "flat") figure.append(el("p.chain", {}, sourceLink(app, site.file, site.line), ` ${formatBytes(site.delta_bytes, true)}`));
  return figure;
}

function phaseButton(app, path) {
  const choose = () => app.store.set({ phase: path === app.store.get().phase ? "" : path });
  return button(shorten(path, 48), choose, { "class": "link", title: shorten(path, 500), "data-focus": path });
}

export function sourceLink(app, file, line) {
  const go = (event) => {
    event.preventDefault();
    app.store.set({ source: `${file}:${line}` });
    document.getElementById("source")?.scrollIntoView({ block: "start" });
  };
  return el("a", { href: `#${new URLSearchParams({ source: `${file}:${line}` })}`, onclick: go }, `${shorten(shortPath(file), 60)}:${line}`);
}

function chart(row, levels) {
  const { values, stride } = levels;
  const first = Math.ceil(row.warm_up_calls / stride);
  const line = trendLine(values, stride, row.slope_bytes_per_call, first);
  const band = trendBand(line, stride, row.low, row.high);
  const low = Math.min(...values);
  const high = Math.max(...values);
  // A flat curve must look flat: noise of a thousandth does not fill the chart.
  const span = Math.max(high - low, high * 0.002, 1);
  const middle = (low + high) / 2;
  const x = linear([0, Math.max(values.length - 1, 1)], [2, WIDTH - 2]);
  const y = linear([middle - span * 0.58, middle + span * 0.58], [HEIGHT - 4, 4]);
  const points = (list) => list.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(" ");
  const svg = svgEl("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${METRIC_WORDS[row.metric] ?? row.metric} over ${row.calls} calls: ${row.verdict}`, preserveAspectRatio: "none" });
  if (first > 0) svg.append(svgEl("rect", { x: 0, y: 0, width: x(Math.min(first, values.length - 1)), height: HEIGHT, "class": "warmup" }));
  if (band.length) svg.append(svgEl("polygon", { points: points(band), "class": "band" }));
  svg.append(svgEl("polyline", { points: points(values.map((value, at) => [at, value])), "class": "series" }));
  if (line.length) svg.append(svgEl("polyline", { points: points(line), "class": "fit" }));
  const labels = el("div.ends", {}, el("span", {}, amount(row, values[0], false)), el("span", {}, amount(row, values[values.length - 1], false)));
  return el("div.chart", {}, svg, labels);
}
