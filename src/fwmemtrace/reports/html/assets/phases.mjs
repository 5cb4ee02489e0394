// The phases as a table that is a tree, with the details of the phase that was chosen.
import { card, button, el, empty, searchField } from "./dom.mjs";
import { CATEGORIES, kindOf, phaseColour } from "./colours.mjs";
import { formatBytes, formatCount, formatDuration, shorten } from "./format.mjs";
import { phasesBetween } from "./model.mjs";
import { pathsAround } from "./paths.mjs";
import { kindColumn, phaseColumns, phaseForest, visibleRows } from "./phasetree.mjs";

const PAGE = 150;
const OPEN_AT_FIRST = 60; // rows

const FORMATS = {
  bytes: (value, signed) => formatBytes(value, signed),
  count: (value, signed) => formatCount(value, signed),
  duration: (value) => formatDuration(value),
};

export function phasesCard(app) {
  const toggled = new Map(); // what the reader has opened or closed, by path
  let shown = PAGE;
  const search = searchField("Find a phase", "Find a phase", (find) => app.store.set({ find }));
  const setAll = (open) => {
    for (const row of app.model().phases) toggled.set(row.path, open);
    made.redraw();
  };
  const tools = [
    search.field,
    button("Expand", () => setAll(true), { title: "Expand all phases" }),
    button("Collapse", () => setAll(false), { title: "Collapse all phases" }),
  ];
  const made = card(app, "phases", "Phases", {
    caption: "A click on a phase highlights its calls and shows what its change consists of.",
    tools,
    csv: () => phaseCsv(app.model()),
    draw: (body) => draw(body),
  });

  function draw(body) {
    const model = app.model();
    const state = app.store.get();
    search.show(state.find);
    const columns = phaseColumns(model.phases);
    const category = CATEGORIES.find((one) => kindOf(one) === state.kind);
    if (category !== undefined && model.ledger.size) columns.splice(2, 0, kindColumn(model.ledger, category, app.words(category)));
    const forest = phaseForest(model.phases);
    const total = model.phases.length;
    const within = brushed(app);
    for (const path of state.phase ? pathsAround(state.phase).slice(0, -1) : []) if (!toggled.has(path)) toggled.set(path, true);
    const [key, direction] = state.sort.split(":");
    const column = columns.find((one) => one.key === key);
    const rows = visibleRows(forest, {
      open: (path, depth) => toggled.get(path) ?? (total <= OPEN_AT_FIRST || (depth < 1 && forest.length < 12)),
      sort: column ? { get: column.get, descending: direction !== "up" } : null,
      find: state.find.toLowerCase(),
      wanted: within ? (path) => within.has(path) : null,
    });
    const largest = new Map(columns.map((one) => [one.key, Math.max(...model.phases.map((row) => Math.abs(one.get(row) ?? 0)), 1)]));
    const head = el("tr", {}, el("th", { scope: "col" }, "phase"), columns.map((one) => headCell(one)));
    const lines = rows.slice(0, shown).map((line) => rowOf(model, line, columns, largest));
    const outside = model.byPath.get("");
    if (outside && !state.find && outside.native) lines.push(rowOf(model, { row: outside, depth: 0, children: 0 }, columns, largest));
    const chosen = state.phase ? model.byPath.get(state.phase) : undefined;
    const details = chosen ? phaseDetails(app, model, chosen) : null;
    const place = chosen ? lines.findIndex((line) => line.dataset.path === chosen.path) : -1;
    if (place >= 0) lines.splice(place + 1, 0, el("tr", {}, el("td", { colspan: columns.length + 1 }, details)));
    const table = el("table.phases", { role: "treegrid", "aria-label": "Phases" }, el("thead", {}, head), el("tbody", {}, lines));
    table.addEventListener("keydown", (event) => move(event, table));
    table.addEventListener("focusin", (event) => enterAt(table, event.target.closest("tr[data-path]")));
    enterAt(table, table.querySelector("tr.chosen") ?? table.querySelector("tr[data-path]"));
    empty(body).append(el("div.wide", {}, table));
    if (!rows.length) body.append(el("p.none", {}, "No phase matches."));
    if (rows.length > shown) {
      const more = rows.length - shown;
      body.append(button(`Show ${Math.min(more, PAGE)} of ${formatCount(more)} more`, () => ((shown += PAGE), made.redraw()), { "class": "more" }));
    }
    if (details && place < 0) body.append(details);
  }

  function headCell(column) {
    const [key, direction] = app.store.get().sort.split(":");
    const active = key === column.key;
    const sort = () => {
      if (!active) app.store.set({ sort: `${column.key}:down` });
      else app.store.set({ sort: direction === "down" ? `${column.key}:up` : "" });
    };
    const arrow = active ? (direction === "up" ? " ▲" : " ▼") : "";
    const aria = active ? (direction === "up" ? "ascending" : "descending") : "none";
    return el("th.right", { scope: "col", "aria-sort": aria }, button(`${column.title}${arrow}`, sort, { "data-focus": column.key }));
  }

  function rowOf(model, { row, depth, children, open }, columns, largest) {
    const chosen = app.store.get().phase === row.path && row.path !== "";
    const toggle = children
      ? button(open ? "▾" : "▸", (event) => (event.stopPropagation(), toggled.set(row.path, !open), made.redraw()), {
          "class": "toggle",
          tabindex: "-1", // arrow keys do it
          "aria-label": `${open ? "Collapse" : "Expand"} ${shorten(row.name, 40)}`,
        })
      : el("span.toggle");
    const name = row.path === "" ? "outside any phase" : shorten(row.name, 160);
    const label = el("div", {}, toggle, row.path === "" ? null : swatch(row.path), el("code", { title: shorten(row.path, 1000) }, breakable(name)));
    if (row.errors) label.append(el("span.badge.bad", { title: errorsOf(row) }, formatCount(row.errors)));
    if (row.open_calls) label.append(el("span.badge", {}, "open"));
    const choose = () => row.path !== "" && app.store.set({ phase: chosen ? "" : row.path });
    return el(
      `tr${chosen ? ".chosen" : ""}`,
      {
        tabindex: "-1",
        onclick: choose,
        "data-path": row.path,
        "aria-level": depth + 1,
        "aria-expanded": children ? String(open) : null,
        "aria-selected": String(chosen),
      },
      el("td.name", { style: `--depth:${depth}` }, label),
      columns.map((column) => figure(column, column.get(row), largest.get(column.key))),
    );
  }

  function move(event, table) {
    const row = event.target.closest("tr[data-path]");
    if (!row || event.target.tagName === "BUTTON") return;
    const rows = [...table.querySelectorAll("tr[data-path]")];
    const at = rows.indexOf(row);
    const focus = (path) => [...made.body.querySelectorAll("tr[data-path]")].find((one) => one.dataset.path === path)?.focus();
    if (event.key === "ArrowDown") rows[at + 1]?.focus();
    else if (event.key === "ArrowUp") rows[at - 1]?.focus();
    else if (event.key === "Enter" || event.key === " ") row.click();
    else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      if (!row.hasAttribute("aria-expanded")) return;
      toggled.set(row.dataset.path, event.key === "ArrowRight");
      made.redraw();
    } else return;
    event.preventDefault();
    focus(event.key.startsWith("ArrowUp") || event.key === "ArrowDown" ? document.activeElement?.dataset?.path : row.dataset.path);
  }

  app.store.on(["find", "sort", "phase", "kind", "from", "to"], () => made.redraw());
  return made;
}

