// Source lines with bytes beside them. Without the text (--no-source, or files that are elsewhere) the lines stay.
import { button, card, el, empty } from "./dom.mjs";
import { formatBytes, shorten, shortPath, visible } from "./format.mjs";
import { pythonLines } from "./highlight.mjs";
import { openStacks } from "./stackcards.mjs";
import { bytesByLine } from "./sourcelines.mjs";

const FIGURES = [
  ["rises", "RSS at peak", 0],
  ["native", "native live", 0],
  ["heap", "Python heap", 0],
];

const HOT = 0.01; // of the largest line: what is less is written, and not lit up

export function sourceCard(app) {
  let of = null;
  let files = null;
  const made = card(app, "source", "Source", {
    caption: "Lines of the program's own code, with the bytes of the stacks that go through them. A line number leads to its stacks.",
    csv: () => {
      const rows = [];
      for (const [file, lines] of filesOf()) for (const [line, figures] of lines) rows.push([file, line, ...FIGURES.map(([key]) => figures[key] ?? null)]);
      return [["file", "line", "rss_at_peak_bytes", "native_live_bytes", "python_heap_bytes"], rows];
    },
    draw: (body) => draw(body),
  });

  function filesOf() {
    if (of !== app.model()) {
      of = app.model();
      const trees = FIGURES.filter(([key]) => of.packed[key]).map(([key, , metric]) => [key, of.tree(key), metric]);
      files = bytesByLine(trees);
    }
    return files;
  }

  function draw(body) {
    const known = filesOf();
    const [file, line] = splitPlace(app.store.get().source);
    const weight = (name) => Math.max(0, ...[...(known.get(name)?.values() ?? [])].map((figures) => Math.max(...Object.values(figures))));
    const names = [...new Set([...known.keys(), ...app.data.sources.map((one) => one.file)])].sort((a, b) => weight(b) - weight(a)).slice(0, 40);
    const current = file || names[0];
    if (current === undefined) {
      empty(body).append(el("p.none", {}, "No line of the program's own code is known."));
      return;
    }
    if (!names.includes(current)) names.unshift(current);
    const tabs = names.map((name) =>
      button(shorten(shortPath(name), 44), () => app.store.set({ source: `${name}:0` }), { "aria-pressed": String(name === current), title: shorten(name, 400), "data-focus": name }),
    );
    empty(body).append(el("div.tabs", { role: "group", "aria-label": "Files" }, tabs), listing(current, line, known.get(current) ?? new Map()));
    showLine(body, body.querySelector("tr.target") ?? largestRow(body));
  }

  function listing(file, target, lines) {
    const source = app.data.sources.find((one) => one.file === file);
    const shown = FIGURES.filter(([key]) => [...lines.values()].some((figures) => figures[key]));
    const most = new Map(shown.map(([key]) => [key, Math.max(...[...lines.values()].map((figures) => figures[key] ?? 0), 1)]));
    const rows = [];
    const cells = (number) =>
      shown.map(([key]) => {
        const value = lines.get(number)?.[key];
        if (!value) return el("td.right");
        return el("td.right.barred", {}, el("span.track", {}, el("span.bar", { style: `width:${(100 * value) / most.get(key)}%` })), el("span.value", {}, formatBytes(value)));
      });
    const lineNumber = (number) => {
      const found = shown.find(([key]) => lines.get(number)?.[key]);
      if (!found) return String(number);
      return button(String(number), () => openStacks(app, found[0], file, number), { "class": "link", title: "Show the stacks that go through this line" });
    };
    const hot = (number) => shown.some(([key]) => (lines.get(number)?.[key] ?? 0) >= HOT * most.get(key));
    const add = (number, tokens) =>
      rows.push(el(`tr${number === target ? ".target" : hot(number) ? ".hot" : ""}`, {}, cells(number), el("td.number", {}, lineNumber(number)), el("td.code", {}, el("code", {}, tokens.map(coloured)))));
    if (source) {
      source.first.forEach((first, at) => {
        if (at) rows.push(el("tr.gap", {}, el("td", { colspan: shown.length + 2 }, "⋯")));
        pythonLines(source.text[at].replace(/\t/g, "    "), source.inside[at]).forEach((tokens, offset) => add(first + offset, tokens));
      });
    } else for (const number of [...new Set([...lines.keys(), ...(target ? [target] : [])])].sort((a, b) => a - b)) add(number, []);
    const head = el("tr", {}, shown.map(([, title]) => el("th.right", {}, title)), el("th.right", {}, "line"), el("th", {}, shorten(file, 200)));
    const note = source?.changed ? el("p.dim", {}, "This file was changed after the session began: lines may not match.") : source ? null : el("p.dim", {}, "The text of this file is not in the report.");
    return el("div", {}, note, el("div.wide.sourcebox", {}, el("table.source", {}, el("thead", {}, head), el("tbody", {}, rows))));
  }

  app.store.on(["source"], () => {
    made.begin();
    made.redraw();
  });
  return made;
}

function coloured([kind, text]) {
  return kind ? el(`span.${kind}`, {}, visible(text)) : visible(text);
}

// Scrolls the listing, and not the page, to a line, so that a whole line is the first one.
function showLine(body, row) {
  const box = body.querySelector(".sourcebox");
  if (!row || !box) return;
  let first = row;
  while (first.previousElementSibling && row.offsetTop - first.offsetTop < box.clientHeight / 2) first = first.previousElementSibling;
  box.scrollTop = first.offsetTop - box.querySelector("thead").offsetHeight;
}

function largestRow(body) {
  const width = (row) => Math.max(0, ...[...row.querySelectorAll(".bar")].map((bar) => parseFloat(bar.style.width)));
  return [...body.querySelectorAll("tr.hot")].reduce((best, row) => (best && width(best) >= width(row) ? best : row), null);
}

function splitPlace(text) {
  const at = text.lastIndexOf(":");
  return at < 0 ? ["", 0] : [text.slice(0, at), Number(text.slice(at + 1)) || 0];
}
