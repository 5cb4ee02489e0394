// RSS over time: areas of the ledger under it, calls of phases as swimlanes below, marks, a crosshair and a brush.
import { categoryColour, kindOf } from "./colours.mjs";
import { button, card, el, empty } from "./dom.mjs";
import { formatBytes, shorten } from "./format.mjs";
import { kindsOf, shownMarks } from "./marks.mjs";
import { linear, stackedAreas } from "./scales.mjs";
import { ROW, callAt, callLines, drawLanes, laneRows } from "./timelinelanes.mjs";
import { AXIS, LEFT, RIGHT, drawOverlay, drawPlot, orderOf, valuesAt } from "./timelineplot.mjs";

const MOST_LANE_PIXELS = 420;

export function timelineCard(app) {
  let view = null; // what is drawn: scales, lanes, canvases
  const reset = button("Clear selection", () => app.store.set({ from: "", to: "" }), { hidden: true });
  const zoom = button("Zoom in", () => zoomIn(app), { hidden: true });
  const out = button("Show all", () => app.store.set({ zoom: "" }), { hidden: true });
  const made = card(app, "timeline", "Timeline", {
    caption: "RSS over time. Drag to select a range: it filters every section below.",
    tools: [zoom, out, reset],
    csv: () => [
      ["at_ns", "rss_bytes", "phase"],
      app.model().timeline.map((point) => [point.at_ns, point.rss_bytes, point.phase]),
    ],
    draw: (body) => {
      view = drawTimeline(app, body);
      showTools();
    },
  });
  const showTools = () => {
    const { from, zoom: zoomed } = app.store.get();
    reset.hidden = zoom.hidden = from === "";
    out.hidden = zoomed === "";
  };
  app.store.on(["from", "to", "phase"], () => {
    showTools();
    if (view) drawOverlay(app, view, null);
    if (view) drawLanes(app, view);
  });
  app.store.on(["zoom", "kind"], () => made.redraw());
  return made;
}

function zoomIn(app) {
  const { from, to } = app.store.get();
  app.store.set({ zoom: `${from}-${to}`, from: "", to: "" });
}

function range(app, model) {
  const [from, to] = app.store.get().zoom.split("-").map(Number);
  return to > from ? [from, to] : [model.beginNs, model.endNs];
}

function drawTimeline(app, body) {
  const model = app.model();
  empty(body);
  if (!model.timeline.length) {
    body.append(el("p.none", {}, "The trace has no samples of RSS."));
    return null;
  }
  const width = Math.max(body.clientWidth, 280);
  const height = Math.round(Math.min(Math.max(width * 0.22, 190), 320));
  const time = linear(range(app, model), [LEFT, width - RIGHT]);
  const readings = model.details?.readings ?? null;
  const lanes = model.details ? laneRows(model) : { rows: 0, lanes: [] };
  const lanePixels = lanes.rows * ROW;
  const levels = levelsOf(model);
  const highest = Math.max(...model.timeline.map((point) => point.rss_bytes), model.process.peak_bytes);
  const near = levels.filter((level) => level.bytes <= highest * 1.6);
  const top = Math.max(highest, ...near.map((level) => level.bytes)) * 1.04;
  const size = linear([0, top], [height - AXIS, 8]);
  const base = el("canvas", { "aria-hidden": "true" });
  const overlay = el("canvas.overlay", {
    tabindex: "0",
    role: "img",
    "aria-label": `RSS of process ${model.pid} over time, with a peak of ${formatBytes(model.process.peak_bytes)}. Arrow keys move the crosshair, with Shift they select.`,
  });
  const laneCanvas = el("canvas", { "aria-hidden": "true" });
  const plot = el("div.plot", {}, base, overlay);
  const lanesBox = el("div.lanes", { hidden: !lanes.rows, style: `max-height:${MOST_LANE_PIXELS}px` }, laneCanvas);
  const readout = el("p.readout", { "aria-live": "polite" }, readoutHint(model));
  // The crosshair and what the selection leaves out reach over the lanes too.
  const [hair, before, after] = ["hair", "veil.before", "veil.after"].map((name) => el(`div.${name}`, { hidden: true }));
  body.append(legend(app, model, readings), el("div.reach", {}, plot, lanesBox, before, after, hair), readout);
  const areas = readings ? stackedAreas(readings, orderOf(readings)) : [];
  const view = { model, width, height, time, size, lanes, lanePixels, base, overlay, laneCanvas, hair, before, after, readout, readings, areas, near, levels, top, at: null };
  drawPlot(app, view);
  drawLanes(app, view);
  drawOverlay(app, view, null);
  listen(app, view);
  return view;
}

