// An icicle on a canvas: wide things first, innermost at the bottom; a click zooms, arrow keys walk.
import { cutText, el, empty, isPrinting, sizeCanvas } from "./dom.mjs";
import { hueOf } from "./colours.mjs";
import { formatShare, packageOf, shorten, visible } from "./format.mjs";
import { IMPORT, NATIVE, OWN, PHASE, SMALLER, icicleLayout, matches } from "./stacks.mjs";

const LEVEL = 20;
const MOST_PIXELS = 620;
const MOST_PRINTED = 38 * LEVEL; // what fits on a page with the heading

// options: label (of the chart), format(value), lines(node) for the tooltip, onOpen(node) for a link to source.
export function makeIcicle(app, options) {
  const canvas = el("canvas", { tabindex: "0", role: "img", "aria-label": options.label });
  const frame = el("div.hover", { hidden: true });
  const scroller = el("div.icicle", { style: `max-height:${MOST_PIXELS}px` }, canvas, frame);
  const status = el("p.readout", { "aria-live": "polite" });
  const crumbs = el("p.crumbs");
  const element = el("div", {}, crumbs, scroller, status);
  let root = null;
  let metric = 0;
  let found = { found: new Set(), sum: 0 };
  let searched = "";
  let zoomed = []; // from the root to the node that fills the width
  let boxes = [];
  let around = 0; // levels above the zoomed node
  let focus = -1;

  function show(tree, metricNumber, search = "") {
    if (tree !== root) {
      const keys = zoomed.slice(1).map((one) => one.key);
      zoomed = [tree];
      for (const key of keys) {
        const next = zoomed[zoomed.length - 1].children.find((child) => child.key === key);
        if (!next) break;
        zoomed.push(next);
      }
    }
    root = tree;
    metric = metricNumber;
    searched = search;
    found = search ? matches(root, search, metric) : { found: new Set(), sum: 0 };
    focus = -1;
    draw();
  }

  function draw() {
    frame.hidden = true;
    const width = Math.max(scroller.clientWidth || element.parentElement?.clientWidth || 300, 240);
    const top = zoomed[zoomed.length - 1];
    around = zoomed.length - 1;
    boxes = icicleLayout(top, metric, width, 0.6);
    const depth = boxes.reduce((most, box) => Math.max(most, box.depth), 0) + 1;
    const height = Math.max((depth + around) * LEVEL, LEVEL);
    const context = sizeCanvas(canvas, width, isPrinting() ? Math.min(height, MOST_PRINTED) : height);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    const colours = app.colours();
    zoomed.slice(0, -1).forEach((one, level) => paint(context, colours, one, 0, level, width, true));
    boxes.forEach((box, at) => paint(context, colours, box.node, box.x, box.depth + around, box.w, false, at === focus));
    drawCrumbs();
    const whole = root.total[metric];
    if (!(whole > 0)) status.textContent = "Nothing to show here.";
    else if (searched) status.textContent = `Matched: ${options.format(found.sum)} of ${options.format(whole)} (${formatShare(found.sum, whole)})`;
    else status.textContent = `Total: ${options.format(whole)}`;
  }

  function drawCrumbs() {
    empty(crumbs);
    crumbs.hidden = zoomed.length < 2;
    zoomed.forEach((one, level) => {
      const go = () => {
        zoomed = zoomed.slice(0, level + 1);
        draw();
        canvas.focus({ preventScroll: true });
      };
      crumbs.append(level ? " › " : "", el("button", { type: "button", onclick: go }, shorten(one.label, 40)));
    });
    const top = zoomed[zoomed.length - 1];
    if (top.frame?.line && options.onOpen) crumbs.append(" ", el("button.more", { type: "button", onclick: () => options.onOpen(top) }, "show source line"));
  }

  function paint(context, colours, one, x, level, w, above, focused = false) {
    const [fill, ink] = paintOf(colours, one, above || (searched && !found.found.has(one)));
    context.fillStyle = searched && found.found.has(one) ? colours.accent : fill;
    context.fillRect(x, level * LEVEL, Math.max(w - (w > 2 ? 1 : 0), 0.6), LEVEL - 1);
    if (focused) {
      context.strokeStyle = colours.accent;
      context.lineWidth = 2;
      context.strokeRect(x + 1, level * LEVEL + 1, Math.max(w - 3, 1), LEVEL - 3);
    }
    if (w < 26) return;
    context.fillStyle = searched && found.found.has(one) ? colours.card : ink;
    context.font = one.kind === OWN ? "600 12px system-ui, sans-serif" : "12px system-ui, sans-serif";
    cutText(context, visible(one.label), x + 5, level * LEVEL + LEVEL / 2, w - 8);
  }

  function boxAt(event) {
    const rect = canvas.getBoundingClientRect();
    const x = event.clientX - rect.left;
    const level = Math.floor((event.clientY - rect.top) / LEVEL);
    if (level < around) return level >= 0 ? { node: zoomed[level], level, above: true } : null;
    return boxes.find((box) => box.depth + around === level && box.x <= x && x < box.x + box.w) ?? null;
  }

  function zoomTo(box) {
    if (box.above) zoomed = zoomed.slice(0, box.level + 1);
    else {
      const chain = [];
      for (let at = box; at && at.depth > 0; at = boxes[at.parent]) chain.unshift(at.node);
      if (!chain.length && zoomed.length > 1) zoomed = zoomed.slice(0, -1);
      else zoomed = [...zoomed, ...chain];
    }
    focus = -1;
    draw();
    scroller.scrollTop = 0;
  }

  function describe(one) {
    const lines = options.lines(one, metric);
    return [shorten(one.label, 300), lines];
  }

  canvas.addEventListener("pointermove", (event) => {
    const box = boxAt(event);
    canvas.style.cursor = box ? "pointer" : "";
    frame.hidden = !box;
    if (!box) return app.tip.hide();
    const level = box.above ? box.level : box.depth + around;
    frame.style.cssText = `left:${box.x ?? 0}px;top:${level * LEVEL}px;width:${Math.max((box.w ?? canvas.clientWidth) - 1, 1)}px;height:${LEVEL - 1}px`;
    app.tip.show(event.clientX, event.clientY, ...describe(box.node));
  });
  canvas.addEventListener("pointerleave", () => {
    frame.hidden = true;
    app.tip.hide();
  });
  canvas.addEventListener("click", (event) => {
    const box = boxAt(event);
    if (!box) return;
    if (event.altKey || event.ctrlKey || event.metaKey) options.onOpen?.(box.node);
    else zoomTo(box);
  });
  canvas.addEventListener("keydown", (event) => {
    if (!boxes.length) return;
    const now = boxes[focus] ?? null;
    const siblings = now ? boxes.filter((box) => box.parent === now.parent) : [];
    const at = siblings.indexOf(now);
    let next = null;
    if (event.key === "Escape") zoomed = [root];
    else if (event.key === "Backspace") zoomed = zoomed.length > 1 ? zoomed.slice(0, -1) : zoomed;
    else if (event.key === "Enter" && now) return event.preventDefault(), zoomTo(now);
    else if ((event.key === "o" || event.key === "s") && now) return options.onOpen?.(now.node);
    else if (event.key === "ArrowDown") next = now ? boxes.find((box) => boxes[box.parent] === now) : boxes[0];
    else if (event.key === "ArrowUp") next = now ? boxes[now.parent] : boxes[0];
    else if (event.key === "ArrowRight") next = siblings[at + 1];
    else if (event.key === "ArrowLeft") next = siblings[at - 1];
    else return;
    event.preventDefault();
    if (next) focus = boxes.indexOf(next);
    else if (!event.key.startsWith("Arrow")) focus = -1;
    draw();
    if (boxes[focus]) {
      const [title, lines] = describe(boxes[focus].node);
      status.textContent = `${title}: ${lines.map((line) => (Array.isArray(line) ? line.slice(0, 2).join(" ") : line)).join(", ")}`;
      scroller.scrollTop = Math.max((boxes[focus].depth + around) * LEVEL - MOST_PIXELS / 2, 0);
    }
  });
  return { element, show, draw };
}