// Tab goes to one row of the table, arrow keys to the others.
function enterAt(table, row) {
  if (!row) return;
  table.querySelector("tr[tabindex='0']")?.setAttribute("tabindex", "-1");
  row.setAttribute("tabindex", "0");
}

function swatch(path) {
  return el("i.swatch", { style: `background:${phaseColour(path)}`, "aria-hidden": "true" });
}

// A name that may be broken after a dot, a slash or an underscore, and reads and copies as it is.
function breakable(name) {
  return name.split(/(?<=[._/])(?=.)/).flatMap((part, at) => (at ? [el("wbr"), part] : [part]));
}

export function brushed(app) {
  const { from, to } = app.store.get();
  return from === "" ? null : phasesBetween(app.model(), Number(from), Number(to));
}

function errorsOf(row) {
  const types = Object.entries(row.error_types).map(([type, count]) => `${shorten(type, 60)}: ${count}`);
  return `${row.errors === 1 ? "1 call" : `${row.errors} calls`} ended with an exception. ${types.join(", ")}`;
}

function figure(column, value, largest) {
  if (value === null || value === undefined) return el("td.right");
  const text = FORMATS[column.unit](value, column.signed);
  if (!column.bar) return el("td.right", { "data-value": value }, text);
  const share = (100 * Math.abs(value)) / largest;
  const bar = value ? el(`span.bar${value < 0 ? ".negative" : ""}`, { style: `width:${Math.max(share, 0.6).toFixed(2)}%` }) : null;
  return el("td.right.barred", { "data-value": value }, el("span.track", {}, bar), el("span.value", {}, text));
}

