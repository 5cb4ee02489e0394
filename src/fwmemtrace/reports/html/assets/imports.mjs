// Imports as an icicle: the line that asked, and below it what each module brought with it.
import { card, el, empty, segmented } from "./dom.mjs";
import { formatBytes, formatDuration, formatShare, shorten } from "./format.mjs";
import { makeIcicle } from "./icicle.mjs";
import { IMPORT_METRICS, importTree } from "./importtree.mjs";
import { openSource } from "./stackcards.mjs";

export function importsCard(app) {
  let metric = 0;
  let text = "";
  let tree = null;
  let of = null;
  const controls = el("div.controls");
  const search = el("input", { type: "search", placeholder: "Find a module", "aria-label": "Find a module" });
  search.addEventListener("input", () => {
    text = search.value;
    redraw();
  });
  const format = (value) => (metric ? formatDuration(value) : formatBytes(value));
  const icicle = makeIcicle(app, {
    label: "Icicle of imports. Arrow keys walk, Enter zooms, S shows the line that asked.",
    format,
    lines: (one) => linesOf(one, tree),
    onOpen: (one) => openSource(app, one.frame ?? (one.row?.nearest_own ? one.row.nearest_own : null)),
  });
  const made = card(app, "imports", "Imports", {
    caption: "RSS that each module's own code added, below the module that imported it first.",
    tools: [search],
    csv: () => [
      ["module", "parent", "own_bytes", "cumulative_bytes", "own_ns", "wall_ns", "phase", "asked_by"],
      app.model().imports.map((row) => [row.module, row.parent, row.own_bytes, row.cumulative_bytes, row.own_ns, row.wall_ns, row.phase, row.asked_by]),
    ],
    draw: (body) => {
      if (!body.contains(icicle.element)) empty(body).append(controls, icicle.element);
      redraw();
    },
  });
  function redraw() {
    if (of !== app.model()) {
      of = app.model();
      tree = importTree(of.imports);
    }
    empty(controls).append(
      segmented("Figure", IMPORT_METRICS.map((name, at) => [String(at), name === "time" ? "time" : "RSS"]), String(metric), (value) => {
        metric = Number(value);
        made.redraw();
      }),
    );
    icicle.show(tree, metric, text);
  }
  return made;
}

function linesOf(one, tree) {
  const lines = [
    ["with what it imported", `${formatBytes(one.total[0])} · ${formatShare(one.total[0], tree.total[0])}`],
    ["by itself", formatBytes(one.own[0])],
    ["time", formatDuration(one.total[1])],
  ];
  const row = one.row;
  if (row?.nearest_own) lines.push(`asked for by ${shorten(row.nearest_own.file, 80)}:${row.nearest_own.line} (import of ${shorten(row.nearest_own.module, 40)})`);
  else if (row?.asked_by) lines.push(`asked for by ${shorten(row.asked_by, 80)}`);
  if (row?.phase) lines.push(`in phase ${shorten(row.phase, 80)}`);
  if (row?.own_bytes < 0) lines.push(`RSS fell by ${formatBytes(-row.own_bytes)} while its code ran.`);
  return lines;
}