function paintOf(colours, one, faded) {
  const dark = colours.dark;
  const light = (bright, dim) => (dark ? dim : bright);
  if (faded) return [dark ? "hsl(220 8% 22%)" : "hsl(220 12% 91%)", colours.dim];
  switch (one.kind) {
    case PHASE:
      return [`hsl(215 ${light(32, 28)}% ${light(80, 34)}%)`, colours.text];
    case OWN:
      return [`hsl(32 ${light(92, 70)}% ${light(66, 40)}%)`, colours.text];
    case IMPORT:
      return [`hsl(220 6% ${light(85, 32)}%)`, colours.text];
    case SMALLER:
      return [`hsl(220 6% ${light(90, 26)}%)`, colours.dim];
    case NATIVE: {
      const hue = 185 + (hueOf(one.frame?.library ?? one.label) % 75);
      return [`hsl(${hue} 38% ${light(82, 30)}%)`, colours.text];
    }
    default: {
      const owner = packageOf(one.frame?.file ?? "") || one.row?.module.split(".")[0] || "python";
      const hash = hueOf(owner);
      return [`hsl(${70 + (hash % 95)} ${26 + (hash % 14)}% ${light(79 + (hash % 9), 26 + (hash % 9))}%)`, colours.text];
    }
  }
}