function phaseDetails(app, model, row) {
  const ledger = model.ledger.get(row.path);
  const parts = [el("h3", {}, "Phase ", el("code", {}, shorten(row.path, 300)))];
  const attributes = Object.entries(row.attributes);
  if (attributes.length) parts.push(el("p.dim", {}, attributes.map(([key, value]) => `${shorten(key, 40)}=${shorten(String(value), 80)}`).join(", ")));
  for (const [key, counts] of Object.entries(row.attribute_calls ?? {})) {
    const values = Object.entries(counts);
    if (values.length > 1) parts.push(el("p.dim", {}, `Calls by ${shorten(key, 40)}: ${values.map(([value, calls]) => `${shorten(value, 80)}: ${calls}`).join(", ")}`));
  }
  if (row.resident) parts.push(el("p", {}, `RSS ${formatBytes(row.resident.before_bytes)} before the first call, ${formatBytes(row.resident.after_bytes)} after the latest, peak ${formatBytes(row.resident.peak_bytes)}.`));
  if (row.errors) parts.push(el("p", {}, errorsOf(row)));
  if (ledger) parts.push(ledgerTable(app, ledger));
  return el("div.details", { "aria-live": "polite" }, parts);
}

function ledgerTable(app, ledger) {
  const most = 14;
  const items = ledger.items.slice(0, most);
  const rest = ledger.items.slice(most).reduce((sum, item) => sum + item.bytes, 0);
  const lines = items.map((item) => [`${app.words(item.category)}${item.owner && item.owner !== item.category ? `: ${shorten(item.owner, 80)}` : ""}`, item.bytes, item.category]);
  if (ledger.items.length > most) lines.push([`${ledger.items.length - most} smaller items`, rest, "tracer"]);
  lines.push([app.words(""), ledger.unexplained_bytes, ""]);
  const largest = Math.max(...lines.map(([, bytes]) => Math.abs(bytes)), 1);
  const rows = lines.map(([label, bytes, category]) =>
    el(
      "tr",
      {},
      el("td", {}, el("i", { style: `background:var(--c${Math.max(CATEGORIES.indexOf(category), 0)})` }), label),
      el("td.right", {}, formatBytes(bytes, true)),
      el("td.ledgerbar", {}, el("span.bar", { style: `width:${(100 * Math.abs(bytes)) / largest}%;background:var(--c${Math.max(CATEGORIES.indexOf(category), 0)})` })),
    ),
  );
  const sum = el("tr.sum", {}, el("td", {}, "RSS change"), el("td.right", {}, formatBytes(ledger.rss_delta_bytes, true)), el("td"));
  return el("table.ledger", {}, el("tbody", {}, rows, sum));
}

function phaseCsv(model) {
  const columns = phaseColumns(model.phases);
  const unit = { bytes: "_bytes", count: "", duration: "_ns" };
  return [
    ["path", ...columns.map((column) => column.title.replace(/ /g, "_") + unit[column.unit])],
    model.phases.map((row) => [row.path, ...columns.map((column) => column.get(row))]),
  ];
}
