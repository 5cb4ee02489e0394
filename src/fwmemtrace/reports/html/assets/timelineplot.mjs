// The canvas of the timeline: areas, the curve, levels and marks; and on top of it the crosshair and the selection.
import { CATEGORIES, kindOf } from "./colours.mjs";
import { sizeCanvas } from "./dom.mjs";
import { formatBytes, formatDuration, shorten, tickText } from "./format.mjs";
import { marksNear, shownMarks } from "./marks.mjs";
import { placeBefore, ticks } from "./scales.mjs";

export const LEFT = 68;
export const RIGHT = 10;
export const AXIS = 20;
const LABEL = 16; // pixels, of a level
const MARKS = 3; // that are named at one moment

export function orderOf(readings) {
  const known = CATEGORIES.filter((name) => name in readings.categories);
  const others = Object.keys(readings.categories).filter((name) => !CATEGORIES.includes(name));
  return [...known.filter((name) => name !== "kernel counter"), ...others, ""];
}

export function drawPlot(app, view) {
  const { model, width, height, time, size, areas, readings } = view;
  const colours = app.colours();
  const { kind } = app.store.get();
  const context = sizeCanvas(view.base, width, height);
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (const value of ticks(0, view.top, 5)) {
    const y = size(value);
    context.fillStyle = colours.line;
    context.fillRect(LEFT, Math.round(y), width - LEFT - RIGHT, 1);
    context.fillStyle = colours.dim;
    context.textAlign = "right";
    context.fillText(tickText(formatBytes(value)), LEFT - 8, y);
  }
  context.save();
  context.beginPath();
  context.rect(LEFT, 0, width - LEFT - RIGHT, height - AXIS + 1);
  context.clip();
  for (const area of areas) {
    context.beginPath();
    readings.at_ns.forEach((at, place) => context.lineTo(time(at), size(area.high[place])));
    for (let place = readings.at_ns.length - 1; place >= 0; place--) context.lineTo(time(readings.at_ns[place]), size(area.low[place]));
    context.closePath();
    context.fillStyle = colours.category(area.key);
    context.globalAlpha = kind === "" || kind === kindOf(area.key) ? 0.85 : 0.15;
    context.fill();
  }
  context.globalAlpha = 1;
  context.beginPath();
  model.timeline.forEach((point) => context.lineTo(time(point.at_ns), size(point.rss_bytes)));
  context.strokeStyle = colours.card;
  context.lineWidth = 4;
  context.lineJoin = "round";
  context.stroke();
  context.strokeStyle = colours.text;
  context.lineWidth = 1.75;
  context.stroke();
  drawLevels(view, context, colours);
  drawMarks(view, context, colours);
  context.restore();
  context.fillStyle = colours.dim;
  context.textAlign = "center";
  const origin = time.invert(LEFT);
  for (const value of ticks(origin, time.invert(width - RIGHT), Math.max(Math.floor(width / 110), 2))) {
    const x = time(value);
    if (x < LEFT + 8 || x > width - RIGHT - 24) continue;
    context.fillText(tickText(formatDuration(value)), x, height - 8);
  }
}

function drawMarks(view, context, colours) {
  const foot = view.height - AXIS + 1;
  for (const mark of shownMarks(view.model.details)) {
    const x = view.time(mark.at_ns);
    context.fillStyle = mark.kind === "collection" ? colours.dim : mark.kind === "snapshot" ? colours.bad : colours.accent;
    const [from, tip] = mark.kind === "snapshot" ? [0, 8] : [foot, foot - 8];
    if (mark.kind === "snapshot") context.fillRect(Math.round(x), 0, 1, foot);
    context.beginPath();
    context.moveTo(x - 4, from);
    context.lineTo(x + 4, from);
    context.lineTo(x, tip);
    context.fill();
  }
}

