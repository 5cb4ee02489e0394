// What holds the memory at one moment, as a treemap of the ledger.
import { categoryColour, kindOf } from "./colours.mjs";
import { card, chartEl, el, empty, segmented, svgEl } from "./dom.mjs";
import { formatBytes, formatShare, shorten, shortPath } from "./format.mjs";
import { squarify } from "./squarify.mjs";

const LEAST = 5; // characters of a name that is cut: fewer tell nothing
const MOMENTS = [
  ["begin", "At the start"],
  ["largest", "At the largest reading"],
  ["end", "At the end"],
];

export function holdingCard(app) {
  const controls = el("div.controls");
  const made = card(app, "holding", "What holds the memory", {
    caption: "Resident memory by category and owner, at a reading of the mappings. A click on a category shows it in the timeline and by phase.",
    csv: () => [
      ["moment", "category", "owner", "bytes", "private_bytes", "evictable_bytes"],
      app.model().composition.flatMap((moment) =>
        moment.items.map((item) => [moment.moment, item.category, item.owner, item.bytes, item.private_bytes, item.evictable_bytes]),
      ),
    ],
    draw: (body) => draw(app, body, controls),
  });
  app.store.on(["moment", "kind"], () => made.redraw());
  return made;
}

function draw(app, body, controls) {
  const { composition } = app.model();
  const known = MOMENTS.filter(([key]) => composition.some((row) => row.moment === key));
  const wanted = app.store.get().moment;
  const row = composition.find((one) => one.moment === wanted) ?? composition[composition.length - 1];
  empty(controls).append(segmented("Moment", known, row.moment, (moment) => app.store.set({ moment })));
  const width = Math.max(body.clientWidth, 280);
  const height = Math.round(Math.min(Math.max(width * 0.42, 260), 440));
  const groups = new Map();
  for (const item of row.items) {
    if (item.bytes <= 0) continue;
    if (!groups.has(item.category)) groups.set(item.category, []);
    groups.get(item.category).push({ size: item.bytes, label: item.owner || item.category, item });
  }
  if (row.unexplained_bytes > 0) groups.set("", [{ size: row.unexplained_bytes, label: app.words(""), item: null }]);
  const sized = [...groups].map(([category, items]) => ({ category, items, size: items.reduce((sum, one) => sum + one.size, 0) }));
  const svg = chartEl(width, height, `What holds ${formatBytes(row.rss_bytes)} of RSS`);
  for (const group of squarify(sized, 0, 0, width, height)) {
    const headed = group.h > 44 && group.w > 70;
    const colour = categoryColour(group.item.category);
    const name = app.words(group.item.category);
    const area = groupArea(app, group.item.category, name);
    svg.append(area);
    const width = Math.max(group.w - 2, 0);
    const back = { x: group.x, y: group.y, width, height: Math.max(group.h - 2, 0), rx: 4 };
    area.append(svgEl("rect", { ...back, style: `fill:${headed ? `color-mix(in srgb, ${colour} 34%, var(--card))` : colour}` }));
    if (headed) {
      area.append(svgEl("rect", { x: group.x, y: group.y, width, height: 4, rx: 2, style: `fill:${colour}` }));
      area.append(cellText(name, group.x + 7, group.y + 18, group.w - 12, "grouplabel", ` ${formatBytes(group.item.size)}`));
    }
    const inner = squarify(merged(group.item.items), group.x + 3, group.y + (headed ? 25 : 3), group.w - 8, group.h - (headed ? 30 : 8));
    for (const cell of inner) area.append(holdingCell(app, row, name, cell));
  }
  empty(body).append(controls, svg, el("p.dim", {}, sumText(row)));
}

// What holds the areas of a category, which a click chooses.
function groupArea(app, category, name) {
  const kind = kindOf(category);
  const { kind: wanted } = app.store.get();
  const choose = () => app.store.set({ kind: wanted === kind ? "" : kind });
  const onkeydown = (event) => event.key === "Enter" && choose();
  const faded = wanted !== "" && wanted !== kind;
  const attributes = { tabindex: "0", role: "button", "aria-label": name, "aria-pressed": String(wanted === kind), "data-focus": kind };
  return svgEl("g", { "class": faded ? "group faded" : "group", ...attributes, onclick: choose, onkeydown });
}

// Owners that would be too small to see, as one.
function merged(items) {
  const total = items.reduce((sum, one) => sum + one.size, 0);
  const shown = items.filter((one) => one.size >= total / 400);
  const small = items.filter((one) => one.size < total / 400);
  const rest = small.reduce((sum, one) => sum + one.size, 0);
  return small.length > 1 ? [...shown, { size: rest, label: `${small.length} smaller`, item: null }] : items;
}

function holdingCell(app, row, category, { item, x, y, w, h }) {
  const group = svgEl("g", { "class": "cell" });
  group.append(svgEl("rect", { x, y, width: Math.max(w - 1, 0), height: Math.max(h - 1, 0), rx: 2 }));
  if (h > 15) group.append(cellText(shorten(shortPath(item.label), 60), x + 5, y + 13, w - 9));
  if (h > 30) group.append(cellText("", x + 5, y + 27, w - 9, "figure", formatBytes(item.size)));
  group.addEventListener("pointermove", (event) => {
    const lines = [["resident", `${formatBytes(item.size)} · ${formatShare(item.size, row.rss_bytes)} of RSS`]];
    if (item.item) {
      lines.push(["private", formatBytes(item.item.private_bytes)], ["evictable", formatBytes(item.item.evictable_bytes)]);
    }
    app.tip.show(event.clientX, event.clientY, `${category}: ${shorten(item.label, 200)}`, lines);
  });
  group.addEventListener("pointerleave", () => app.tip.hide());
  return group;
}

// A text that is cut to a width, and after it a figure, which is whole or not there.
function cellText(text, x, y, width, kind = "", figure = "") {
  const most = Math.floor(width / (kind === "grouplabel" ? 7.6 : 7.1));
  const room = most - figure.length;
  const made = svgEl("text", { x, y, "class": kind || null });
  const shown = text.length <= room ? text : room >= LEAST ? `${text.slice(0, room - 1)}…` : "";
  made.textContent = shown + (room >= 0 ? figure : "");
  return made;
}

function sumText(row) {
  const shown = row.items.reduce((sum, item) => sum + item.bytes, 0) + row.unexplained_bytes;
  const negative = row.items.filter((item) => item.bytes < 0).reduce((sum, item) => sum + item.bytes, 0);
  const text = `Adds up to RSS of ${formatBytes(shown)}.`;
  return negative ? `${text} Corrections of ${formatBytes(negative)} have no area.` : text;
}
