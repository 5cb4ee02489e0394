// A suite: components stacked with what they share apart, and the levers as ranges.
import { card, chartEl, el, empty, svgEl } from "./dom.mjs";
import { formatBytes, formatRange, shorten, tickText } from "./format.mjs";
import { linear, ticks } from "./scales.mjs";

const ROW = 30;

export function sharingCard(app) {
  const suite = app.data.report.suite;
  const made = card(app, "together", "Components together", {
    caption: "What each component holds in a process of its own, split into what it adds to the service and what others have already.",
    csv: () => [
      ["component", "alone_bytes", "marginal_bytes", "shared_imports_bytes"],
      suite.sharing.order.map((one) => [one.name, one.alone_bytes, one.marginal_bytes, one.shared_bytes]),
    ],
    draw: (body) => drawSharing(app, body, suite),
  });
  return made;
}

function drawSharing(app, body, suite) {
  const { sharing } = suite;
  const rows = sharing.order.map((one) => {
    const added = Math.max(one.marginal_bytes, 0);
    return { label: one.name, parts: [["adds to the service", added, "own"], ["shared with others", Math.max(one.alone_bytes - added, 0), "shared"]], total: one.alone_bytes };
  });
  const sum = (get) => sharing.order.reduce((all, one) => all + Math.max(get(one), 0), 0);
  rows.push({ label: "sum of the parts", parts: [["sum", sharing.sum_of_parts_bytes, "sum"]], total: sharing.sum_of_parts_bytes });
  rows.push({ label: "all together", parts: [["held together", sharing.together_bytes, "together"]], total: sharing.together_bytes });
  const limit = suite.budget?.limit_bytes ?? 0;
  const most = Math.max(...rows.map((row) => row.parts.reduce((all, [, bytes]) => all + bytes, 0)), limit, sum((one) => one.marginal_bytes), 1);
  const { width, label, x, svg } = barChart(body, rows.length, most, "What the components hold");
  rows.forEach((row, at) => {
    const y = at * ROW + 2;
    svg.append(rowLabel(row.label, label, y));
    let from = 0;
    for (const [name, bytes, kind] of row.parts) {
      const bar = svgEl("rect", { x: x(from), y: y + 4, width: Math.max(x(from + bytes) - x(from), 0), height: ROW - 10, rx: 3, "class": `suite ${kind}` });
      const title = svgEl("title");
      title.textContent = `${shorten(row.label, 80)}: ${formatBytes(bytes)} ${name}`;
      bar.append(title);
      svg.append(bar);
      from += bytes;
    }
    svg.append(rowFigure(formatBytes(row.total), width, y));
  });
  if (limit) svg.append(svgEl("line", { x1: x(limit), x2: x(limit), y1: 0, y2: rows.length * ROW, "class": "limit" }));
  const key = (kind, text) => el("span", {}, el(`i.suite.${kind}`), text);
  empty(body).append(el("p.legend", {}, key("own", "adds to the service"), key("shared", "shared with the components before it"), limit ? el("span.dim", {}, `the line is the budget of ${formatBytes(limit)}`) : null), svg);
}

export function leversCard(app) {
  const suite = app.data.report.suite;
  return card(app, "levers", "Levers", {
    caption: "What each change would save, from the smallest to the largest saving.",
    csv: () => [
      ["component", "lever", "basis", "saves_low_bytes", "saves_high_bytes", "after_bytes"],
      suite.matrix.map((one) => [one.component, one.lever, one.basis, one.saves_low_bytes, one.saves_high_bytes, one.after_bytes]),
    ],
    draw: (body) => drawLevers(body, suite),
  });
}

export function planCard(app) {
  const { plan } = app.data.report.suite;
  return card(app, "plan", "Plan, step by step", {
    caption: `The service after each change, against the budget of ${formatBytes(plan.limit_bytes)}.`,
    csv: () => [
      ["step", "saves_alone_bytes", "after_bytes"],
      [["as it is", null, plan.now.median_bytes], ...plan.steps.map((one) => [`${one.component}: ${one.step}`, one.alone_bytes, one.after_bytes])],
    ],
    draw: (body) => drawPlan(body, plan),
  });
}

