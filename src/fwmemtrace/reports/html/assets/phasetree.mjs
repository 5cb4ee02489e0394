// The rows of the phase table: nested by path, sorted among siblings, filtered by a search and by the brush.

// The columns that a trace has: {key, title, format, get, bar}. `get` returns null where nothing was measured.
export function phaseColumns(phases) {
  const has = (get) => phases.some((row) => get(row) !== null && get(row) !== undefined);
  const columns = [
    { key: "change", title: "RSS change", unit: "bytes", signed: true, bar: true, get: (row) => row.resident?.delta_bytes ?? null },
    { key: "peak", title: "peak RSS", unit: "bytes", bar: true, get: (row) => row.resident?.peak_bytes ?? null },
    { key: "native", title: "native live", unit: "bytes", get: (row) => row.native?.including_inner.live_bytes ?? null },
    { key: "nativepeak", title: "native peak", unit: "bytes", get: (row) => row.native?.including_inner.peak_bytes ?? null },
    { key: "allocated", title: "allocated", unit: "bytes", get: (row) => row.native?.including_inner.allocated_bytes ?? null },
    { key: "sampled", title: "sampled live", unit: "bytes", get: (row) => row.heap?.live_bytes ?? null },
    { key: "heap", title: "Python heap", unit: "bytes", signed: true, get: (row) => row.python_heap?.delta_bytes ?? null },
    { key: "objects", title: "objects", unit: "count", signed: true, get: (row) => row.objects?.delta_count ?? null },
    { key: "tensors", title: "tensors live", unit: "bytes", get: (row) => row.tensors?.live_bytes ?? null },
    { key: "calls", title: "calls", unit: "count", get: (row) => row.calls },
    { key: "wall", title: "time", unit: "duration", get: (row) => row.wall_ns },
  ];
  return columns.filter((column) => has(column.get));
}

// The column of one category of memory, by the ledger of each phase: a map of paths.
export function kindColumn(ledger, category, title) {
  const get = (row) => {
    const found = ledger.get(row.path);
    if (!found) return null;
    if (category === "") return found.unexplained_bytes;
    return found.items.reduce((sum, item) => (item.category === category ? sum + item.bytes : sum), 0);
  };
  return { key: "kind", title, unit: "bytes", signed: true, bar: true, get };
}

// Returns a tree: {row, children}. Phases whose enclosing phase has no row are outermost.
export function phaseForest(phases) {
  const nodes = new Map(phases.filter((row) => row.path !== "").map((row) => [row.path, { row, children: [] }]));
  const roots = [];
  for (const one of nodes.values()) {
    const around = one.row.parent === null ? undefined : nodes.get(one.row.parent);
    (around ? around.children : roots).push(one);
  }
  return roots;
}

// Returns the rows that show, in order: {row, depth, children, open}.
//
// options: open(path, depth) tells what is expanded; sort is {get, descending} or null for the order of the calls; find
// is a text in lower case; wanted(path) is the brush.
export function visibleRows(forest, { open, sort = null, find = "", wanted = null }) {
  const kept = new Map();
  const keeps = (one) => {
    const inside = one.children.map(keeps).some(Boolean);
    const hit = (!find || one.row.path.toLowerCase().includes(find)) && (!wanted || wanted(one.row.path));
    kept.set(one, hit || inside);
    return hit || inside;
  };
  forest.forEach(keeps);
  const ordered = (nodes) => {
    const here = nodes.filter((one) => kept.get(one));
    if (!sort) return here;
    const value = (one) => sort.get(one.row) ?? -Infinity;
    const sign = sort.descending ? -1 : 1;
    return here.sort((a, b) => sign * (value(a) - value(b)) || 0);
  };
  const rows = [];
  const add = (nodes, depth) => {
    for (const one of ordered(nodes)) {
      const expanded = find ? true : open(one.row.path, depth);
      rows.push({ row: one.row, depth, children: one.children.length, open: expanded });
      if (expanded) add(one.children, depth + 1);
    }
  };
  add(forest, 0);
  return rows;
}
