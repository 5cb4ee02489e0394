// The swimlanes below the timeline: a band for each call.
import { hueOf, phaseColour } from "./colours.mjs";
import { cutText, sizeCanvas } from "./dom.mjs";
import { formatBytes, formatDuration, shorten, visible } from "./format.mjs";
import { lanesOf } from "./lanes.mjs";
import { LEFT, RIGHT } from "./timelineplot.mjs";

export const ROW = 17;

export function laneRows(model) {
  const lanes = lanesOf(model.details.calls, model.endNs);
  let rows = 0;
  for (const lane of lanes) {
    lane.top = rows;
    rows += lane.rows + 0.35;
  }
  return { lanes, rows };
}

function laneName(lane) {
  return `${lane.thread ? `thread ${lane.thread + 1}` : "main"}${lane.task ? `, ${lane.task + 1}` : ""}`;
}

export function drawLanes(app, view) {
  const { model, width, time, lanes, lanePixels } = view;
  if (!lanes.rows) return;
  const colours = app.colours();
  const context = sizeCanvas(view.laneCanvas, width, Math.max(lanePixels, ROW));
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  const { calls, paths } = model.details;
  const chosen = app.store.get().phase;
  const names = paths.map((path) => visible(model.byPath.get(path)?.name ?? path));
  for (const lane of lanes.lanes) {
    const top = lane.top * ROW;
    context.fillStyle = colours.dim;
    context.textAlign = "left";
    cutText(context, laneName(lane), 4, top + ROW / 2, LEFT - 8);
    context.save();
    context.beginPath();
    context.rect(LEFT, top, width - LEFT - RIGHT, lane.rows * ROW);
    context.clip();
    const drawnTo = [];
    for (const { call, row } of lane.calls) {
      const path = paths[calls.path[call]];
      const x = time(calls.begin_ns[call]);
      const end = time(calls.end_ns[call] < 0 ? model.endNs : calls.end_ns[call]);
      const w = Math.max(end - x, 1);
      // Of calls on one pixel, the first is drawn.
      if (x + w < LEFT || x > width || (drawnTo[row] ?? -1) >= x + w) continue;
      drawnTo[row] = x + w;
      const dimmed = chosen && chosen !== path;
      context.fillStyle = dimmed ? `hsl(${hueOf(path)} 12% ${colours.dark ? 26 : 90}%)` : phaseColour(path, colours);
      context.fillRect(x, top + row * ROW + 1, Math.max(w - 0.5, 0.75), ROW - 2);
      if (calls.error[call]) {
        context.fillStyle = colours.bad;
        context.fillRect(x, top + row * ROW + ROW - 3, Math.max(w - 0.5, 0.75), 2);
      }
      if (chosen === path && w > 2) {
        context.strokeStyle = colours.accent;
        context.lineWidth = 2;
        context.strokeRect(x + 1, top + row * ROW + 2, w - 2.5, ROW - 4);
      }
      if (w > 24) {
        context.fillStyle = colours.text;
        const from = Math.max(x, LEFT);
        cutText(context, names[calls.path[call]], from + 4, top + row * ROW + ROW / 2 + 0.5, x + w - from - 6);
      }
    }
    context.restore();
  }
}

export function callAt(view, event) {
  const box = view.laneCanvas.getBoundingClientRect();
  const row = (event.clientY - box.top) / ROW;
  const x = event.clientX - box.left;
  const { calls } = view.model.details;
  const lane = view.lanes.lanes.find((one) => row >= one.top && row < one.top + one.rows);
  if (!lane) return null;
  const wanted = Math.floor(row - lane.top);
  let best = null;
  for (const placed of lane.calls) {
    if (placed.row !== wanted) continue;
    const end = calls.end_ns[placed.call] < 0 ? view.model.endNs : calls.end_ns[placed.call];
    if (view.time(calls.begin_ns[placed.call]) - 1 <= x && x <= view.time(end) + 1) best = placed.call;
  }
  return best;
}

export function callLines(model, call) {
  const { calls } = model.details;
  const end = calls.end_ns[call];
  const lines = [
    ["RSS change", formatBytes(calls.after_bytes[call] - calls.before_bytes[call], true)],
    ["before", formatBytes(calls.before_bytes[call])],
    ["after", formatBytes(calls.after_bytes[call])],
  ];
  if (calls.peak_bytes[call]) lines.push(["peak", formatBytes(calls.peak_bytes[call])]);
  lines.push(["duration", end < 0 ? "still open" : formatDuration(end - calls.begin_ns[call])]);
  if (calls.error[call]) lines.push(["ended with", shorten(calls.error[call], 60)]);
  return lines;
}