function readoutHint(model) {
  const left = model.details?.calls.left_out;
  return left ? `The longest calls are shown; ${left} shorter ones are not.` : "Move over the chart to read all values at one moment.";
}

function levelsOf(model) {
  const levels = [{ label: "peak", bytes: model.process.peak_bytes, bad: false }];
  if (model.report.budget) levels.push({ label: "budget", bytes: model.report.budget.limit_bytes, bad: true });
  const limit = model.process.cgroup?.limit_bytes;
  if (limit) levels.push({ label: "limit", bytes: limit, bad: true });
  return levels;
}

function legend(app, model, readings) {
  const signs = kindsOf(shownMarks(model.details)).map(([kind, sign]) =>
    el("span", {}, el(`b.${kind.replace(" ", "-")}`, {}, sign), ` ${kind}`),
  );
  const rss = el("span", {}, el("i.rss"), "RSS");
  if (!readings) return el("p.legend", {}, rss, signs, el("span.dim", {}, "no areas: the probe mappings was off"));
  const items = orderOf(readings).map((key) =>
    kindButton(app, key),
  );
  const count = readings.at_ns.length;
  return el("p.legend", {}, rss, items, signs, el("span.dim", {}, `areas: ${count} readings, straight lines between them`));
}

function kindButton(app, category) {
  const kind = kindOf(category);
  const chosen = app.store.get().kind === kind;
  const attributes = { "class": "link", "aria-pressed": String(chosen), "data-focus": kind, title: "Show this category alone" };
  const made = button(app.words(category), () => app.store.set({ kind: chosen ? "" : kind }), attributes);
  made.prepend(el("i", { style: `background:${categoryColour(category)}` }));
  return made;
}

function listen(app, view) {
  const { overlay, laneCanvas, time, width, model } = view;
  const clamp = (x) => Math.min(Math.max(x, LEFT), width - RIGHT);
  const timeOf = (event) => Math.round(time.invert(clamp(event.clientX - overlay.getBoundingClientRect().left)));
  let anchor = null;
  overlay.addEventListener("pointerdown", (event) => {
    overlay.setPointerCapture(event.pointerId);
    anchor = timeOf(event);
  });
  overlay.addEventListener("pointermove", (event) => {
    const at = timeOf(event);
    drawOverlay(app, view, at);
    const [title, lines] = valuesAt(app, view, at);
    app.tip.show(event.clientX, event.clientY, title, lines);
    if (anchor !== null && Math.abs(time(at) - time(anchor)) > 3) select(app, anchor, at);
  });
  const stop = () => {
    anchor = null;
  };
  overlay.addEventListener("pointerup", stop);
  overlay.addEventListener("pointercancel", stop);
  overlay.addEventListener("pointerleave", () => {
    app.tip.hide();
    drawOverlay(app, view, null);
  });
  overlay.addEventListener("dblclick", () => app.store.set({ from: "", to: "" }));
  overlay.addEventListener("keydown", (event) => keys(app, view, event));
  laneCanvas.addEventListener("pointermove", (event) => {
    const call = callAt(view, event);
    drawOverlay(app, view, timeOf(event));
    laneCanvas.style.cursor = call === null ? "" : "pointer";
    if (call === null) return app.tip.hide();
    app.tip.show(event.clientX, event.clientY, shorten(model.details.paths[model.details.calls.path[call]], 200), callLines(model, call));
  });
  laneCanvas.addEventListener("pointerleave", () => {
    app.tip.hide();
    drawOverlay(app, view, null);
  });
  laneCanvas.addEventListener("click", (event) => {
    const call = callAt(view, event);
    const path = call === null ? "" : model.details.paths[model.details.calls.path[call]];
    app.store.set({ phase: path === app.store.get().phase ? "" : path });
  });
}

function select(app, one, other) {
  app.store.set({ from: String(Math.min(one, other)), to: String(Math.max(one, other)) });
}

function keys(app, view, event) {
  const { model, time } = view;
  if (event.key === "Escape") return app.store.set({ from: "", to: "" });
  const step = { ArrowLeft: -8, ArrowRight: 8, Home: -1e9, End: 1e9 }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const from = view.at ?? time.invert(LEFT);
  const at = Math.round(time.invert(Math.min(Math.max(time(from) + step, LEFT), view.width - RIGHT)));
  if (event.shiftKey) {
    const { from: low, to: high } = app.store.get();
    const other = low === "" ? from : Math.abs(Number(low) - from) < Math.abs(Number(high) - from) ? Number(high) : Number(low);
    select(app, Math.round(other), at);
  }
  drawOverlay(app, view, at);
  const [title, lines] = valuesAt(app, view, at);
  view.readout.textContent = `${title}: ${lines.map((line) => (Array.isArray(line) ? `${line[0]} ${line[1]}` : line)).join(", ")}`;
}