function drawLevels(view, context, colours) {
  context.setLineDash([5, 4]);
  context.lineWidth = 1;
  let above = null; // the label before, and what is free beside it: one that is too close to it goes there
  const levels = [...view.near].sort((a, b) => b.bytes - a.bytes);
  for (const level of levels) {
    context.strokeStyle = level.bad ? colours.bad : colours.dim;
    context.beginPath();
    context.moveTo(LEFT, view.size(level.bytes));
    context.lineTo(view.width - RIGHT, view.size(level.bytes));
    context.stroke();
  }
  context.textAlign = "right";
  for (const level of levels) {
    const y = view.size(level.bytes);
    const text = `${level.label} ${formatBytes(level.bytes)}`;
    const wide = context.measureText(text).width;
    const near = above && y - above.y < LABEL ? above : { left: view.width - RIGHT + 2, right: LEFT + 2 };
    const [end, begin] = [near.left - 6, near.right + 6];
    const atBegin = crossesCurve(view, end - wide, end, y) && !crossesCurve(view, begin, begin + wide, y);
    const right = atBegin ? begin + wide : end;
    context.save();
    context.fillStyle = colours.card;
    context.globalAlpha = 0.8;
    context.fillRect(right - wide - 4, y + 2, wide + 6, 14);
    context.restore();
    context.fillStyle = level.bad ? colours.bad : colours.dim;
    context.fillText(text, right, y + 9);
    above = { y, left: atBegin ? near.left : end - wide, right: atBegin ? right : near.right };
  }
  context.setLineDash([]);
}

// Whether the curve runs through the label below a level, between two places.
function crossesCurve(view, left, right, y) {
  const { timeline } = view.model;
  const times = timeline.map((point) => point.at_ns);
  const first = Math.max(placeBefore(times, view.time.invert(left)), 0);
  const last = Math.min(placeBefore(times, view.time.invert(right)) + 1, timeline.length - 1);
  return timeline.slice(first, last + 1).some((point) => view.size(point.rss_bytes) < y + LABEL);
}

export function drawOverlay(app, view, at) {
  const { width, height, time, size } = view;
  const colours = app.colours();
  const context = sizeCanvas(view.overlay, width, height);
  const { from, to } = app.store.get();
  const x0 = from === "" ? LEFT : Math.max(time(Number(from)), LEFT);
  const x1 = to === "" ? width - RIGHT : Math.min(time(Number(to)), width - RIGHT);
  placeVeil(view.before, LEFT, x0);
  placeVeil(view.after, x1, width - RIGHT);
  view.at = at;
  view.hair.hidden = at === null;
  if (at === null) return;
  const x = time(at);
  view.hair.style.left = `${Math.round(x)}px`;
  const place = placeBefore(view.model.timeline.map((point) => point.at_ns), at);
  if (place < 0) return;
  context.beginPath();
  context.arc(x, size(view.model.timeline[place].rss_bytes), 4, 0, 7);
  context.fillStyle = colours.card;
  context.strokeStyle = colours.text;
  context.lineWidth = 2;
  context.fill();
  context.stroke();
}

function placeVeil(veil, left, right) {
  veil.hidden = right <= left;
  veil.style.left = `${left}px`;
  veil.style.width = `${right - left}px`;
}

// All values at one moment: [title, lines].
export function valuesAt(app, view, at) {
  const { model } = view;
  const place = placeBefore(model.timeline.map((point) => point.at_ns), at);
  if (place < 0) return [formatDuration(at), []];
  const point = model.timeline[place];
  const lines = [["RSS", formatBytes(point.rss_bytes)]];
  lines.push(["phase", point.phase === "" ? "outside any phase" : shorten(point.phase, 60)]);
  const marks = marksNear(shownMarks(model.details), view.time, at);
  lines.push(...marks.slice(0, MARKS).map((mark) => [mark.kind, shorten(mark.text, 120)]));
  const readings = model.details?.readings;
  if (readings) {
    const reading = Math.max(placeBefore(readings.at_ns, at), 0);
    lines.push(`reading of the mappings at ${formatDuration(readings.at_ns[reading])}:`);
    for (const key of [...orderOf(readings)].reverse()) {
      const value = key === "" ? readings.unexplained_bytes[reading] : readings.categories[key][reading];
      if (value) lines.push([app.words(key), formatBytes(value), `var(--c${Math.max(CATEGORIES.indexOf(key), 0)})`]);
    }
  }
  return [`at ${formatDuration(at)}`, lines];
}