function drawPlan(body, plan) {
  const rows = [{ label: "as it is", spread: plan.now }];
  for (const step of plan.steps) if (step.after_bytes !== null) rows.push({ label: `${step.component}: ${step.step}`, bytes: step.after_bytes });
  rows.push({ label: "all changes", spread: plan.result });
  const size = (row) => row.bytes ?? row.spread.median_bytes;
  const most = Math.max(...rows.map((row) => row.spread?.high_bytes ?? size(row)), plan.limit_bytes, 1);
  const { width, label, x, svg } = barChart(body, rows.length, most, "The service after each change of the plan", 0.42);
  rows.forEach((row, at) => {
    const y = at * ROW + 2;
    const kind = size(row) > plan.limit_bytes ? "over" : "together";
    svg.append(rowLabel(row.label, label, y), svgEl("rect", { x: x(0), y: y + 4, width: x(size(row)) - x(0), height: ROW - 10, rx: 3, "class": `suite ${kind}` }));
    if (row.spread) svg.append(svgEl("line", { x1: x(row.spread.low_bytes), x2: x(row.spread.high_bytes), y1: y + ROW / 2 - 1, y2: y + ROW / 2 - 1, "class": "spread" }));
    svg.append(rowFigure(formatBytes(size(row)), width, y));
  });
  svg.append(svgEl("line", { x1: x(plan.limit_bytes), x2: x(plan.limit_bytes), y1: 0, y2: rows.length * ROW, "class": "limit" }));
  empty(body).append(svg);
}

function drawLevers(body, suite) {
  const levers = suite.matrix.slice(0, 30);
  const most = Math.max(...levers.map((one) => one.saves_high_bytes), suite.budget?.need_bytes ?? 0, 1);
  const { width, label, x, svg } = barChart(body, levers.length, most, "Savings of each lever as ranges", 0.42);
  levers.forEach((one, at) => {
    const y = at * ROW + 2;
    svg.append(rowLabel(`${one.component}: ${one.lever}`, label, y));
    const low = Math.max(one.saves_low_bytes, 0);
    const high = Math.max(one.saves_high_bytes, low);
    const title = svgEl("title");
    title.textContent = `${shorten(one.lever, 200)}: ${formatRange(one.saves_low_bytes, one.saves_high_bytes)}, ${one.basis}`;
    const group = svgEl("g", { "class": `lever ${one.basis}` }, title);
    group.append(svgEl("line", { x1: x(0), x2: x(low), y1: y + ROW / 2, y2: y + ROW / 2, "class": "sure" }));
    group.append(svgEl("rect", { x: x(low) - 1, y: y + 7, width: Math.max(x(high) - x(low), 3), height: ROW - 16, rx: 3 }));
    svg.append(group, rowFigure(formatRange(low, high), width, y));
  });
  const need = suite.budget?.need_bytes ?? 0;
  if (need) svg.append(svgEl("line", { x1: x(need), x2: x(need), y1: 0, y2: levers.length * ROW, "class": "limit" }));
  empty(body).append(svg, el("p.dim", {}, `Solid: measured. Outlined: computed.${need ? ` The line is what is needed: ${formatBytes(need)}.` : ""}`));
}

function barChart(body, rows, most, name, share = 0.28) {
  const width = Math.max(body.clientWidth, 280);
  const label = Math.min(Math.max(width * share, 110), 520);
  const x = linear([0, most], [label + 10, width - 130]);
  const svg = chartEl(width, rows * ROW + 22, name);
  for (const value of ticks(0, most, Math.max(Math.floor(width / 200), 2))) {
    svg.append(svgEl("line", { x1: x(value), x2: x(value), y1: 0, y2: rows * ROW + 2, "class": "grid" }));
    const text = svgEl("text", { x: x(value), y: rows * ROW + 16, "text-anchor": "middle", "class": "tick" });
    text.textContent = tickText(formatBytes(value));
    svg.append(text);
  }
  return { width, label, x, svg };
}

function rowLabel(text, right, y) {
  const made = svgEl("text", { x: right, y: y + ROW / 2, "text-anchor": "end", "dominant-baseline": "middle" });
  made.textContent = shorten(text, Math.floor(right / 7.2));
  return made;
}

function rowFigure(text, width, y) {
  const made = svgEl("text", { x: width - 2, y: y + ROW / 2, "text-anchor": "end", "dominant-baseline": "middle", "class": "value" });
  made.textContent = text;
  return made;
}
