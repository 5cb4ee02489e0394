// The sum made visible: RSS before the session, the change of each outermost phase, RSS at the end.
import { card, chartEl, el, empty, svgEl } from "./dom.mjs";
import { formatBytes, shorten } from "./format.mjs";
import { brushed } from "./phases.mjs";
import { linear } from "./scales.mjs";
import { waterfallSteps } from "./waterfall.mjs";

const ROW = 26;

export function waterfallCard(app) {
  const made = card(app, "waterfall", "From start to end", {
    caption: "How the changes of the outermost phases add up to RSS at the end.",
    csv: () => [
      ["step", "change_bytes", "rss_after_bytes"],
      waterfallSteps(app.model().process, app.model().phases, Infinity).map((step) => [step.label, step.change, step.to]),
    ],
    draw: (body) => draw(app, body),
  });
  app.store.on(["phase", "from", "to"], () => made.redraw());
  return made;
}

function draw(app, body) {
  const model = app.model();
  const steps = waterfallSteps(model.process, model.phases);
  const within = brushed(app);
  const width = Math.max(body.clientWidth, 280);
  const label = Math.min(Math.max(width * 0.28, 126), 340);
  const figures = 84;
  const most = Math.max(...steps.map((step) => Math.max(step.from, step.to)), 1);
  const least = Math.min(0, ...steps.map((step) => Math.min(step.from, step.to)));
  const x = linear([least, most], [label + 8, width - figures - 4]);
  const svg = chartEl(width, steps.length * ROW + 4, "Changes of RSS that add up to RSS at the end");
  steps.forEach((step, at) => {
    const y = at * ROW + 2;
    const low = x(Math.min(step.from, step.to));
    const high = x(Math.max(step.from, step.to));
    const kind = step.kind === "level" ? "level" : step.change < 0 ? "fall" : "rise";
    const dim = within && step.path && !within.has(step.path) ? " faded" : "";
    const chosen = step.path && step.path === app.store.get().phase ? " chosen" : "";
    const group = svgEl("g", { "class": `step ${kind}${dim}${chosen}` });
    const name = svgEl("text", { x: label, y: y + ROW / 2, "text-anchor": "end", "dominant-baseline": "middle" });
    name.textContent = innermost(step.label, Math.floor(label / 6.6));
    const value = svgEl("text", { x: width - 2, y: y + ROW / 2, "text-anchor": "end", "dominant-baseline": "middle", "class": "value" });
    value.textContent = formatBytes(step.change, step.kind === "change");
    const bar = svgEl("rect", { x: low, y: y + 3, width: Math.max(high - low, 1.5), height: ROW - 7, rx: 3 });
    const title = svgEl("title");
    title.textContent = `${shorten(step.label, 300)}: ${formatBytes(step.change, step.kind === "change")}, then ${formatBytes(step.to)}`;
    group.append(title, name, bar, value);
    if (at + 1 < steps.length) group.append(svgEl("line", { x1: x(step.to), x2: x(step.to), y1: y + ROW - 4, y2: y + ROW + 3, "class": "join" }));
    if (step.path) choosable(app, group, step.path);
    svg.append(group);
  });
  empty(body).append(svg);
  const last = steps[steps.length - 1];
  if (last.unaccounted) body.append(el("p.dim", {}, `${formatBytes(last.unaccounted, true)} belongs to no step: the records have a gap.`));
}

// A label that fits: the innermost phases say most.
function innermost(label, most) {
  const parts = label.split(" / ");
  let from = 0;
  const text = () => (from ? ["…", ...parts.slice(from)] : parts).join(" / ");
  while (from + 1 < parts.length && text().length > most) from++;
  return shorten(text(), most);
}

function choosable(app, group, path) {
  const choose = () => app.store.set({ phase: path === app.store.get().phase ? "" : path });
  group.setAttribute("tabindex", "0");
  group.setAttribute("role", "button");
  group.addEventListener("click", choose);
  group.addEventListener("keydown", (event) => {
    if (event.key === "Enter") choose();
  });
}
